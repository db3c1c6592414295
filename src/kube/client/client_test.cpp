#include "kube/client/client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>

#include "kube/client/testing/scripted_server.h"
#include "kube/service.h"

namespace weft::kube {
namespace {

using asio::awaitable;
using test::Exchange;
using test::Fixture;

const ResourceInfo& services() { return resource_of<Service>(); }

class ClientTest : public testing::Test, public Fixture {};

TEST_F(ClientTest, SendsAndReadsObjects) {
  std::vector<std::string> seen;
  serve([&](Exchange& x) -> awaitable<void> {
    seen.push_back(x.method + " " + x.target + " " + x.headers["content-type"] + " " + x.body);
    co_await x.answer(200, R"({"kind":"Service"})");
  });
  Client client(io, config());
  run([](Client& c) -> awaitable<void> {
    auto got = co_await c.get(services(), "a", "b");
    EXPECT_EQ(string_at(got.value(), "kind"), "Service");
    EXPECT_TRUE((co_await c.create(services(), "a", {{"x", 1}})).has_value());
    EXPECT_TRUE((co_await c.update(services(), "a", "b", {{"x", 2}}, "status")).has_value());
    EXPECT_TRUE((co_await c.merge_patch(services(), "a", "b", {{"x", nullptr}})).has_value());
    EXPECT_TRUE((co_await c.apply(services(), "a", "b", json::object{{"x", 3}}, "me&you")).has_value());
    EXPECT_TRUE((co_await c.remove(services(), "a", "b")).has_value());
  }(client));
  EXPECT_EQ(seen, (std::vector<std::string>{
                      "GET /api/v1/namespaces/a/services/b  ",
                      R"(POST /api/v1/namespaces/a/services application/json {"x":1})",
                      R"(PUT /api/v1/namespaces/a/services/b/status application/json {"x":2})",
                      R"(PATCH /api/v1/namespaces/a/services/b application/merge-patch+json {"x":null})",
                      R"(PATCH /api/v1/namespaces/a/services/b?force=true&fieldManager=me%26you )"
                      R"(application/apply-patch+yaml {"x":3})",
                      "DELETE /api/v1/namespaces/a/services/b  ",
                  }));
  EXPECT_EQ(server->connections(), 1) << "connections are kept";
}

TEST_F(ClientTest, StatusBecomesErrorCode) {
  struct Case {
    int status;
    std::string body;
    ErrorCode code;
    std::string message;
  };
  std::vector<Case> cases{
      {404, R"({"kind":"Status","reason":"NotFound","message":"services \"b\" not found"})",
       ErrorCode::not_found, "services \"b\" not found"},
      {409, R"({"reason":"AlreadyExists","message":"m"})", ErrorCode::already_exists, "m"},
      {409, R"({"reason":"Conflict","message":"m"})", ErrorCode::conflict, "m"},
      {410, R"({"reason":"Expired","message":"m"})", ErrorCode::gone, "m"},
      {422, R"({"reason":"Invalid","message":"spec.ports: Required value"})", ErrorCode::invalid,
       "spec.ports: Required value"},
      {403, R"({"reason":"Forbidden","message":"m"})", ErrorCode::forbidden, "m"},
      {429, R"({"reason":"TooManyRequests","message":"m"})", ErrorCode::too_many_requests, "m"},
      {502, "<html>\nno", ErrorCode::internal, "GET /api/v1/namespaces/a/services/b: HTTP 502: <html>"},
      {500, R"({"message":[1]})", ErrorCode::internal, "GET /api/v1/namespaces/a/services/b: HTTP 500"},
      {200, "{not json", ErrorCode::internal, "GET /api/v1/namespaces/a/services/b: the answer is no JSON"},
  };
  const Case* current = nullptr;
  serve([&](Exchange& x) -> awaitable<void> { co_await x.answer(current->status, current->body); });
  Client client(io, config());
  for (const auto& c : cases) {
    current = &c;
    run([](Client& cl, const Case& want) -> awaitable<void> {
      auto got = co_await cl.get(services(), "a", "b");
      EXPECT_FALSE(got.has_value());
      if (got) co_return;
      EXPECT_EQ(got.error().code, want.code) << want.message;
      EXPECT_EQ(got.error().message, want.message);
    }(client, c));
  }
}

