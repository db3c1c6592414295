#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>

#include "gateway/proxy/test_proxy.h"
#include "gateway/proxy/test_tls.h"

namespace weft::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;
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
  void start_with_log() {
    std::array<int, 2> pipe;
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    ProxyOptions options;
    options.access_log = Fd(pipe[1]);
    log_ = Fd(pipe[0]);
    start(std::move(options));
  }
  /// The next one.
  std::string log_line() {
    pollfd waits{.fd = log_.get(), .events = POLLIN, .revents = 0};
    while (!lines_.contains('\n')) {
      std::array<char, 4096> bytes;
      if (::poll(&waits, 1, 10 * 5000) != 1) return "(nothing)";
      ssize_t got = ::read(log_.get(), bytes.data(), bytes.size());
      if (got <= 0) return "(nothing)";
      lines_.append(bytes.data(), static_cast<size_t>(got));
    }
    std::string line = lines_.substr(0, lines_.find('\n'));
    lines_.erase(0, line.size() + 1);
    return line;
  }
  /// What has been counted of listener "web" when `done` says so.
  ListenerStats counted(const std::function<bool(const ListenerStats&)>& done,
                        const std::string& listener = "ns/gw/web") {
    ListenerStats stats;
    for (int i = 0; i < 5000 && !done(stats); ++i) {
      stats = proxy->stats().listeners[listener];
      std::this_thread::sleep_for(std::chrono::milliseconds(i == 0 ? 0 : 10));
    }
    return stats;
  }
  static uint64_t flagged(const ListenerStats& stats, Flag flag) {
    return stats.flags[static_cast<size_t>(flag)];
  }

 private:
  Fd log_;
  std::string lines_;
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

TEST_F(StreamProxyTest, TcpIsCountedAndLogged) {
  TestBackend backend(named("a"));
  config.backend("a", {backend.port()});
  auto endpoints = *config.endpoints["a"];
  endpoints[0].pod = "ns/pod-1";
  config.endpoints["a"] = std::make_shared<Endpoints>(endpoints);
  config.listener.protocol = Protocol::tcp;
  StreamRoute with = *route({}, {{.backend = "a"}});
  with.why = {.kind = "TCPRoute", .namespace_ = "ns", .name = "r", .section = "", .rule = 0};
  config.listener.streams = {std::make_shared<const StreamRoute>(with)};
  start_with_log();
  TestSocket socket = client();
  EXPECT_EQ(socket.read_until("\n"), "a\n");
  ListenerStats stats = counted([](const ListenerStats& now) { return now.streams_active == 1; });
  EXPECT_EQ(stats.streams_active, 1u);
  EXPECT_EQ(stats.stream_bytes_out, 2u) << "counted while it goes on";
  socket.send("hello");
  socket.finish();
  EXPECT_EQ(socket.read_all(), "hello");
  std::string line = log_line();
  EXPECT_THAT(line, HasSubstr("\"protocol\":\"tcp\",\"ms\":"));
  EXPECT_THAT(
      line,
      HasSubstr("\"in\":5,\"out\":7,\"client\":\"127.0.0.1\",\"gateway\":\"ns/gw\",\"listener\":\"web\","
                "\"route\":\"TCPRoute/ns/r\",\"rule\":0,\"backend\":\"127.0.0.1:"));
  EXPECT_THAT(line, HasSubstr("\"pod\":\"ns/pod-1\"}"));
  EXPECT_THAT(line, Not(HasSubstr("status")));
  stats = counted([](const ListenerStats& now) { return now.streams == 1 && now.streams_active == 0; });
  EXPECT_EQ(stats.streams_active, 0u);
  EXPECT_EQ(stats.stream_bytes_in, 5u);
  EXPECT_EQ(stats.stream_bytes_out, 7u);
}

