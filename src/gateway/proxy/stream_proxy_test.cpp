#include <gmock/gmock.h>
#include <signal.h>

#include "gateway/proxy/test_proxy.h"
#include "gateway/proxy/test_tls.h"

namespace weft::gateway {
namespace {

using testing::StartsWith;

/// Says its name, then what it hears.
TestBackend::Serve named(const std::string& name) {
  return [name](TestSocket& socket) {
    socket.send(name + "\n");
    socket.send(socket.read_all());
    socket.close();
  };
}

std::shared_ptr<const StreamRoute> route(std::vector<std::string> hostnames,
                                         std::vector<WeightedBackend> backends, bool terminate = false) {
  return std::make_shared<const StreamRoute>(StreamRoute{
      .hostnames = std::move(hostnames), .terminate = terminate, .backends = std::move(backends)});
}

class StreamProxyTest : public ProxyTest {
 protected:
  StreamProxyTest() { ::signal(SIGPIPE, SIG_IGN); }  // of the test's own ends
};

TEST_F(StreamProxyTest, TcpByWeight) {
  TestBackend a(named("a")), b(named("b"));
  config.backend("a", {a.port()});
  config.backend("b", {b.port()});
  config.listener.protocol = Protocol::tcp;
  config.listener.streams = {route({}, {{.backend = "a", .weight = 3}, {.backend = "b"}})};
  start();
  int to_a = 0;
  for (int i = 0; i < 40; ++i) {
    TestSocket socket = client();
    std::string name = socket.read_until("\n");
    to_a += name == "a\n" ? 1 : 0;
    socket.send("hello");
    socket.finish();
    EXPECT_EQ(socket.read_all(), "hello");
  }
  EXPECT_NEAR(to_a, 30, 3);
}

TEST_F(StreamProxyTest, TcpWithoutARouteIsClosed) {
  config.listener.protocol = Protocol::tcp;
  start();
  TestSocket socket = client();
  EXPECT_TRUE(socket.ended());
}

TEST_F(StreamProxyTest, ConnectionsOutliveChangesAndAreWaitedFor) {
  TestBackend a(named("a")), b(named("b"));
  config.backend("a", {a.port()});
  config.backend("b", {b.port()});
  config.listener.protocol = Protocol::tcp;
  config.listener.streams = {route({}, {{.backend = "a"}})};
  start();
  TestSocket old = client();
  EXPECT_EQ(old.read_until("\n"), "a\n");
  config.listener.streams = {route({}, {{.backend = "b"}})};
  apply();
  EXPECT_EQ(client().read_until("\n"), "b\n");
  std::thread draining([&] { proxy->drain(std::chrono::seconds(5)); });
  old.send("still here");
  old.finish();
  EXPECT_EQ(old.read_all(), "still here");
  draining.join();
  EXPECT_EQ(proxy->stats().connections, 0);
}

TEST_F(StreamProxyTest, ServerNamesShareAPort) {
  TestAuthority authority("authority");
  CertificatePair backends_own = authority.issue({"DNS:through.example"});
  TestBackend through([&](TestSocket& socket) {
    TestTls tls(TestSocket(Fd(::dup(socket.fd()))), backends_own);
    if (tls.good()) tls.send("through\n");
    tls.read_until("end");
    ::shutdown(socket.fd(), SHUT_RDWR);
  });
  TestBackend plain(named("plain"));
  TestBackend http(echo);
  config.backend("through", {through.port()});
  config.backend("plain", {plain.port()});
  config.backend("http", {http.port()});
  config.rule("/", "http");
  config.certificates.pairs["ours"] =
      std::make_shared<CertificatePair>(authority.issue({"DNS:ended.example", "DNS:web.example"}));
  config.listener.protocol = Protocol::tls;
  config.listener.hostname = "*.example";
  config.listener.streams = {route({"through.example"}, {{.backend = "through"}})};
  Listener ended = config.listener;
  ended.hostname = "ended.example";
  ended.certificates = {"ours"};
  ended.streams = {route({}, {{.backend = "plain"}}, true)};
  Listener web = ended;
  web.hostname = "web.example";
  web.protocol = Protocol::https;
  web.streams.clear();
  config.more_listeners = {ended, web};
  start();

  TestTls passed(config.bind_port, "through.example");
  ASSERT_TRUE(passed.good());
  EXPECT_TRUE(passed.peer_is("through.example")) << "the backend's certificate";
  EXPECT_EQ(passed.read_until("\n"), "through\n");

  TestTls terminated(config.bind_port, "ended.example");
  ASSERT_TRUE(terminated.good());
  EXPECT_TRUE(terminated.peer_is("ended.example"));
  EXPECT_EQ(terminated.read_until("\n"), "plain\n");

  TestTls https(config.bind_port, "web.example");
  ASSERT_TRUE(https.good());
  https.send("GET / HTTP/1.1\r\nHost: web.example\r\n\r\n");
  EXPECT_THAT(https.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));