TEST_F(ClientTest, ObeysRetryAfter) {
  int calls = 0;
  serve([&](Exchange& x) -> awaitable<void> {
    if (++calls == 1) {
      co_await x.answer(429, "{}", "Retry-After: 1\r\n");
    } else if (calls == 2) {
      co_await x.answer(503, "{}", "Retry-After: 1\r\n");
    } else {
      co_await x.answer(200, "{}");
    }
  });
  Client client(io, config());
  auto begun = std::chrono::steady_clock::now();
  run([](Client& c) -> awaitable<void> {
    EXPECT_TRUE((co_await c.get(services(), "a", "b")).has_value());
  }(client));
  EXPECT_EQ(calls, 3);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::seconds(2));
}

TEST_F(ClientTest, FollowsPages) {
  std::vector<std::string> targets;
  serve([&](Exchange& x) -> awaitable<void> {
    targets.push_back(x.target);
    if (targets.size() == 1) {
      co_await x.answer(200,
                        R"({"metadata":{"resourceVersion":"7","continue":"a=b"},"items":[{"n":1},{"n":2}]})");
    } else if (targets.size() == 2) {
      co_await x.answer(200, R"({"metadata":{"resourceVersion":"7"},"items":[{"n":3}]})");
    } else {
      co_await x.answer(200, R"({"metadata":{"resourceVersion":"8"},"items":null})");
    }
  });
  Client client(io, config());
  run([](Client& c) -> awaitable<void> {
    auto got = co_await c.list(services(), "", "labelSelector=a%3Db");
    EXPECT_EQ(got.value().at("items").as_array().size(), 3);
    auto empty = co_await c.list(services(), "");
    EXPECT_EQ(empty.value().at("items").as_array().size(), 0);
  }(client));
  EXPECT_EQ(targets[0], "/api/v1/services?limit=1000&labelSelector=a%3Db");
  EXPECT_EQ(targets[1], "/api/v1/services?limit=1000&labelSelector=a%3Db&continue=a%3Db");
}

TEST_F(ClientTest, KeptConnectionThatTheServerClosedIsReplaced) {
  int calls = 0;
  serve([&](Exchange& x) -> awaitable<void> {
    ++calls;
    co_await x.answer(200, "{}");
    x.close = true;
  });
  Client client(io, config());
  for (int i = 0; i < 3; ++i) {
    run([](Client& c) -> awaitable<void> {
      EXPECT_TRUE((co_await c.create(services(), "a", {{"x", 1}})).has_value());
      asio::steady_timer timer(c.io(), std::chrono::milliseconds(20));
      co_await timer.async_wait(asio::use_awaitable);
    }(client));
  }
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(server->connections(), 3);
}

TEST_F(ClientTest, GetIsRepeatedWhenAKeptConnectionDiesButPostIsNot) {
  int calls = 0;
  serve([&](Exchange& x) -> awaitable<void> {
    // The second request on a connection is swallowed: whether it was carried out nobody can say.
    if (++calls % 2 == 0) {
      x.close = true;
      co_return;
    }
    co_await x.answer(200, "{}");
  });
  Client client(io, config());
  run([](Client& c) -> awaitable<void> {
    EXPECT_TRUE((co_await c.get(services(), "a", "b")).has_value());
    EXPECT_TRUE((co_await c.get(services(), "a", "b")).has_value());
    auto made = co_await c.create(services(), "a", {{"x", 1}});
    EXPECT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code, ErrorCode::unavailable);
  }(client));
  EXPECT_EQ(calls, 4);
}

