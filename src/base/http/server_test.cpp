#include "base/http/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "base/fd.h"

namespace weft::http {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A client in the way of netcat, on loopback.
class Peer {
 public:
  explicit Peer(uint16_t port, const char* address = "::ffff:127.0.0.1")
      : socket_(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    ::inet_pton(AF_INET6, address, &to.sin6_addr);
    timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connected_ = ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  bool connected() const { return connected_; }
  void send(std::string_view text) const { ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL); }
  /// All up to the end of the connection.
  std::string read() const {
    std::string out;
    char buffer[4096];
    for (ssize_t n; (n = ::recv(socket_.get(), buffer, sizeof buffer, 0)) > 0;) out.append(buffer, n);
    return out;
  }
  std::string ask(std::string_view text) const {
    send(text);
    return read();
  }

 private:
  Fd socket_;
  bool connected_ = false;
};

class HttpServer : public testing::Test {
 protected:
  void open(Server::Limits limits = {}) {
    server_ = std::make_unique<Server>(io_, limits);
    auto listener = server_->listen(
        {*IpAddr::parse("127.0.0.1"), 0}, answer_with([](const Request& request) {
          if (request.path == "/more") return going_on();
          if (request.method == "POST") return Answer{.headers = {}, .body = "got " + request.body};
          auto path = request.path == "/huge" ? std::string(70'000, 'x') : request.path;
          return Answer{.status = 200, .headers = {{"X-Path", path}}, .body = "it is " + request.path};
        }));
    ASSERT_TRUE(listener) << listener.error().message;
    listener_ = std::move(*listener);
    thread_ = std::thread([this] { io_.run(); });
  }
  void TearDown() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }
  uint16_t port() const { return listener_->port(); }
  static Answer going_on() {
    return {.headers = {}, .body = "one,", .more = [](Stream& stream) -> asio::awaitable<void> {
              co_await stream.write("two,");
              co_await stream.write("three");
            }};
  }

  asio::io_context io_{1};
  std::unique_ptr<Server> server_;
  std::unique_ptr<Server::Listener> listener_;
  std::thread thread_;
};

TEST_F(HttpServer, AnswersOneRequestAConnection) {
  open();
  auto answer = Peer(port()).ask("GET /healthz?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("X-Path: /healthz\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 14\r\n"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nit is /healthz"));
}

