#include "gateway/proxy/proxy.h"

#include <gmock/gmock.h>

#include <fcntl.h>

#include "gateway/proxy/test_proxy.h"

namespace weft::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST_F(ProxyTest, KeepsConnectionsOnBothSides) {
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start();
  TestSocket socket = client();
  for (int i = 0; i < 3; ++i) {
    socket.send(
        "GET /a/./b?c HTTP/1.1\r\nHost: Example.org:80\r\nX-One: 1\r\nConnection: keep-alive\r\n\r\n");
    auto [head, body] = socket.read_message();
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\nx-backend: echo\r\n"));
    EXPECT_THAT(body, StartsWith("GET /a/b?c HTTP/1.1\r\nhost: example.org:80\r\n"));
    EXPECT_THAT(body, HasSubstr("x-one: 1\r\n"));
    EXPECT_THAT(body, HasSubstr("x-forwarded-for: 127.0.0.1\r\n"));
    EXPECT_THAT(body, HasSubstr("x-forwarded-proto: http\r\n"));
    EXPECT_THAT(body, HasSubstr("x-forwarded-host: example.org:80\r\n"));
    EXPECT_THAT(body, Not(HasSubstr("connection")));
  }
  EXPECT_EQ(backend.connections(), 1);
}

TEST_F(ProxyTest, StatusesOfGatewayApi) {
  const ReservedPort dead, broken;
  config.backend("none", {});
  config.backend("dead", {dead.number()});
  config.backend("broken", {broken.number()}, {.broken = true});
  config.rule("/none", "none");
  config.rule("/dead", "dead");
  config.rule("/broken", "broken");
  config.rule("/nothing", "");
  config.rule("/invalid", "").backends = {{.backend = ""}};
  start();
  EXPECT_EQ(status("/"), "HTTP/1.1 404");
  EXPECT_EQ(status("/nothing"), "HTTP/1.1 500");
  EXPECT_EQ(status("/invalid"), "HTTP/1.1 500");
  EXPECT_EQ(status("/none"), "HTTP/1.1 503");
  EXPECT_EQ(status("/dead"), "HTTP/1.1 503");
  EXPECT_EQ(status("/broken"), "HTTP/1.1 502");
}