TEST_F(ClientTest, ManyRequestsShareAFewConnections) {
  int at_once = 0, most = 0, done = 0;
  serve([&](Exchange& x) -> awaitable<void> {
    most = std::max(most, ++at_once);
    co_await x.sleep(5);
    --at_once;
    co_await x.answer(200, "{}");
  });
  Client client(io, config());
  for (int i = 0; i < 200; ++i) {
    asio::co_spawn(
        io,
        [](Client& c, int& n) -> awaitable<void> {
          if (co_await c.get(services(), "a", "b")) ++n;
        }(client, done),
        asio::detached);
  }
  EXPECT_TRUE(run_until([&] { return done == 200; }));
  EXPECT_LE(most, 32);
  EXPECT_GT(most, 8);
  EXPECT_LE(server->connections(), 200 - 8);
}

TEST_F(ClientTest, RequestsInTheQueueMayBeThrownAway) {
  serve([&](Exchange& x) -> awaitable<void> { co_await x.sleep(10'000); });
  {
    Client client(io, config());
    for (int i = 0; i < 100; ++i) {
      asio::co_spawn(
          io, [](Client& c) -> awaitable<void> { co_await c.get(services(), "a", "b"); }(client),
          asio::detached);
    }
    run_until([&] { return server->connections() == 32; }, 5);
  }
  // The io_context ends after the client: the frames of a hundred requests are destroyed half-way.
}

TEST_F(ClientTest, SilentServerTimesOut) {
  serve([&](Exchange& x) -> awaitable<void> { co_await x.sleep(5'000); });
  auto settings = config();
  settings.request_timeout = std::chrono::milliseconds(200);
  Client client(io, settings);
  auto begun = std::chrono::steady_clock::now();
  run([](Client& c) -> awaitable<void> {
    auto got = co_await c.get(services(), "a", "b");
    EXPECT_FALSE(got.has_value());
    EXPECT_EQ(got.error().code, ErrorCode::unavailable);
    EXPECT_NE(got.error().message.find("timed out"), std::string::npos) << got.error().message;
  }(client));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(2));
}

TEST_F(ClientTest, SlowServerIsWaitedFor) {
  serve([&](Exchange& x) -> awaitable<void> {
    co_await x.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
    for (char c : std::string(R"({"a":12})")) {
      co_await x.sleep(10);
      co_await x.send(std::string(1, c));
    }
  });
  Client client(io, config());
  run([](Client& c) -> awaitable<void> {
    auto got = co_await c.get(services(), "a", "b");
    EXPECT_EQ(got.value().at("a"), 12);
  }(client));
}

TEST_F(ClientTest, NobodyListens) {
  serve([](Exchange&) -> awaitable<void> { co_return; });
  auto settings = config();
  server->kill();
  Client client(io, settings);
  run([](Client& c) -> awaitable<void> {
    auto got = co_await c.get(services(), "a", "b");
    EXPECT_EQ(got.error().code, ErrorCode::unavailable);
    EXPECT_NE(got.error().message.find("connect: Connection refused"), std::string::npos)
        << got.error().message;
  }(client));
}

TEST_F(ClientTest, VerifiesWhoTheServerIs) {
  serve([](Exchange& x) -> awaitable<void> { co_await x.answer(200, "{}"); });
  auto attempt = [&](const ClientConfig& settings) {
    Client client(io, settings);
    std::string out = "ok";
    run([](Client& c, std::string& o) -> awaitable<void> {
      auto got = co_await c.get(services(), "a", "b");
      if (!got) o = got.error().message;
    }(client, out));
    return out;
  };
  EXPECT_EQ(attempt(config()), "ok");

  auto named = config();
  named.server_name = "api.test";
  EXPECT_EQ(attempt(named), "ok");
  named.server_name = "other.test";
  EXPECT_NE(attempt(named).find("not accepted for \"other.test\": hostname mismatch"), std::string::npos)
      << attempt(named);
  named.server_name = "server";  // the subject's common name, which must not count
  EXPECT_NE(attempt(named).find("mismatch"), std::string::npos) << attempt(named);
  named.server_name = "127.0.0.2";
  EXPECT_NE(attempt(named).find("IP address mismatch"), std::string::npos) << attempt(named);
  named.insecure_skip_verify = true;
  EXPECT_EQ(attempt(named), "ok");

  auto stranger = config();
  stranger.ca_pem = test::TestAuthority().cert();
  EXPECT_NE(attempt(stranger).find("certificate"), std::string::npos) << attempt(stranger);

  auto nobody = config();
  nobody.cert_pem.clear();
  EXPECT_NE(attempt(nobody).find("certificate required"), std::string::npos) << attempt(nobody);

  auto forged = config();
  auto other = test::TestAuthority().issue("someone", "");
  forged.cert_pem = other.cert;
  forged.key_pem = other.key;
  EXPECT_NE(attempt(forged), "ok");

  auto mixed = config();
  mixed.key_pem = other.key;
  EXPECT_NE(attempt(mixed).find("client-key-data"), std::string::npos) << attempt(mixed);
}

TEST_F(ClientTest, TokenFileIsReadForEachRequest) {
  std::vector<std::string> tokens;
  serve([&](Exchange& x) -> awaitable<void> {
    tokens.push_back(x.headers["authorization"]);
    co_await x.answer(200, "{}");
  });
  auto settings = config();
  settings.token_file = testing::TempDir() + "wt-client-token-" + std::to_string(getpid());
  Client client(io, settings);
  auto get = [](Client& c) -> awaitable<void> { co_await c.get(services(), "a", "b"); };
  std::ofstream(settings.token_file) << "one\n";
  run(get(client));
  std::ofstream(settings.token_file) << "two\n";
  run(get(client));
  std::filesystem::remove(settings.token_file);
  EXPECT_EQ(tokens, (std::vector<std::string>{"Bearer one", "Bearer two"}));
  run([](Client& c) -> awaitable<void> {
    auto got = co_await c.get(services(), "a", "b");
    EXPECT_FALSE(got.has_value());
    EXPECT_NE(got.error().message.find("token file"), std::string::npos);
  }(client));
}

TEST_F(ClientTest, SpeaksPlainHttp) {
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  asio::co_spawn(
      io,
      [](asio::ip::tcp::acceptor& a) -> awaitable<void> {
        auto socket = co_await a.async_accept(asio::use_awaitable);
        char buffer[4096];
        co_await socket.async_read_some(asio::buffer(buffer), asio::use_awaitable);
        co_await asio::async_write(
            socket, asio::buffer(std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}")),
            asio::use_awaitable);
      }(acceptor),
      asio::detached);
  ClientConfig settings;
  settings.host = "localhost";
  settings.port = acceptor.local_endpoint().port();
  settings.tls = false;
  Client client(io, settings);
  run([](Client& c) -> awaitable<void> {
    auto got = co_await c.get(services(), "a", "b");
    EXPECT_TRUE(got.has_value()) << got.error().message;
  }(client));
}

TEST_F(ClientTest, WatchReportsRefusalAndSilence) {
  int calls = 0;
  serve([&](Exchange& x) -> awaitable<void> {
    if (++calls == 1) {
      co_await x.answer(410, R"({"reason":"Expired","message":"too old"})");
      co_return;
    }
    co_await x.start_stream();
    co_await x.chunk(R"({"type":"BOOKMARK","object":{}})");
    co_await x.sleep(3'000);
  });
  auto settings = config();
  settings.watch_silence = std::chrono::milliseconds(100);
  Client client(io, settings);
  run([](Client& c) -> awaitable<void> {
    auto ignore = [](WatchEvent) { return true; };
    auto refused = co_await c.watch(services(), "", "", ignore);
    EXPECT_EQ(refused.error().code, ErrorCode::gone);
    EXPECT_EQ(refused.error().message, "too old");
    auto silent = co_await c.watch(services(), "", "", ignore);
    EXPECT_EQ(silent.error().code, ErrorCode::unavailable);
  }(client));
}

}  // namespace
}  // namespace weft::kube