TEST_F(HttpServer, HeadHasNoBodyButItsLength) {
  open();
  auto answer = Peer(port()).ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServer, RefusesWhatItDoesNotNeed) {
  open();
  EXPECT_THAT(Peer(port()).ask("PUT / HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Peer(port()).ask("GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Peer(port()).ask("GET / HTTP/1.1\r\nX: " + std::string(kMaxHead, 'x')),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Peer(port()).ask("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServer, TakesBodiesWhereItIsToldTo) {
  open({.body = 10});
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ";
  EXPECT_THAT(Peer(port()).ask(head + "5\r\n\r\nhello"), EndsWith("\r\n\r\ngot hello"));
  Peer late(port());
  late.send(head + "5\r\n\r\nhe");
  EXPECT_THAT(late.ask("llo, and more"), EndsWith("\r\n\r\ngot hello"));
  EXPECT_THAT(Peer(port()).ask(head + "0\r\n\r\n"), EndsWith("\r\n\r\ngot "));
  EXPECT_THAT(Peer(port()).ask(head + "11\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Peer(port()).ask("GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServer, AnAnswerMayGoOn) {
  open();
  auto answer = Peer(port()).ask("GET /more HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(answer, EndsWith("\r\n\r\none,two,three"));
  EXPECT_THAT(answer, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(Peer(port()).ask("HEAD /more HTTP/1.1\r\nHost: a\r\n\r\n"), EndsWith("\r\n\r\n"));
}

TEST_F(HttpServer, CutsAClientThatIsSlow) {
  open({.patience = 200ms});
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Peer(port()).ask("GET / HT"), "");
  auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, 150ms);
  EXPECT_LT(took, 3s);
}

TEST_F(HttpServer, IdleConnectionsDoNotKeepOthersOut) {
  open({.connections = 4});
  std::vector<Peer> idle;
  for (int i = 0; i < 12; ++i) {
    idle.emplace_back(port());
    idle.back().send("GET ");
  }
  EXPECT_THAT(Peer(port()).ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  // The first ones had to go; the last ones have still time.
  EXPECT_EQ(idle.front().read(), "");
  EXPECT_THAT(idle.back().ask("/ HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServer, AnAnswerThatIsNoneEndsOnlyItsConnection) {
  open({.patience = 5000ms, .connections = 2});
  Peer waiting(port());
  waiting.send("GET /waiting HTTP/1.1\r\n");
  EXPECT_EQ(Peer(port()).ask("GET /huge HTTP/1.1\r\n\r\n"), "") << "no header may be that long";
  EXPECT_THAT(Peer(port()).ask("GET /next HTTP/1.1\r\n\r\n"), HasSubstr("it is /next"));
  EXPECT_THAT(waiting.ask("\r\n"), HasSubstr("it is /waiting")) << "there was room for it";
}

TEST_F(HttpServer, UnspecifiedMeansBothFamilies) {
  open();
  auto handler = answer_with([](const Request&) { return Answer{}; });
  auto both = server_->listen({*IpAddr::parse("0.0.0.0"), 0}, handler);
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_TRUE(Peer((*both)->port()).connected());
  EXPECT_TRUE(Peer((*both)->port(), "::1").connected());
  auto taken = server_->listen({*IpAddr::parse("127.0.0.1"), (*both)->port()}, handler);
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message, HasSubstr("in use"));
}

TEST_F(HttpServer, AListenerThatGoesTakesItsConnectionsAlong) {
  open();
  Peer waiting(port());
  waiting.send("GET ");
  std::this_thread::sleep_for(50ms);
  uint16_t closed = port();
  asio::post(io_, [this] { listener_.reset(); });
  EXPECT_EQ(waiting.read(), "");
  EXPECT_FALSE(Peer(closed).connected());
}

TEST(HttpRequest, IsReadStrictly) {
  auto path = [](std::string_view head) {
    auto request = parse_request(head);
    return request ? request->path : std::string();
  };
  EXPECT_EQ(parse_request("GET /a?b=1?2 HTTP/1.1\r\nHost: x\r\n\r\n")->query, "b=1?2");
  EXPECT_EQ(parse_request("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")->query, "");
  EXPECT_EQ(path("GET /a/b?c HTTP/1.1\r\nHost: x\r\n\r\n"), "/a/b");
  EXPECT_EQ(path("HEAD / HTTP/1.0\r\n\r\n"), "/");
  EXPECT_EQ(path("GET http://x/a HTTP/1.1\r\n\r\n"), "");
  EXPECT_EQ(path("GET / HTTP/2.0\r\n\r\n"), "");
  EXPECT_EQ(path("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), "");
  EXPECT_EQ(path("GET / HTTP/1.1\r\n"), "");
  EXPECT_EQ(path("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "");
  EXPECT_EQ(parse_request("GET / HTTP/1.1\r\nHost: a:1\r\n\r\n")->host, "a:1");
  EXPECT_EQ(path(""), "");
}

TEST(HttpAddress, ReadsBothFamilies) {
  EXPECT_EQ(Address::parse("0.0.0.0:10256")->str(), "0.0.0.0:10256");
  EXPECT_EQ(Address::parse("[::1]:1")->str(), "[::1]:1");
  for (const char* bad :
       {"", "1.2.3.4", ":80", "::1:80", "[1.2.3.4]:80", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:x"})
    EXPECT_FALSE(Address::parse(bad)) << bad;
}

}  // namespace
}  // namespace weft::http
