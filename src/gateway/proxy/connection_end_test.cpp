#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>

#include <array>
#include <condition_variable>
#include <future>
#include <mutex>

#include "gateway/proxy/http2_server.h"
#include "gateway/proxy/test_net.h"
#include "gateway/proxy/test_proxy.h"
#include "gateway/proxy/test_tls.h"

/// How connections end: when a client sends no more, and when its listener goes.
namespace weft::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

bool is_readable(const TestSocket& socket) {
  pollfd waits{.fd = socket.fd(), .events = POLLIN, .revents = 0};
  return ::poll(&waits, 1, 10) == 1;
}

/// Answers when it is told to.
class HeldBackend {
 public:
  explicit HeldBackend(std::string body = "held")
      : body_(std::move(body)), backend_([this](TestSocket& socket) { serve(socket); }) {}
  ~HeldBackend() { release(); }
  uint16_t port() const { return backend_.port(); }
  void release() {
    std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  bool asked() {
    return until([this] { return asked_ > 0; });
  }
  /// The proxy has ended a connection.
  bool left() {
    return until([this] { return left_; });
  }

 private:
  void serve(TestSocket& socket) {
    while (socket.read_head().ends_with("\r\n\r\n")) {
      {
        std::lock_guard lock(mutex_);
        ++asked_;
        changed_.notify_all();
      }
      // A connection that ends in the meantime is to be noticed.
      while (!released() && !is_readable(socket)) {
      }
      if (!released()) break;
      socket.send("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body_.size()) + "\r\n\r\n" + body_);
    }
    std::lock_guard lock(mutex_);
    left_ = true;
    changed_.notify_all();
  }
  bool released() {
    std::lock_guard lock(mutex_);
    return released_;
  }
  bool until(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(10 * test_net::kPatience), condition);
  }

  std::string body_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int asked_ = 0;
  bool released_ = false, left_ = false;
  TestBackend backend_;
};

class ConnectionEndTest : public ProxyTest {
 protected:
  ConnectionEndTest() { ::signal(SIGPIPE, SIG_IGN); }  // of the test's own ends
  void start_with(uint16_t backend) {
    config.backend("b", {backend});
    config.rule("/", "b");
    start();
  }
};

TEST_F(ConnectionEndTest, WhoHalfClosesAfterItsRequestGetsTheAnswer) {
  HeldBackend backend;
  start_with(backend.port());
  TestSocket socket = client();
  socket.send(kGet);
  socket.finish();
  ASSERT_TRUE(backend.asked());
  backend.release();
  auto [head, body] = socket.read_message();
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(body, "held");
  EXPECT_TRUE(socket.ended());
}

TEST_F(ConnectionEndTest, WhatWasSentAheadIsAnsweredToo) {
  TestBackend backend(always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
  start_with(backend.port());
  TestSocket socket = client();
  socket.send(kGet);
  socket.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
  socket.send(kGet);
  socket.finish();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(socket.read_message().second, "ok") << i;
  EXPECT_TRUE(socket.ended());
}

TEST_F(ConnectionEndTest, ALargeAnswerReachesWhoHalfClosed) {
  constexpr size_t kSize = size_t{8} << 20;
  HeldBackend backend(std::string(kSize, 'x'));
  start_with(backend.port());
  TestSocket socket = client();
  socket.send(kGet);
  socket.finish();
  backend.release();
  EXPECT_EQ(socket.read_message().second.size(), kSize);
  EXPECT_TRUE(socket.ended());
}

TEST_F(ConnectionEndTest, HalfARequestIsABadOne) {
  HeldBackend backend;
  start_with(backend.port());
  for (const char* half : {"GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
                           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"}) {
    TestSocket socket = client();
    socket.send(half);
    socket.finish();
    auto [head, body] = socket.read_message();
    EXPECT_THAT(head, StartsWith("HTTP/1.1 400")) << half;
    EXPECT_THAT(head, HasSubstr("connection: close")) << half;
    EXPECT_TRUE(socket.ended()) << half;
  }
}

TEST_F(ConnectionEndTest, WhoSaysNothingIsNotAnswered) {
  start();
  TestSocket socket = client();
  socket.finish();
  EXPECT_TRUE(socket.ended());
}

TEST_F(ConnectionEndTest, WhoBreaksTheConnectionIsNotWaitedFor) {
  HeldBackend backend;
  start_with(backend.port());
  TestSocket socket = client();
  socket.send(kGet);
  socket.finish();
  ASSERT_TRUE(backend.asked());
  socket.abort();
  EXPECT_TRUE(backend.left());
}

/// Reads all that there is whenever there is something.
struct Reader : Connection::Events {
  void on_open() override {}
  void on_open_failed(Reset) override {}
  void on_drained() override {}
  void on_readable() override {
    std::array<char, 64> buffer;
    for (int got = 1; got > 0;) {
      got = connection->read(buffer);
      said.push_back(got);
      if (got == Connection::kFailed) failed.set_value();
    }
  }
  std::unique_ptr<Connection> connection;
  std::vector<int> said;
  std::promise<void> failed;
};

TEST(ConnectionTest, AnEndAndAnErrorThatComeAtOnceAreBothTold) {
  auto listening = test_net::bound(SOCK_STREAM);
  Fd peer = test_net::connected(SOCK_STREAM, test_net::port_of(listening));
  Reader reader;
  LoopThread thread;
  thread.run([&] {
    reader.connection = Connection::accept(thread.loop(), test_net::accepted(listening), {}, reader);
    linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    test_net::say(peer, "x");
    ::shutdown(peer.get(), SHUT_WR);
    peer.reset();
  });
  EXPECT_EQ(reader.failed.get_future().wait_for(std::chrono::milliseconds(test_net::kPatience)),
            std::future_status::ready);
  thread.run([&] {
    EXPECT_THAT(reader.said, testing::ElementsAre(1, Connection::kEnd, Connection::kFailed));
    reader.connection.reset();
  });
}

TEST_F(ConnectionEndTest, APortThatGoesDrainsItsConnections) {
  HeldBackend held;
  TestBackend quick(always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
  config.backend("q", {quick.port()});
  config.rule("/quick", "q");
  start_with(held.port());
  TestSocket busy = client(), idle = client(), talking = client();
  for (TestSocket* socket : {&idle, &talking}) {
    socket->send("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(socket->read_message().first, Not(HasSubstr("connection: close")));
  }
  busy.send(kGet);
  ASSERT_TRUE(held.asked());
  config.without_port = true;
  apply();
  held.release();
  // What is still asked before the client knows is served as before, if its connection has not ended yet.
  talking.send("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
  if (std::string head = talking.read_message().first; !head.empty()) {
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(head, HasSubstr("connection: close"));
  }
  auto [head, body] = busy.read_message();
  EXPECT_THAT(head, HasSubstr("connection: close"));
  EXPECT_EQ(body, "held");
  for (TestSocket* socket : {&busy, &idle, &talking}) EXPECT_TRUE(socket->ended());
}

TEST_F(ConnectionEndTest, APortThatGoesSaysSoToHttp2) {
  start();
  TestSocket socket = client();
  socket.send(std::string(kHttp2Preface) + std::string("\0\0\0\4\0\0\0\0\0", 9));
  EXPECT_EQ(socket.read(9).size(), 9u);  // SETTINGS: it is spoken with
  config.without_port = true;
  apply();
  EXPECT_THAT(socket.read_all(), HasSubstr(std::string("\7\0\0\0\0\0", 6))) << "GOAWAY";
}

TEST_F(ConnectionEndTest, AListenerThatGoesEndsTlsConnectionsOfItsName) {
  TestAuthority authority("authority");
  config.certificates.pairs["ours"] =
      std::make_shared<CertificatePair>(authority.issue({"DNS:a.example", "DNS:b.example"}));
  config.listener.protocol = Protocol::https;
  config.listener.hostname = "a.example";
  config.listener.certificates = {"ours"};
  Listener other = config.listener;
  other.hostname = "b.example";
  other.why.section = "other";
  config.more_listeners = {other};
  TestBackend backend(always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
  start_with(backend.port());
  TestTls stays(config.bind_port, "a.example"), goes(config.bind_port, "b.example");
  ASSERT_TRUE(stays.good() && goes.good());
  goes.send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
  EXPECT_THAT(goes.read_until("ok"), StartsWith("HTTP/1.1 200"));
  config.more_listeners.clear();
  apply();
  EXPECT_EQ(goes.read_until("never"), "");
  stays.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_THAT(stays.read_until("ok"), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace weft::gateway
