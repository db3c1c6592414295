#include "gateway/proxy/stream_relay.h"

#include <gtest/gtest.h>

#include <set>

#include "gateway/proxy/stream_hello.h"
#include "gateway/proxy/stream_targets.h"
#include "gateway/proxy/test_net.h"
#include "gateway/proxy/test_route.h"

namespace weft::gateway {
namespace {

using namespace test_net;

/// Accepts one connection on a loop and relays it.
struct World : StreamRelay::Owner {
  LoopThread thread;
  ListenerCounters counters;
  Flag flag = Flag::none;
  std::unique_ptr<StreamRelay> relay;
  std::promise<void> done;
  Fd client;

  explicit World(std::vector<Endpoint> targets) {
    Fd listening = bound(SOCK_STREAM);
    client = connected(SOCK_STREAM, port_of(listening));
    Fd socket(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    thread.run([&] {
      StreamRecord record;
      record.begin({}, counters, thread.loop().now());
      relay = std::make_unique<StreamRelay>(thread.loop(), std::move(socket), nullptr, std::move(targets),
                                            StreamRelay::TlsMaker(), std::move(record), *this);
      relay->start();
    });
  }
  ~World() {
    thread.run([&] {
      if (relay) relay->close(Flag::shutdown);
    });
  }
  void on_relay_done(StreamRelay& done_relay) override {
    flag = done_relay.record().flag();
    thread.loop().dispose(std::move(relay));
    done.set_value();
  }
  bool over() {
    return done.get_future().wait_for(std::chrono::milliseconds(kPatience)) == std::future_status::ready;
  }
};

TEST(StreamRelay, BothWaysAndHalfClosed) {
  Fd listening = bound(SOCK_STREAM);
  World world({endpoint(port_of(listening))});
  Fd backend = accepted(listening);
  say(world.client, "question");
  EXPECT_EQ(heard(backend, 8), "question");
  ::shutdown(world.client.get(), SHUT_WR);
  EXPECT_TRUE(ended(backend));
  say(backend, "answer");
  EXPECT_EQ(heard(world.client, 6), "answer");
  backend.reset();
  EXPECT_TRUE(ended(world.client));
  EXPECT_TRUE(world.over());
  EXPECT_EQ(world.flag, Flag::none);
  EXPECT_EQ(world.counters.stream_bytes_in.value(), 8u);
  EXPECT_EQ(world.counters.stream_bytes_out.value(), 6u);
}

TEST(StreamRelay, WhatIsNotTakenIsNotRead) {
  Fd listening = bound(SOCK_STREAM);
  World world({endpoint(port_of(listening))});
  Fd backend = accepted(listening);
  // Nobody reads at the backend: the client has to wait before it has sent all.
  constexpr size_t kSize = size_t{64} << 20;
  std::string piece(1 << 16, 'x');
  size_t sent = 0;
  while (sent < kSize) {
    pollfd waits{.fd = world.client.get(), .events = POLLOUT};
    if (::poll(&waits, 1, 200) != 1) break;
    ssize_t now = ::send(world.client.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (now > 0) sent += static_cast<size_t>(now);
  }
  ASSERT_LT(sent, kSize);
  ::shutdown(world.client.get(), SHUT_WR);
  size_t got = 0;
  std::string to(1 << 20, '\0');
  while (readable(backend)) {
    ssize_t now = ::recv(backend.get(), to.data(), to.size(), 0);
    if (now <= 0) break;
    got += static_cast<size_t>(now);
  }
  EXPECT_EQ(got, sent);
}

TEST(StreamRelay, TriesTheNextEndpoint) {
  Fd listening = bound(SOCK_STREAM);
  uint16_t nobody = port_of(bound(SOCK_STREAM));
  World world({endpoint(nobody), endpoint(port_of(listening))});
  say(world.client, "x");
  EXPECT_EQ(heard(accepted(listening), 1), "x");
}

TEST(StreamRelay, RefusesWithoutAnyEndpoint) {
  World none({});
  EXPECT_TRUE(ended(none.client));
  uint16_t nobody = port_of(bound(SOCK_STREAM));
  World dead({endpoint(nobody)});
  EXPECT_TRUE(ended(dead.client));
  EXPECT_TRUE(dead.over());
  EXPECT_EQ(dead.flag, Flag::connect_failed);
}

TEST(StreamRelay, ABrokenSideEndsBoth) {
  Fd listening = bound(SOCK_STREAM);
  World world({endpoint(port_of(listening))});
  Fd backend = accepted(listening);
  linger hard{.l_onoff = 1, .l_linger = 0};
  setsockopt(world.client.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  world.client.reset();
  EXPECT_TRUE(ended(backend));
  EXPECT_TRUE(world.over());
  EXPECT_EQ(world.flag, Flag::client_left);
}

TEST(StreamTargets, BackendsByWeightAndEndpointsInTurn) {
  TestRoute route(Protocol::tcp, {{.backend = "0", .weight = 1}, {.backend = "none", .weight = 1}},
                  {{endpoint(1), endpoint(2), endpoint(3), endpoint(4)}});
  CompiledStream stream(route.port->listeners[0]->streams[0]);
  int refused = 0;
  std::set<uint16_t> first;
  for (uint64_t turn = 0; turn < 100; ++turn) {
    StreamTargets targets = stream_targets(stream, route.snapshot, turn);
    if (targets.endpoints.empty()) {
      EXPECT_EQ(targets.backend, nullptr);
      ++refused;
      continue;
    }
    EXPECT_EQ(targets.endpoints.size(), 3);
    first.insert(targets.endpoints[0].port);
  }
  EXPECT_NEAR(refused, 50, 2);
  EXPECT_EQ(first, (std::set<uint16_t>{1, 2, 3, 4}));
  EXPECT_TRUE(is_stream_target(*stream.route, route.snapshot, endpoint(4)));
  EXPECT_FALSE(is_stream_target(*stream.route, route.snapshot, endpoint(5)));
}

/// Reads the hello of one connection.
struct HelloWorld : HelloReader::Owner {
  LoopThread thread;
  Fd client;
  std::unique_ptr<HelloReader> reader;
  std::promise<std::pair<ClientHello, std::string>> told;

  HelloWorld() {
    Fd listening = bound(SOCK_STREAM);
    client = connected(SOCK_STREAM, port_of(listening));
    Fd socket(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    thread.run([&] {
      reader = std::make_unique<HelloReader>(thread.loop(), std::move(socket), *this);
      reader->start();
    });
  }
  ~HelloWorld() {
    thread.run([&] { reader.reset(); });
  }
  void on_hello(HelloReader&, Fd socket, ClientHello hello) override {
    thread.loop().dispose(std::move(reader));
    std::string left(100, '\0');
    ssize_t size = ::recv(socket.get(), left.data(), left.size(), MSG_DONTWAIT);
    left.resize(size < 0 ? 0 : static_cast<size_t>(size));
    told.set_value({std::move(hello), std::move(left)});
  }
  std::pair<ClientHello, std::string> result() {
    auto future = told.get_future();
    if (future.wait_for(std::chrono::milliseconds(kPatience)) != std::future_status::ready) return {};
    return future.get();
  }
};

TEST(HelloReader, LeavesTheBytesWhereTheyAre) {
  // A ClientHello without extensions but a server name of "a.b".
  std::string name(
      "\0\0\0\x08\0\x06\0\0\x03"
      "a.b",
      12);
  std::string body =
      "\x03\x03" + std::string(32, 'r') + std::string("\0\0\x02\x13\x01\x01\0\0\x0c", 9) + name;
  std::string message = std::string("\x01\0\0", 3) + static_cast<char>(body.size()) + body;
  std::string hello = std::string("\x16\x03\x01\0", 4) + static_cast<char>(message.size()) + message;
  HelloWorld world;
  say(world.client, hello.substr(0, 20));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  say(world.client, hello.substr(20));
  auto [read, bytes] = world.result();
  EXPECT_EQ(read.state, ClientHello::State::read);
  EXPECT_EQ(read.server_name, "a.b");
  EXPECT_EQ(bytes, hello);
}

TEST(HelloReader, WhoIsNotTlsOrLeaves) {
  HelloWorld http;
  say(http.client, "GET / HTTP/1.1\r\n");
  EXPECT_EQ(http.result().first.state, ClientHello::State::bad);
  HelloWorld leaves;
  say(leaves.client, std::string("\x16\x03\x01", 3));
  leaves.client.reset();
  EXPECT_EQ(leaves.result().first.state, ClientHello::State::bad);
}

}  // namespace
}  // namespace weft::gateway
