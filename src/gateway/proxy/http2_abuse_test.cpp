#include <fcntl.h>
#include <gtest/gtest.h>

#include "gateway/proxy/http2_server.h"
#include "gateway/proxy/test_net.h"
#include "gateway/proxy/test_streams.h"

// What a client may do that no client library does: frames written by hand.

namespace weft::gateway {
namespace {

using namespace test_net;

enum Type : uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  ping = 6,
  goaway = 7,
  window_update = 8,
  continuation = 9
};
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kEndHeaders = 4;
constexpr uint32_t kCalm = 11;

std::string number(size_t value, int size) {
  std::string out;
  while (size-- > 0) out += static_cast<char>(value >> (8 * size));
  return out;
}
std::string frame(Type type, uint8_t flags, uint32_t stream, std::string_view payload = "") {
  return number(payload.size(), 3) + number(type, 1) + number(flags, 1) + number(stream, 4) +
         std::string(payload);
}
/// HPACK: a literal that is not indexed.
std::string field(std::string_view name, std::string_view value) {
  auto string = [](std::string_view text) {
    if (text.size() < 127) return number(text.size(), 1) + std::string(text);
    std::string out = "\x7f";
    size_t rest = text.size() - 127;
    for (; rest >= 128; rest >>= 7) out += static_cast<char>(rest | 128);
    return out + static_cast<char>(rest) + std::string(text);
  };
  return std::string(1, '\0') + string(name) + string(value);
}
std::string request(std::string_view path = "/hello") {
  return field(":method", "GET") + field(":scheme", "http") + field(":authority", "a") + field(":path", path);
}

struct Frame {
  int type = -1;  ///< -1: the connection has ended
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string payload;
  /// The code of RST_STREAM and GOAWAY.
  uint32_t code() const {
    uint32_t value = 0;
    for (size_t i = type == goaway ? 4 : 0; i < payload.size() && i < (type == goaway ? 8 : 4); ++i)
      value = value << 8 | static_cast<uint8_t>(payload[i]);
    return value;
  }
};

struct NoEvents final : Connection::Events {
  void on_open() override {}
  void on_open_failed(Reset) override {}
  void on_readable() override {}
  void on_drained() override {}
};

/// A server, and a socket to it that has said the preface and empty settings.
struct World {
  LoopThread thread;
  ServerLimits limits;
  TestHandler handler;
  NoEvents nobody;
  std::unique_ptr<Http2Server> server;
  Fd client;