TEST_F(StreamProxyTest, WhyAStreamFailedIsTold) {
  const ReservedPort dead;
  config.backend("dead", {dead.number()});
  config.backend("none", {});
  config.listener.protocol = Protocol::tls;
  config.listener.hostname = "*.example";
  config.listener.streams = {route({"dead.example"}, {{.backend = "dead"}}),
                             route({"none.example"}, {{.backend = "none"}}),
                             route({"wrong.example"}, {{.backend = ""}})};
  start_with_log();
  struct Case {
    std::string name;
    Flag flag;
    std::string listener = "ns/gw/web";
  };
  for (const auto& [name, flag, listener] : std::vector<Case>{{"dead.example", Flag::connect_failed},
                                                              {"none.example", Flag::no_endpoint},
                                                              {"wrong.example", Flag::no_backend},
                                                              {"other.example", Flag::no_route},
                                                              {"elsewhere", Flag::no_listener, ""}}) {
    EXPECT_FALSE(TestTls(config.bind_port, name).good());
    std::string line = log_line();
    EXPECT_THAT(line, HasSubstr("\"protocol\":\"tls\"")) << name;
    EXPECT_THAT(line, HasSubstr("\"host\":\"" + name + "\",\"gateway\":\"ns/gw\"")) << name;
    EXPECT_THAT(line, HasSubstr("\"flag\":\"" + std::string(name_of(flag)) + "\"}")) << name;
    EXPECT_EQ(flagged(proxy->stats().listeners[listener], flag), 1u) << name;
  }
  TestSocket plain = client();
  plain.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(log_line(), HasSubstr("\"flag\":\"client_tls\"}"));
  EXPECT_EQ(proxy->stats().listeners["ns/gw/web"].streams_active, 0u);
}

TEST_F(StreamProxyTest, AClientThatBreaksOffIsTold) {
  TestBackend backend(named("a"));
  config.backend("a", {backend.port()});
  config.listener.protocol = Protocol::tcp;
  config.listener.streams = {route({}, {{.backend = "a"}})};
  start_with_log();
  TestSocket socket = client();
  EXPECT_EQ(socket.read_until("\n"), "a\n");
  socket.abort();
  EXPECT_THAT(log_line(), HasSubstr("\"flag\":\"client_left\"}"));
  // What is open when the proxy ends is told, too.
  TestSocket open = client();
  EXPECT_EQ(open.read_until("\n"), "a\n");
  proxy.reset();
  EXPECT_THAT(log_line(), HasSubstr("\"flag\":\"shutdown\"}"));
}

TEST_F(StreamProxyTest, Udp) {
  Fd backend(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(backend.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
  ::getsockname(backend.get(), reinterpret_cast<sockaddr*>(&at), &size);
  const uint16_t backend_port = ntohs(at.sin_port);
  config.backend("b", {backend_port});
  start_with_log();
  auto with_udp = [&](bool there) {
    auto snapshot = std::make_shared<Snapshot>(*config.snapshot());
    auto listener = std::make_shared<Listener>(
        Listener{.protocol = Protocol::udp,
                 .streams = {route({}, {{.backend = "b"}})},
                 .why = {.kind = "Gateway", .namespace_ = "ns", .name = "gw", .section = "dns"}});
    auto port = std::make_shared<Port>(Port{
        .gateway = "ns/gw", .port = 53, .bind_port = config.bind_port, .udp = true, .listeners = {listener}});
    if (there) snapshot->ports.push_back(port);  // the same number as the TCP port
    EXPECT_TRUE(proxy->apply(snapshot).empty());
  };
  with_udp(true);
  // All stay open: a port that is free again may be the next client's, which would be the same stream.
  std::vector<TestSocket> clients;
  for (int i = 0; i < 8; ++i) {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    at.sin_port = htons(config.bind_port);
    ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    TestSocket& client = clients.emplace_back(std::move(socket));
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
  ListenerStats stats =
      counted([](const ListenerStats& now) { return now.stream_bytes_out == 48; }, "ns/gw/dns");
  EXPECT_EQ(stats.streams, 8u);
  EXPECT_EQ(stats.streams_active, 8u);
  EXPECT_EQ(stats.stream_bytes_in, 64u);
  EXPECT_EQ(stats.stream_bytes_out, 48u);
  with_udp(false);
  std::string line = log_line();
  EXPECT_THAT(line, HasSubstr("\"protocol\":\"udp\""));
  EXPECT_THAT(
      line,
      HasSubstr("\"in\":8,\"out\":6,\"client\":\"127.0.0.1\",\"gateway\":\"ns/gw\",\"listener\":\"dns\""));
  EXPECT_THAT(line, HasSubstr(fmt::format("\"backend\":\"127.0.0.1:{}\"}}", backend_port)));
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
