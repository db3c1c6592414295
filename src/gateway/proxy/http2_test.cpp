#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>

#include "gateway/proxy/http2_client.h"
#include "gateway/proxy/http2_server.h"
#include "gateway/proxy/test_net.h"
#include "gateway/proxy/test_streams.h"

namespace weft::gateway {
namespace {

using namespace test_net;

struct NoEvents final : Connection::Events {
  void on_open() override {}
  void on_open_failed(Reset) override {}
  void on_readable() override {}
  void on_drained() override {}
};

/// Both sides on one loop, with a real connection between them.
struct World {
  LoopThread thread;
  ServerLimits server_limits;
  ClientLimits client_limits{.idle_time = 60'000};
  TestHandler handler;
  TestCodecOwner owner;
  NoEvents nobody;
  std::unique_ptr<Http2Server> server;
  std::unique_ptr<Http2Client> client;
  Fd listening = bound(SOCK_STREAM);
  std::deque<TestCall> calls;

  World() {
    uint16_t port = port_of(listening);
    thread.run([&] {
      client = std::make_unique<Http2Client>(thread.loop(), *IpAddr::parse("::1"), port, nullptr,
                                             client_limits, owner);
    });
    serve();
  }
  /// The next connection gets a server.
  void serve() {
    Fd socket = accepted(listening);
    int flags = fcntl(socket.get(), F_GETFL);
    fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK);
    thread.run([&] {
      auto connection = Connection::accept(thread.loop(), std::move(socket), nullptr, nobody);
      server = std::make_unique<Http2Server>(std::move(connection), "http", server_limits, handler, handler);
      server->start();
    });
  }
  ~World() {
    thread.run([&] {
      thread.loop().dispose(std::move(server));
      thread.loop().dispose(std::move(client));
    });
    thread.run([] {});
  }
  /// Until the condition, looked at on the loop, is true; false: it never was.
  bool until(const std::function<bool()>& condition) {
    for (int i = 0; i < kPatience / 2; ++i) {
      bool good = false;
      thread.run([&] { good = condition(); });
      if (good) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  TestCall& call() { return calls.emplace_back(); }
  /// A request without a body, to its end.
  TestCall& get(std::string_view path, Texts fields = {}, std::string_view method = "GET") {
    TestCall& made = call();
    thread.run([&] { made.start(*client, method, path, std::move(fields)); });
    EXPECT_TRUE(until([&] { return made.over(); })) << path;
    return made;
  }
};

TEST(Http2, RequestAndAnswer) {
  World world;
  TestCall& call = world.get("/hello", {{"x-a", "1"}, {"cookie", "a=1"}, {"cookie", "b=2"}});
  EXPECT_EQ(call.status, 200);
  EXPECT_EQ(call.body, "hello");
  EXPECT_EQ(call.body_said, (Body{BodyKind::length, 5}));
  EXPECT_EQ(call.reset, std::nullopt);
  TestAnswer& answer = *world.handler.answers.at(0);
  EXPECT_EQ(answer.head.method, "GET");
  EXPECT_EQ(answer.head.scheme, "http");
  EXPECT_EQ(answer.head.authority, "a.example:81");
  EXPECT_EQ(texts(answer.head.fields), (Texts{{"x-a", "1"}, {"cookie", "a=1; b=2"}}));
  EXPECT_TRUE(answer.in_ended);
  EXPECT_EQ(answer.body_said, Body{});
  EXPECT_EQ(world.get("/empty").status, 204);
  EXPECT_TRUE(world.until([&] { return world.owner.room == 2; }));
}

TEST(Http2, PathsAreNormalAndQueriesKept) {
  World world;
  TestCall& call = world.call();
  world.thread.run([&] {
    call.stream = &world.client->open(call);
    RequestHead request;
    request.method = "GET";
    request.authority = "A.Example";
    request.path = "/x/../%68ello";
    request.query = "q=%68";
    request.has_query = true;
    call.stream->send_head(request, {}, true);
  });
  ASSERT_TRUE(world.until([&] { return call.over(); }));
  EXPECT_EQ(call.status, 200);
  EXPECT_EQ(world.handler.answers[0]->head.path, "/hello");
  EXPECT_EQ(world.handler.answers[0]->head.query, "q=%68");
  EXPECT_EQ(world.handler.answers[0]->head.authority, "a.example");
}

TEST(Http2, LargeBodiesAndTrailersBothWays) {
  World world;
  std::string text;
  for (int i = 0; text.size() < 5'000'000; ++i) text += std::to_string(i) + ",";
  TestCall& call = world.call();
  world.thread.run([&] {
    call.start(*world.client, "POST", "/echo", {{"content-type", "application/grpc"}}, false);
    call.send_all(text, {{"grpc-status", "0"}});
  });
  ASSERT_TRUE(world.until([&] { return call.over(); }));
  EXPECT_EQ(call.body.size(), text.size());
  EXPECT_TRUE(call.body == text);
  EXPECT_EQ(call.trailers, (Texts{{"grpc-status", "0"}}));
  EXPECT_EQ(call.fields, (Texts{{"x-method", "POST"}}));
  EXPECT_GT(call.writable, 0);
}

TEST(Http2, ManyAtATimeUpToTheLimit) {
  World world;
  world.get("/hello");  // the server's settings have come by then
  world.thread.run([&] {
    for (int i = 0; i < 128; ++i) {
      EXPECT_TRUE(world.client->has_room());
      world.call().start(*world.client, "POST", "/echo", {}, false);
    }
    EXPECT_FALSE(world.client->has_room());
    for (TestCall& call : world.calls)
      if (!call.over()) call.send_all("text");
  });
  EXPECT_TRUE(world.until(
      [&] { return std::ranges::all_of(world.calls, [](TestCall& call) { return call.ended; }); }));
  for (TestCall& call : world.calls) EXPECT_TRUE(call.body == "text" || call.body == "hello");
  EXPECT_TRUE(world.until([&] { return world.client->has_room(); }));
}

TEST(Http2, AServerThatDoesNotReadStopsItsClient) {
  World world;
  TestCall& call = world.call();
  constexpr size_t kSize = 5'000'000;
  world.thread.run([&] {
    call.start(*world.client, "POST", "/deaf", {}, false);
    call.send_all(std::string(kSize, 'x'));
  });
  ASSERT_TRUE(world.until([&] { return !world.handler.answers.empty() && world.handler.answers[0]->told; }));
  TestCall& other = world.get("/hello");
  EXPECT_EQ(other.status, 200) << "others are not held up";
  EXPECT_LT(call.sent_bytes, 600'000) << "more than the window and the buffers";
  TestAnswer& answer = *world.handler.answers[0];
  EXPECT_EQ(answer.body, "");
  world.thread.run([&] { answer.stream.pause(false); });
  EXPECT_TRUE(world.until([&] { return answer.in_ended; }));
  EXPECT_EQ(answer.body.size(), kSize);
}

TEST(Http2, AClientThatDoesNotReadStopsTheServer) {
  World world;
  TestCall& call = world.call();
  world.thread.run([&] {
    call.start(*world.client, "GET", "/wait");
    call.stream->pause(true);
  });
  ASSERT_TRUE(world.until([&] { return !world.handler.answers.empty() && world.handler.answers[0]->told; }));
  TestAnswer& answer = *world.handler.answers[0];
  size_t sent = 0;
  world.thread.run([&] {
    ResponseHead head;
    head.status = 200;
    answer.stream.send_head(head, {BodyKind::chunked}, false);
  });
  bool more = true;
  while (more && sent < 10'000'000) {
    world.thread.run([&] { more = answer.stream.send_body(std::string(10'000, 'y'), false); });
    sent += 10'000;
  }
  EXPECT_LT(sent, 600'000);
  EXPECT_EQ(call.body, "");
  world.thread.run([&] { answer.stream.send_body("end", true); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(call.over());
  world.thread.run([&] { call.stream->pause(false); });
  EXPECT_TRUE(world.until([&] { return call.ended; }));
  EXPECT_EQ(call.body.size(), sent + 3);
}

TEST(Http2, TheEndOfAnAnswerWaitsForItsReader) {
  World world;
  TestCall& call = world.call();
  world.thread.run([&] {
    call.start(*world.client, "GET", "/hello");
    call.stream->pause(true);
  });
  ASSERT_TRUE(world.until([&] { return call.status == 200; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(call.over());
  world.thread.run([&] { call.stream->pause(false); });
  EXPECT_TRUE(world.until([&] { return call.ended; }));
  EXPECT_EQ(call.body, "hello");
  EXPECT_TRUE(world.until([&] { return world.owner.room == 1; }));
}

TEST(Http2, Resets) {
  World world;
  TestCall& left = world.call();
  world.thread.run([&] { left.start(*world.client, "POST", "/wait", {}, false); });
  ASSERT_TRUE(world.until([&] { return !world.handler.answers.empty() && world.handler.answers[0]->told; }));
  world.thread.run([&] { left.stream->reset(Reset::cancelled); });
  EXPECT_TRUE(world.until([&] { return world.handler.answers[0]->reset == Reset::cancelled; }));
  EXPECT_FALSE(left.over()) << "who resets is not told";

  TestCall& refused = world.call();
  world.thread.run([&] { refused.start(*world.client, "GET", "/wait"); });
  ASSERT_TRUE(
      world.until([&] { return world.handler.answers.size() == 2 && world.handler.answers[1]->told; }));
  world.thread.run([&] { world.handler.answers[1]->stream.reset(Reset::refused); });
  EXPECT_TRUE(world.until([&] { return refused.reset == Reset::refused; }));
  EXPECT_EQ(world.get("/hello").status, 200) << "the connection goes on";
}

TEST(Http2, AnAnswerBeforeTheRequestsEnd) {
  World world;
  TestCall& call = world.call();
  world.thread.run([&] {
    call.start(*world.client, "POST", "/early", {}, false);
    call.send_all(std::string(5'000'000, 'x'));
  });
  EXPECT_TRUE(world.until([&] { return call.ended; }));
  EXPECT_EQ(call.status, 413);
  EXPECT_TRUE(world.until([&] { return world.owner.room == 1; })) << "the stream has gone";
  EXPECT_EQ(world.get("/hello").status, 200);
}

TEST(Http2, HeadsWithoutBodies) {
  World world;
  TestCall& call = world.call();
  world.thread.run([&] { call.start(*world.client, "HEAD", "/wait"); });
  ASSERT_TRUE(world.until([&] { return !world.handler.answers.empty() && world.handler.answers[0]->told; }));
  world.thread.run([&] {
    ResponseHead hint;
    hint.status = 103;
    hint.fields.add("link", "</a>");
    world.handler.answers[0]->stream.send_informational(hint);
    ResponseHead head;
    head.status = 200;
    world.handler.answers[0]->stream.send_head(head, {BodyKind::length, 1234}, true);
  });
  EXPECT_TRUE(world.until([&] { return call.ended; }));
  EXPECT_EQ(call.body_said, (Body{BodyKind::length, 1234}));
  EXPECT_EQ(call.informational, (std::vector<uint16_t>{103}));
  EXPECT_EQ(call.fields, Texts{}) << "what the hint said is not the answer's";
}

TEST(Http2, AServerThatDrainsLetsStreamsFinish) {
  World world;
  TestCall& call = world.call();
  world.thread.run([&] { call.start(*world.client, "POST", "/echo", {}, false); });
  ASSERT_TRUE(world.until([&] { return call.status == 200; }));
  world.thread.run([&] { world.server->drain(); });
  EXPECT_TRUE(world.until([&] { return !world.client->has_room(); }));
  world.thread.run([&] { call.send_all("last words"); });
  EXPECT_TRUE(world.until([&] { return call.ended; }));
  EXPECT_EQ(call.body, "last words");
  EXPECT_TRUE(world.until([&] { return world.owner.done && world.handler.done; }));
}

TEST(Http2, AClientThatDrainsLetsStreamsFinish) {
  World world;
  TestCall& call = world.call();
  world.thread.run([&] {
    call.start(*world.client, "POST", "/echo", {}, false);
    world.client->drain();
    EXPECT_FALSE(world.client->has_room());
    call.send_all("last words");
  });
  EXPECT_TRUE(world.until([&] { return call.ended && world.owner.done && world.handler.done; }));
  EXPECT_EQ(call.body, "last words");
}

TEST(Http2, NobodyThere) {
  World world;
  TestCall& call = world.call();
  TestCodecOwner owner;
  uint16_t nobody = port_of(bound(SOCK_STREAM));
  std::unique_ptr<Http2Client> client;
  world.thread.run([&] {
    client = std::make_unique<Http2Client>(world.thread.loop(), *IpAddr::parse("::1"), nobody, nullptr,
                                           world.client_limits, owner);
    call.start(*client, "GET", "/hello");
  });
  EXPECT_TRUE(world.until([&] { return call.reset == Reset::connect_failed && owner.done; }));
  EXPECT_FALSE(call.connected);
  world.thread.run([&] { world.thread.loop().dispose(std::move(client)); });
}

TEST(Http2, ALostConnectionEndsItsStreams) {
  World world;
  TestCall& call = world.call();
  world.thread.run([&] { call.start(*world.client, "GET", "/wait"); });
  ASSERT_TRUE(world.until([&] { return !world.handler.answers.empty() && world.handler.answers[0]->told; }));
  world.thread.run([&] { world.thread.loop().dispose(std::move(world.server)); });
  EXPECT_TRUE(world.until([&] { return call.reset == Reset::closed && world.owner.done; }));
}

}  // namespace
}  // namespace weft::gateway