  explicit World(ServerLimits with = {}) : limits(with) {
    Fd listening = bound(SOCK_STREAM);
    client = connected(SOCK_STREAM, port_of(listening));
    Fd socket(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    thread.run([&] {
      auto connection = Connection::accept(thread.loop(), std::move(socket), nullptr, nobody);
      server = std::make_unique<Http2Server>(std::move(connection), "http", limits, handler, handler);
      server->start();
    });
    send(std::string(kHttp2Preface) + frame(settings, 0, 0));
  }
  ~World() {
    thread.run([&] { thread.loop().dispose(std::move(server)); });
  }
  /// False: the server has ended the connection.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  Frame read() {
    std::string head = heard(client, 9);
    if (head.size() != 9) return {};
    auto byte = [&](size_t i) { return static_cast<uint8_t>(head[i]); };
    Frame got{.type = byte(3), .flags = byte(4), .stream = byte(7) * 256U + byte(8)};
    size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (size > 0) got.payload = heard(client, size);
    return got;
  }
  /// The first frame of the type, or the end.
  Frame read(Type type) {
    for (;;) {
      Frame got = read();
      if (got.type == type || got.type == -1) return got;
    }
  }
  /// The status of the stream's answer, "reset CODE", "goaway CODE" or "end".
  std::string outcome(uint32_t stream = 1) {
    for (;;) {
      Frame got = read();
      if (got.type == -1) return "end";
      if (got.type == goaway) return "goaway " + std::to_string(got.code());
      if (got.stream != stream) continue;
      if (got.type == rst_stream) return "reset " + std::to_string(got.code());
      if (got.type != headers) continue;
      // Indexed ":status: 200" or 400, or a literal with a three-digit value.
      if (got.payload[0] == '\x88') return "200";
      if (got.payload[0] == '\x8c') return "400";
      return got.payload.substr(0, 40);
    }
  }
  /// Whether the server is done with the connection soon after its client has left.
  bool over() {
    client = Fd();
    for (int i = 0; i < kPatience / 2; ++i) {
      bool done = false;
      thread.run([&] { done = handler.done; });
      if (done) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  /// Whether the server still answers.
  std::string ask(uint32_t stream) {
    send(frame(headers, kEndStream | kEndHeaders, stream, request()));
    return outcome(stream);
  }
};

TEST(Http2Abuse, HandWrittenRequestsAreAnswered) {
  World world;
  EXPECT_EQ(world.ask(1), "200");
  EXPECT_EQ(world.ask(3), "200");
}

TEST(Http2Abuse, NotThePreface) {
  World world;
  ASSERT_TRUE(world.send("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(world.outcome(), "goaway 6") << "FRAME_SIZE_ERROR";
}

TEST(Http2Abuse, MalformedHeads) {
  const std::string rest = field(":scheme", "http") + field(":authority", "a") + field(":path", "/hello");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"upper case", request() + field("X-Upper", "1")},
      {"connection", request() + field("connection", "close")},
      {"transfer-encoding", request() + field("transfer-encoding", "chunked")},
      {"line break in a value", request() + field("x", "a\r\nb: c")},
      {"NUL in a value", request() + field("x", std::string_view("a\0b", 3))},
      {"no method", rest},
      {"no path", field(":method", "GET") + field(":scheme", "http") + field(":authority", "a")},
      {"method twice", field(":method", "GET") + request()},
      {"pseudo-header behind fields", field("x", "1") + request()},
      {"unknown pseudo-header", request() + field(":x", "1")},
      {"space in a name", request() + field("a b", "1")},
      {"empty path", request("")},
      {"relative path", request("hello")},
  };
  World world;
  uint32_t stream = 1;
  for (const auto& [what, fields] : cases) {
    world.send(frame(headers, kEndStream | kEndHeaders, stream, fields));
    EXPECT_EQ(world.outcome(stream), "reset 1") << what;
    stream += 2;
  }
  EXPECT_EQ(world.ask(stream), "200") << "the connection is still good";
  world.thread.run([&] {
    for (size_t i = 0; i < cases.size() && i < world.handler.answers.size(); ++i)
      EXPECT_FALSE(world.handler.answers[i]->told) << cases[i].first;
  });
}

// nghttp2 knows some of them, and we the others.
TEST(Http2Abuse, HeadsThatMeanNothing) {
  const std::string get = field(":method", "GET") + field(":scheme", "http") + field(":path", "/hello");
  struct Case {
    std::string what, fields, outcome;
  };
  const std::vector<Case> cases = {
      {"fragment", request("/hello#x"), "400"},
      {"a way up", request("/..%2fhello"), "400"},
      {"two authorities", request() + field("host", "b"), "400"},
      {"port that is none", get + field(":authority", "a:x"), "400"},
      {"space in the path", request("/hel lo"), "reset 1"},
      {"no authority", get, "reset 1"},
      {"authority that is none", get + field(":authority", "a/b"), "reset 1"},
      {"Host will do", get + field("host", "b"), "200"},
  };
  World world;
  uint32_t stream = 1;
  for (const Case& c : cases) {
    world.send(frame(headers, kEndStream | kEndHeaders, stream, c.fields));
    EXPECT_EQ(world.outcome(stream), c.outcome) << c.what;
    stream += 2;
  }
}

TEST(Http2Abuse, LargeHeads) {
  World world;
  std::string many = request();
  for (int i = 0; i < 200; ++i) many += field("x", "1");
  world.send(frame(headers, kEndStream | kEndHeaders, 1, many));
  EXPECT_NE(world.outcome(1).find("431"), std::string::npos);
  EXPECT_EQ(world.ask(3), "200");
}

TEST(Http2Abuse, LargeHeadsInPieces) {
  World world;
  std::string large = request() + field("x", std::string(12'000, 'x'));
  world.send(frame(headers, kEndStream, 1, large) +
             frame(continuation, 0, 1, field("y", std::string(12'000, 'y'))) +
             frame(continuation, kEndHeaders, 1, field("z", std::string(12'000, 'z'))));
  EXPECT_NE(world.outcome(1).find("431"), std::string::npos);
  EXPECT_EQ(world.ask(3), "200");
}

TEST(Http2Abuse, HeaderBomb) {
  World world;
  // A field of 4,000 bytes goes into the table once, then a byte means all of it.
  std::string bomb = request() + "\x40" + number(1, 1) + "x" + "\x7f\xa1\x1e" + std::string(4'000, 'x');
  world.send(frame(headers, kEndStream, 1, bomb));
  std::string again(16'000, '\xbe');
  for (int i = 0; i < 4; ++i) world.send(frame(continuation, 0, 1, again));
  EXPECT_EQ(world.outcome(1), "end");
}

TEST(Http2Abuse, ContinuationsWithoutEnd) {
  World world;
  world.send(frame(headers, kEndStream, 1, request()));
  for (int i = 0; i < 1000 && world.send(frame(continuation, 0, 1, field("x", "1"))); ++i) {
  }
  std::string outcome = world.outcome(1);
  EXPECT_TRUE(outcome == "end" || outcome.starts_with("goaway")) << outcome;
  EXPECT_TRUE(world.over());
}

TEST(Http2Abuse, RapidResets) {
  World world;
  uint32_t stream = 1;
  bool open = true;
  for (; open && stream < 20'000; stream += 2)
    open = world.send(frame(headers, kEndStream | kEndHeaders, stream, request("/wait")) +
                      frame(rst_stream, 0, stream, number(8, 4)));
  Frame end = world.read(goaway);
  EXPECT_TRUE(end.type == -1 || end.code() != 0);
  world.thread.run([&] { EXPECT_LT(world.handler.answers.size(), 1'000); });
}

TEST(Http2Abuse, ResetsThatWeAreMadeToSend) {
  World world;
  // A window that becomes too large makes the server reset the stream (RFC 9113, 6.9.1).
  for (uint32_t stream = 1; stream < 2'000; stream += 2)
    if (!world.send(frame(headers, kEndStream | kEndHeaders, stream, request("/wait")) +
                    frame(window_update, 0, stream, number(0x7fffffff, 4))))
      break;
  Frame end = world.read(goaway);
  EXPECT_TRUE(end.type == -1 || end.code() == kCalm) << end.code();
  world.thread.run([&] { EXPECT_LT(world.handler.answers.size(), 200); });
}

TEST(Http2Abuse, FloodsOfWhatNeedsNoAnswer) {
  for (const std::string& one :
       {frame(priority, 0, 1, number(0, 5)), frame(window_update, 0, 0, number(1, 4)), frame(settings, 0, 0),
        frame(ping, 0, 0, "12345678")}) {
    World world;
    std::string many;
    for (int i = 0; i < 1'000; ++i) many += one;
    for (int i = 0; i < 12 && world.send(many); ++i) {
    }
    Frame end = world.read(goaway);
    EXPECT_TRUE(end.type == -1 || end.code() == kCalm) << end.code();
  }
}

TEST(Http2Abuse, MoreStreamsThanAllowed) {
  World world;
  std::string many;
  for (uint32_t stream = 1; stream < 2 * 200; stream += 2)
    many += frame(headers, kEndStream | kEndHeaders, stream, request("/wait"));
  world.send(many);
  Frame refused = world.read(rst_stream);
  EXPECT_EQ(refused.stream, 2 * 128 + 1);
  EXPECT_EQ(refused.code(), 7) << "REFUSED_STREAM";
  world.thread.run([&] { EXPECT_EQ(world.handler.answers.size(), 128); });
}

TEST(Http2Abuse, MoreThanTheWindow) {
  World world;
  world.send(frame(headers, kEndHeaders, 1, request("/deaf")));
  for (int i = 0; i < 20 && world.send(frame(data, 0, 1, std::string(16'000, 'x'))); ++i) {
  }
  std::string outcome = world.outcome(1);
  EXPECT_TRUE(outcome == "reset 3" || outcome == "goaway 3") << outcome;  // FLOW_CONTROL_ERROR
}

TEST(Http2Abuse, BodyThatIsNotAsLongAsItSays) {
  World world;
  std::string head = field(":method", "POST") + field(":scheme", "http") + field(":authority", "a") +
                     field(":path", "/echo") + field("content-length", "5");
  world.send(frame(headers, kEndHeaders, 1, head) + frame(data, kEndStream, 1, "four"));
  EXPECT_EQ(world.outcome(1), "reset 1");
  world.thread.run([&] { EXPECT_EQ(world.handler.answers.at(0)->reset, Reset::protocol_error); });
}

TEST(Http2Abuse, AHeadThatDoesNotEnd) {
  World world({.head_time = 50});
  world.send(frame(headers, kEndStream, 1, request()));
  std::string outcome = world.outcome(1);
  EXPECT_EQ(outcome, "goaway 11");
  EXPECT_EQ(world.outcome(1), "end");
}

TEST(Http2Abuse, WhatComesBehindTheEndDoesNotTakeTheLastWordsBack) {
  World world;
  world.send(frame(goaway, 0, 0, number(0, 4) + number(255, 4)));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(world.send(frame(ping, 0, 0, "whatever")));
  EXPECT_TRUE(world.send(frame(ping, 0, 0, "whatever")));
  std::array<char, 512> bytes;
  ssize_t got = 0;
  while (readable(world.client) && (got = ::recv(world.client.get(), bytes.data(), bytes.size(), 0)) > 0) {
  }
  EXPECT_EQ(got, 0) << "the connection ends, it does not break";
  EXPECT_TRUE(world.over());
}

TEST(Http2Abuse, IdleConnectionsEnd) {
  World world({.head_time = 20, .idle_time = 20});
  EXPECT_EQ(world.outcome(), "goaway 0");
  EXPECT_EQ(world.outcome(), "end");
  EXPECT_TRUE(world.over());
}

}  // namespace
}  // namespace weft::gateway