  EXPECT_FALSE(TestTls(config.bind_port, "other.example").good()) << "no route of the listener";
  EXPECT_FALSE(TestTls(config.bind_port, "elsewhere").good()) << "no listener";
  TestSocket not_tls = client();
  not_tls.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(not_tls.ended());
}

TEST_F(StreamProxyTest, TerminatedAndSentOnWithTls) {
  TestAuthority authority("authority");
  CertificatePair backends_own = authority.issue({"DNS:inside"});
  TestBackend backend([&](TestSocket& socket) {
    TestTls tls(TestSocket(Fd(::dup(socket.fd()))), backends_own);
    if (tls.good()) tls.send("inside\n");
    tls.read_until("end");
    ::shutdown(socket.fd(), SHUT_RDWR);
  });
  config.certificates.pairs["ours"] = std::make_shared<CertificatePair>(authority.issue({"DNS:a.example"}));
  config.certificates.ca_bundles["ca"] = std::make_shared<std::string>(authority.pem());
  config.backend("b", {backend.port()}, {.tls = BackendTls{.server_name = "inside", .ca_bundles = {"ca"}}});
  config.backend("wrong", {backend.port()},
                 {.tls = BackendTls{.server_name = "other", .ca_bundles = {"ca"}}});
  config.listener.protocol = Protocol::tls;
  config.listener.certificates = {"ours"};
  config.listener.streams = {route({"a.example"}, {{.backend = "b"}}, true),
                             route({"b.example"}, {{.backend = "wrong"}}, true)};
  start();
  TestTls good(config.bind_port, "a.example");
  ASSERT_TRUE(good.good());
  EXPECT_EQ(good.read_until("\n"), "inside\n");
  TestTls wrong(config.bind_port, "b.example");
  EXPECT_EQ(wrong.read_until("\n"), "");
}

TEST_F(StreamProxyTest, Udp) {
  Fd backend(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(backend.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
  ::getsockname(backend.get(), reinterpret_cast<sockaddr*>(&at), &size);
  config.backend("b", {ntohs(at.sin_port)});
  ProxyOptions options;
  options.threads = 2;
  start(std::move(options));
  auto with_udp = [&](bool there) {
    auto snapshot = std::make_shared<Snapshot>(*config.snapshot());
    auto listener = std::make_shared<Listener>(
        Listener{.protocol = Protocol::udp, .streams = {route({}, {{.backend = "b"}})}});
    auto port = std::make_shared<Port>(Port{
        .gateway = "ns/gw", .port = 53, .bind_port = config.bind_port, .udp = true, .listeners = {listener}});
    if (there) snapshot->ports.push_back(port);  // the same number as the TCP port
    EXPECT_TRUE(proxy->apply(snapshot).empty());
  };
  with_udp(true);
  for (int i = 0; i < 8; ++i) {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    at.sin_port = htons(config.bind_port);
    ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    TestSocket client{std::move(socket)};
    client.send("question");
    std::array<char, 100> bytes;
    sockaddr_in from{};
    socklen_t from_size = sizeof from;
    timeval time{.tv_sec = 5, .tv_usec = 0};
    setsockopt(backend.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    ssize_t got = ::recvfrom(backend.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from),
                             &from_size);
    ASSERT_EQ(got, 8) << i;
    ::sendto(backend.get(), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), from_size);
    EXPECT_EQ(client.read(6), "answer");
  }
  with_udp(false);
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  // The workers close their sockets when the turn is over in which they learnt of it.
  int error = 0;
  for (int tries = 0; tries < 500 && error != ECONNREFUSED; ++tries) {
    (void)::send(socket.get(), "x", 1, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    char byte = 0;
    error = ::recv(socket.get(), &byte, 1, MSG_DONTWAIT) < 0 ? errno : 0;
  }
  EXPECT_EQ(error, ECONNREFUSED) << "nobody is there any more";
}

}  // namespace
}  // namespace weft::gateway
