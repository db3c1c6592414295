#include <fcntl.h>
#include <gmock/gmock.h>

#include "gateway/proxy/http2_client.h"
#include "gateway/proxy/http2_server.h"
#include "gateway/proxy/listen_socket.h"
#include "gateway/proxy/test_net.h"
#include "gateway/proxy/test_proxy.h"
#include "gateway/proxy/test_streams.h"
#include "gateway/proxy/test_tls.h"

namespace weft::gateway {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// An endpoint that speaks HTTP/2 by prior knowledge.
class H2cBackend : private AcceptHandler, private Connection::Events {
 public:
  explicit H2cBackend(LoopThread& thread) : thread_(thread) {
    thread_.run([&] {
      AcceptHandler& handler = *this;
      socket_ =
          std::make_unique<ListenSocket>(thread_.loop(), open_listen_socket(port()).value(), port(), handler);
    });
  }
  ~H2cBackend() {
    thread_.run([&] {
      socket_.reset();
      for (auto& server : servers_) thread_.loop().dispose(std::move(server));
    });
  }
  uint16_t port() const { return reserved_.number(); }
  TestHandler handler;

 private:
  void on_accept(Fd socket, const IpAddr&, uint16_t) override {
    auto connection = Connection::accept(thread_.loop(), std::move(socket), nullptr, *this);
    servers_.push_back(
        std::make_unique<Http2Server>(std::move(connection), "http", limits_, handler, handler));
    servers_.back()->start();
  }
  void on_open() override {}
  void on_open_failed(Reset) override {}
  void on_readable() override {}
  void on_drained() override {}