TEST_F(ProxyTest, BadRequestsAreAnsweredAndEndTheConnection) {
  start();
  for (const char* request : {"GET / HTTP/1.1\r\n\r\n",
                              "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n",
                              "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n"}) {
    TestSocket socket = client();
    socket.send(request);
    EXPECT_EQ(socket.read_head(),
              "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    EXPECT_TRUE(socket.ended());
  }
}

TEST_F(ProxyTest, PipelinedRequestsAreAnsweredInOrder) {
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/b", "b");
  start();
  TestSocket socket = client();
  std::string requests = "\r\n";
  for (int i = 0; i < 50; ++i) {
    std::string n = std::to_string(i);
    requests += "POST /b" + std::string(i % 3 == 0 ? "x" : "") + "/" + n + " HTTP/1.1\r\nHost: a\r\n";
    requests += i % 2 == 0 ? "Content-Length: 3\r\n\r\nabc"
                           : "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  }
  socket.send(requests);
  for (int i = 0; i < 50; ++i) {
    auto [head, body] = socket.read_message();
    if (i % 3 == 0) {
      EXPECT_THAT(head, StartsWith("HTTP/1.1 404")) << i;
    } else {
      EXPECT_THAT(body, StartsWith("POST /b/" + std::to_string(i) + " HTTP/1.1\r\n"));
      EXPECT_THAT(body, testing::EndsWith("abc"));
    }
  }
}

TEST_F(ProxyTest, RequestsThatComeByteByByte) {
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start();
  TestSocket socket = client();
  for (char c : std::string(
           "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n")) {
    socket.send({&c, 1});
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  EXPECT_THAT(socket.read_message().second, testing::EndsWith("hello"));
}

TEST_F(ProxyTest, LargeBodiesBothWaysWithASlowReader) {
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start();
  std::string sent(8 << 20, 0);
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i * 7 % 26);
  for (bool chunked : {false, true}) {
    TestSocket socket = client();
    std::thread sender([&] {
      socket.send("PUT / HTTP/1.1\r\nHost: a\r\n");
      if (!chunked) {
        socket.send("Content-Length: " + std::to_string(sent.size()) + "\r\n\r\n" + sent);
        return;
      }
      socket.send("Transfer-Encoding: chunked\r\n\r\n");
      for (size_t at = 0; at < sent.size(); at += 65536)
        socket.send("10000\r\n" + sent.substr(at, 65536) + "\r\n");
      socket.send("0\r\n\r\n");
    });
    sender.join();  // the answer begins when the backend has read all; then it waits for us
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    auto [head, body] = socket.read_message();
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
    ASSERT_GT(body.size(), sent.size());
    EXPECT_TRUE(body.ends_with(sent));
  }
}

TEST_F(ProxyTest, FramingOfAnswers) {
  TestBackend closing([](TestSocket& socket) {
    socket.read_head();
    socket.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    socket.close();
  });
  TestBackend chunked(always(
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nx-sum: 1\r\n\r\n"));
  TestBackend none(always("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"));
  TestBackend not_modified(always("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"));
  TestBackend length(always("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"));
  TestBackend early(
      always("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
             "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
  TestBackend smuggler(always("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"));
  config.backend("closing", {closing.port()});
  config.backend("chunked", {chunked.port()});
  config.backend("none", {none.port()});
  config.backend("304", {not_modified.port()});
  config.backend("length", {length.port()});
  config.backend("early", {early.port()});
  config.backend("smuggler", {smuggler.port()});
  for (const char* name : {"closing", "chunked", "none", "304", "length", "early", "smuggler"})
    config.rule(std::string("/") + name, name);
  start();
  TestSocket socket = client();
  auto get = [&](const std::string& line) {
    socket.send(line + "\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  };
  get("GET /closing HTTP/1.1");
  EXPECT_EQ(socket.read_message(),
            (std::pair<std::string, std::string>("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                                                 "until the end")));
  get("GET /chunked HTTP/1.1");
  EXPECT_EQ(socket.read_message().second, "abcx-sum: 1\r\n");
  get("GET /none HTTP/1.1");
  EXPECT_EQ(socket.read_head(), "HTTP/1.1 204 No Content\r\n\r\n");
  get("GET /304 HTTP/1.1");
  EXPECT_EQ(socket.read_head(), "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n");
  get("HEAD /length HTTP/1.1");
  EXPECT_EQ(socket.read_head(), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
  get("HEAD /nobody HTTP/1.1");
  EXPECT_THAT(socket.read_head(), StartsWith("HTTP/1.1 404"));
  get("GET /early HTTP/1.1");
  EXPECT_EQ(socket.read_head(), "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
  EXPECT_EQ(socket.read_head(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  get("GET /smuggler HTTP/1.1");
  EXPECT_THAT(socket.read_message().first, StartsWith("HTTP/1.1 502"));
  get("GET /chunked HTTP/1.0");
  EXPECT_EQ(socket.read_all(), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
  TestSocket old = client();
  old.send("GET /none HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(old.read_head(), "HTTP/1.1 204 No Content\r\nconnection: keep-alive\r\n\r\n");
}

TEST_F(ProxyTest, AnAnswerThatBreaksOffEndsTheConnection) {
  TestBackend backend([](TestSocket& socket) {
    socket.read_head();
    socket.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    socket.close();
  });
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start();
  TestSocket socket = client();
  socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(socket.read_all(), testing::EndsWith("\r\n\r\nhalf"));
}

TEST_F(ProxyTest, ExpectContinueIsAnsweredWhenTheBodyIsWanted) {
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/b", "b");
  start();
  TestSocket socket = client();
  socket.send("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(socket.read_head(), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("hello");
  auto [head, body] = socket.read_message();
  EXPECT_THAT(body, testing::EndsWith("hello"));
  EXPECT_THAT(body, Not(HasSubstr("expect")));
  TestSocket refused = client();
  refused.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  auto [answer, text] = refused.read_message();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(answer, HasSubstr("connection: close"));
  EXPECT_TRUE(refused.ended());
}

TEST_F(ProxyTest, TheRestOfARefusedBodyIsThrownAway) {
  start();
  TestSocket socket = client();
  socket.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n");
  EXPECT_THAT(socket.read_message().first, StartsWith("HTTP/1.1 404"));
  socket.send(std::string(20000, 'x') + "GET /y HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(socket.read_message().first, StartsWith("HTTP/1.1 404"));
  TestSocket large = client();
  large.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  EXPECT_THAT(large.read_message().first, HasSubstr("connection: close"));
}

TEST_F(ProxyTest, UpgradesBecomeTunnels) {
  TestBackend backend([](TestSocket& socket) {
    std::string head = socket.read_head();
    EXPECT_THAT(head, HasSubstr("connection: upgrade\r\nupgrade: websocket\r\n"));
    socket.send(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx-key: "
        "1\r\n\r\nfirst");
    EXPECT_EQ(socket.read(6), "second");
    socket.send("third");
    EXPECT_EQ(socket.read_all(), "fourth");
    socket.send("fifth");
    socket.close();
  });
  config.backend("b", {backend.port()});
  config.rule("/", "b").request_timeout = 300;
  start();
  TestSocket socket = client();
  socket.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(
      socket.read_head(),
      "HTTP/1.1 101 Switching Protocols\r\nx-key: 1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  EXPECT_EQ(socket.read(5), "first");
  apply();  // a change of the snapshot does not touch it
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  socket.send("second");
  EXPECT_EQ(socket.read(5), "third");
  socket.send("fourth");
  socket.finish();
  EXPECT_EQ(socket.read_all(), "fifth");
}

TEST_F(ProxyTest, AnUpgradeThatTheBackendDoesNotWantIsARequest) {
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start();
  TestSocket socket = client();
  for (int i = 0; i < 2; ++i) {
    socket.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    EXPECT_THAT(socket.read_message().first, StartsWith("HTTP/1.1 200"));
  }
}

TEST_F(ProxyTest, Timeouts) {
  TestBackend silent([](TestSocket& socket) { socket.read_all(); });
  TestBackend stalls([](TestSocket& socket) {
    socket.read_head();
    socket.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    socket.read_all();
  });
  config.backend("silent", {silent.port()});
  config.backend("stalls", {stalls.port()});
  config.rule("/request", "silent").request_timeout = 100;
  config.rule("/backend", "silent").backend_timeout = 100;
  config.rule("/stalls", "stalls").request_timeout = 100;
  start();
  EXPECT_EQ(status("/request"), "HTTP/1.1 504");
  EXPECT_EQ(status("/backend"), "HTTP/1.1 504");
  TestSocket socket = client();
  socket.send("GET /stalls HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(socket.read_all(), testing::EndsWith("half"));
}

TEST_F(ProxyTest, RetriesAsTheRuleSays) {
  std::atomic<int> asked = 0;
  TestBackend backend([&](TestSocket& socket) {
    while (true) {
      auto [head, body] = socket.read_message();
      if (head.empty()) return socket.close();
      EXPECT_EQ(body, "hello");
      socket.send(++asked < 3 ? "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 1\r\n\r\nx"
                              : "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    }
  });
  config.backend("b", {backend.port()});
  config.rule("/retried", "b").retry = Retry{.codes = {503}, .attempts = 2, .backoff = 1};
  config.rule("/once", "b").retry = Retry{.codes = {503}, .attempts = 1, .backoff = 1};
  start();
  EXPECT_EQ(ask("POST /retried HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").second, "ok");
  EXPECT_EQ(asked, 3);
  asked = 0;
  EXPECT_THAT(ask("POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").first,
              StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(asked, 2);
}

TEST_F(ProxyTest, AnEndpointThatIsNotThereCostsNoRequest) {
  TestBackend backend(echo);
  const ReservedPort dead, dead_too;
  config.backend("b", {backend.port(), dead.number(), dead_too.number()});
  config.rule("/", "b");
  start();
  for (int i = 0; i < 30; ++i)
    EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").first,
                StartsWith("HTTP/1.1 200"));
}

TEST_F(ProxyTest, KeptConnectionsThatTheBackendEndedCostNoRequest) {
  // Each connection ends behind its first answer, without a word of it.
  TestBackend backend([](TestSocket& socket) {
    socket.read_message();
    socket.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    socket.read(1);
    socket.abort();
  });
  std::atomic<int> closed = 0;
  TestBackend quick([&closed](TestSocket& socket) {
    socket.read_message();
    socket.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    socket.close();
    ++closed;
  });
  config.backend("b", {backend.port()});
  config.backend("quick", {quick.port()});
  config.rule("/", "b");
  config.rule("/quick", "quick");
  start();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").second, "ok");
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ask("POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").second, "ok");
    // What crosses the end of a connection on the way cannot be sent again.
    while (closed <= i) std::this_thread::yield();
  }
}

TEST_F(ProxyTest, ChangesDoNotTouchConnections) {
  TestBackend one(always("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none"));
  TestBackend two(always("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo"));
  config.backend("one", {one.port()});
  config.backend("two", {two.port()});
  config.rule("/", "one");
  start();
  TestSocket socket = client();
  auto get = [&] {
    socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return socket.read_message().second;
  };
  EXPECT_EQ(get(), "one");
  config.rules[0].backends[0].backend = "two";
  apply();
  EXPECT_EQ(get(), "two");
  config.backend("two", {one.port()});
  apply();
  EXPECT_EQ(get(), "one");
  config.rules.clear();
  apply();
  EXPECT_THAT(get(), HasSubstr("no route"));
  EXPECT_EQ(proxy->stats().connections_total, 1u);
}

TEST_F(ProxyTest, RequestsToAnEndpointThatWentAreFinished) {
  std::atomic<bool> asked = false, go = false;
  TestBackend slow([&](TestSocket& socket) {
    socket.read_head();
    asked = true;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    socket.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow");
    EXPECT_TRUE(socket.ended());  // it is not kept
  });
  TestBackend other(always("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"));
  config.backend("b", {slow.port()});
  config.rule("/", "b");
  start();
  TestSocket first = client();
  first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  while (!asked) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  config.backend("b", {other.port()});
  apply();
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").second, "other");
  go = true;
  EXPECT_EQ(first.read_message().second, "slow");
}

TEST_F(ProxyTest, APortThatGoesIsNoLongerListenedOn) {
  start();
  EXPECT_TRUE(client().good());
  config.without_port = true;
  apply();
  EXPECT_FALSE(client().good());
  config.without_port = false;
  apply();
  EXPECT_TRUE(client().good());
}

TEST_F(ProxyTest, MirrorsGetTheRequestAndNobodyWaitsForThem) {
  std::mutex mutex;
  std::vector<std::string> copies;
  TestBackend backend(echo);
  TestBackend mirror([&](TestSocket& socket) {
    auto [head, body] = socket.read_message();
    std::lock_guard lock(mutex);
    copies.push_back(head.substr(0, head.find('\r')) + body);
  });
  config.backend("b", {backend.port()});
  config.backend("m", {mirror.port()});
  const ReservedPort dead;
  config.backend("dead", {dead.number()});
  config.rule("/", "b").filters.mirrors = {{.backend = "m"}, {.backend = "dead"}};
  start();
  EXPECT_THAT(ask("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").first,
              StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET /y HTTP/1.1\r\nHost: a\r\n\r\n").first, StartsWith("HTTP/1.1 200"));
  for (int i = 0; i < 2000; ++i) {
    std::lock_guard lock(mutex);
    if (copies.size() == 2) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::lock_guard lock(mutex);
  EXPECT_THAT(copies, testing::UnorderedElementsAre("POST /x HTTP/1.1hello", "GET /y HTTP/1.1"));
}

TEST_F(ProxyTest, TooManyConnectionsAreToldSo) {
  ProxyOptions options;
  options.worker.max_connections = 2;
  start(std::move(options));
  TestSocket a = client(), b = client();
  a.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  b.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  a.read_message();
  b.read_message();
  TestSocket c = client();
  EXPECT_THAT(c.read_all(), StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(proxy->stats().refused, 1u);
  a.close();
  b.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(b.read_message().first, StartsWith("HTTP/1.1 404"));
}

TEST_F(ProxyTest, SlowClientsAreLeft) {
  ProxyOptions options;
  options.worker.server = {.head_time = 100, .idle_time = 100, .body_time = 100};
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start(std::move(options));
  TestSocket silent = client(), head = client(), body = client(), idle = client();
  head.send("GET / HTTP/1.1\r\nHo");
  body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
  idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(silent.ended());
  EXPECT_THAT(head.read_all(), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(body.read_all(), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(idle.read_message().first, StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(idle.ended());
}

TEST_F(ProxyTest, CountsAndLogs) {
  std::array<int, 2> pipe;
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  ProxyOptions options;
  options.access_log = Fd(pipe[1]);
  Fd reader(pipe[0]);
  TestBackend backend(always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start(std::move(options));
  ask("POST /\"x\" HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  std::array<char, 2048> line{};
  ASSERT_GT(::read(reader.get(), line.data(), line.size() - 1), 0);
  std::string text(line.data());
  EXPECT_THAT(text, HasSubstr("\"status\":200"));
  EXPECT_THAT(text,
              HasSubstr("\"in\":5,\"out\":2,\"client\":\"127.0.0.1\",\"method\":\"POST\",\"host\":\"a\","
                        "\"path\":\"/%22x%22\",\"gateway\":\"ns/gw\",\"listener\":\"web\","
                        "\"route\":\"HTTPRoute/ns/route\",\"backend\":\"127.0.0.1:"));
  Stats stats = proxy->stats();
  const ListenerStats& web = stats.listeners["ns/gw/web"];
  EXPECT_EQ(web.requests[2], 1u);
  EXPECT_EQ(web.bytes_in, 5u);
  EXPECT_EQ(web.bytes_out, 2u);
  EXPECT_EQ(web.active, 0u);
}

TEST_F(ProxyTest, DrainingAnswersWhatHasCome) {
  std::atomic<bool> asked = false;
  TestBackend slow([&](TestSocket& socket) {
    socket.read_head();
    asked = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    socket.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow");
    socket.read_all();
  });
  config.backend("b", {slow.port()});
  config.rule("/", "b");
  start();
  TestSocket socket = client(), idle = client();
  socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  while (!asked) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  proxy->drain(std::chrono::seconds(5));
  EXPECT_EQ(proxy->stats().connections, 0u);
  auto [head, body] = socket.read_message();
  EXPECT_THAT(head, HasSubstr("connection: close"));
  EXPECT_EQ(body, "slow");
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(client().good());
}

TEST_F(ProxyTest, SocketsAreHandedOverWithoutARefusedConnection) {
  TestBackend backend(always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  std::string path = testing::TempDir() + "/weft-proxy-test-" + std::to_string(::getpid()) + ".sock";
  std::atomic<bool> handed_over = false;
  ProxyOptions options;
  options.threads = 2;
  options.handover = path;
  options.on_handed_over = [&] { handed_over = true; };
  start(std::move(options));
  std::atomic<bool> stop = false;
  std::atomic<int> good = 0, bad = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back([&] {
      while (!stop) {
        TestSocket socket = client();
        socket.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        ++(socket.read_message().second == "ok" ? good : bad);
      }
    });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ProxyOptions next;
  next.threads = 3;
  next.handover = path;
  auto successor = Proxy::start(std::move(next));
  ASSERT_TRUE(successor);
  EXPECT_TRUE((*successor)->apply(config.snapshot()).empty());
  for (int i = 0; i < 2000 && !handed_over; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(handed_over);
  proxy->drain(std::chrono::seconds(5));
  proxy.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  stop = true;
  for (std::thread& thread : clients) thread.join();
  EXPECT_EQ(bad, 0);
  EXPECT_GT(good, 10);
  EXPECT_GT((*successor)->stats().connections_total, 0u);
}

}  // namespace
}  // namespace weft::gateway