  LoopThread& thread_;
  const ReservedPort reserved_{ReservedPort::For::listener};
  ServerLimits limits_;
  std::unique_ptr<ListenSocket> socket_;
  std::vector<std::unique_ptr<Http2Server>> servers_;
};

class Http2ProxyTest : public ProxyTest {
 protected:
  ~Http2ProxyTest() override {
    thread.run([&] { thread.loop().dispose(std::move(h2)); });
    proxy.reset();
  }
  /// Connects to the proxy.
  void connect(SslPtr tls = nullptr) {
    thread.run([&] {
      h2 = std::make_unique<Http2Client>(thread.loop(), IpAddr::v4({127, 0, 0, 1}), config.bind_port,
                                         std::move(tls), limits, owner);
    });
  }
  bool until(const std::function<bool()>& condition) {
    for (int i = 0; i < test_net::kPatience / 2; ++i) {
      bool good = false;
      thread.run([&] { good = condition(); });
      if (good) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  void send(TestCall& call, std::string_view method, std::string_view path, Texts fields = {},
            std::string body = "", Texts trailers = {}) {
    thread.run([&] {
      bool end = body.empty() && trailers.empty();
      call.start(*h2, method, path, std::move(fields), end, end ? Body{} : Body{BodyKind::chunked});
      if (!end) call.send_all(std::move(body), std::move(trailers));
    });
    EXPECT_TRUE(until([&] { return call.over(); })) << path;
  }

  LoopThread thread;
  ClientLimits limits{.idle_time = 60'000};
  TestCodecOwner owner;
  std::unique_ptr<Http2Client> h2;
};

TEST_F(Http2ProxyTest, ToABackendOfHttp1) {
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start();
  connect();
  TestCall get, post, chunked;
  send(get, "GET", "/a/../b?c", {{"cookie", "x=1"}, {"cookie", "y=2"}});
  EXPECT_EQ(get.status, 200);
  EXPECT_THAT(get.body, StartsWith("GET /b?c HTTP/1.1\r\n"));
  EXPECT_THAT(get.body, HasSubstr("host: a.example:81\r\n"));
  EXPECT_THAT(get.body, HasSubstr("cookie: x=1; y=2\r\n"));
  std::string text(200'000, 'x');
  send(post, "POST", "/", {}, text);
  EXPECT_THAT(post.body, HasSubstr("transfer-encoding: chunked"));
  EXPECT_TRUE(post.body.ends_with(text));
  send(chunked, "POST", "/", {}, "body", {{"x-trailer", "1"}});
  EXPECT_TRUE(chunked.body.ends_with("bodyx-trailer: 1\r\n")) << chunked.body;
}

TEST_F(Http2ProxyTest, ManyRequestsOnOneConnection) {
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start();
  connect();
  std::list<TestCall> calls;
  thread.run([&] {
    for (int i = 0; i < 100; ++i) calls.emplace_back().start(*h2, "GET", "/" + std::to_string(i));
  });
  EXPECT_TRUE(until([&] { return std::ranges::all_of(calls, [](auto& call) { return call.ended; }); }));
  int i = 0;
  for (TestCall& call : calls) EXPECT_THAT(call.body, StartsWith("GET /" + std::to_string(i++) + " "));
}

TEST_F(Http2ProxyTest, GrpcEndToEnd) {
  H2cBackend backend(thread);
  config.backend("b", {backend.port()}, {.protocol = BackendProtocol::h2c});
  config.rule("/echo", "b");
  start();
  connect();
  TestCall call;
  send(call, "POST", "/echo", {{"content-type", "application/grpc"}}, std::string(300'000, 'm'),
       {{"grpc-status", "0"}, {"grpc-message", "fine"}});
  EXPECT_EQ(call.status, 200);
  EXPECT_EQ(call.body.size(), 300'000);
  EXPECT_EQ(call.trailers, (Texts{{"grpc-status", "0"}, {"grpc-message", "fine"}}));
  // Both requests of one connection, and no other connection was made.
  TestCall none;
  send(none, "POST", "/none", {{"content-type", "application/grpc"}}, "x");
  EXPECT_EQ(none.status, 200);
  EXPECT_THAT(none.fields, testing::Contains(Texts::value_type("grpc-status", "12")));
}

TEST_F(Http2ProxyTest, FromHttp1ToH2c) {
  H2cBackend backend(thread);
  config.backend("b", {backend.port()}, {.protocol = BackendProtocol::h2c});
  config.rule("/", "b");
  start();
  auto [head, body] = ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nping");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(body, "ping");
  EXPECT_EQ(ask("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").second, "hello");
}

TEST_F(Http2ProxyTest, CancelledRequestsAreCancelledAtTheBackend) {
  H2cBackend backend(thread);
  config.backend("b", {backend.port()}, {.protocol = BackendProtocol::h2c});
  config.rule("/", "b");
  start();
  connect();
  TestCall call;
  thread.run([&] { call.start(*h2, "GET", "/wait"); });
  ASSERT_TRUE(until([&] { return !backend.handler.answers.empty() && backend.handler.answers[0]->told; }));
  thread.run([&] { call.stream->reset(Reset::cancelled); });
  EXPECT_TRUE(until([&] { return backend.handler.answers[0]->reset == Reset::cancelled; }));
}

TEST_F(Http2ProxyTest, AgreedOnByAlpn) {
  TestAuthority authority("authority");
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  config.listener.protocol = Protocol::https;
  config.listener.certificates = {"a"};
  config.certificates.pairs["a"] = std::make_shared<CertificatePair>(authority.issue({"DNS:a.example"}));
  config.certificates.ca_bundles["ca"] = std::make_shared<std::string>(authority.pem());
  start();
  auto context = BackendTlsContext::create({.server_name = "a.example", .ca_bundles = {"ca"}},
                                           BackendProtocol::h2c, config.certificates);
  ASSERT_TRUE(context) << context.error().message;
  connect((*context)->session());
  TestCall call;
  send(call, "GET", "/secret");
  EXPECT_EQ(call.status, 200);
  EXPECT_THAT(call.body, HasSubstr("x-forwarded-proto: https\r\n"));
}

TEST_F(Http2ProxyTest, HttpOneWhoseFirstBytesLookAlike) {
  TestBackend backend(echo);
  config.backend("b", {backend.port()});
  config.rule("/", "b");
  start();
  TestSocket socket = client();
  socket.send("P");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  socket.send("R");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  socket.send("OPFIND / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(socket.read_message().second, StartsWith("PROPFIND / HTTP/1.1\r\n"));
}

}  // namespace
}  // namespace weft::gateway
