#include <gmock/gmock.h>
#include <signal.h>

#include "gateway/proxy/test_proxy.h"
#include "gateway/proxy/test_tls.h"

namespace weft::gateway {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class TlsTest : public ProxyTest {
 protected:
  TlsTest() {
    ::signal(SIGPIPE, SIG_IGN);  // of the test's own ends
    pair("a", {"DNS:a.example"});
    pair("b", {"DNS:b.example", "DNS:*.b.example"});
    config.listener.protocol = Protocol::https;
    config.listener.hostname = "a.example";
    config.listener.certificates = {"a"};
    Listener second = config.listener;
    second.hostname = "*.example";
    second.why.section = "second";
    second.certificates = {"a", "b"};
    config.more_listeners = {second};
    config.backend("b", {backend.port()});
    config.rule("/", "b");
  }
  void pair(const std::string& name, const std::vector<std::string>& names) {
    config.certificates.pairs[name] = std::make_shared<CertificatePair>(authority.issue(names));
  }
  void bundle(const std::string& name, const TestAuthority& of) {
    config.certificates.ca_bundles[name] = std::make_shared<std::string>(of.pem());
  }
  static std::string get(TestTls& tls, const std::string& host) {
    tls.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    return tls.read_until("\r\n\r\n").substr(0, 12);
  }

  TestAuthority authority{"authority"};
  TestAuthority stranger{"stranger"};
  TestBackend backend{echo};
};

TEST_F(TlsTest, ServerNameChoosesListenerAndCertificate) {
  start();
  TestTls a(config.bind_port, "a.example");
  ASSERT_TRUE(a.good());
  EXPECT_TRUE(a.peer_is("a.example"));
  EXPECT_EQ(get(a, "a.example"), "HTTP/1.1 200");
  EXPECT_EQ(get(a, "b.example"), "HTTP/1.1 421");  // another listener's
  EXPECT_EQ(get(a, "a.example"), "HTTP/1.1 200");
  TestTls b(config.bind_port, "X.B.Example");
  ASSERT_TRUE(b.good());
  EXPECT_TRUE(b.peer_is("x.b.example"));
  EXPECT_EQ(get(b, "b.example"), "HTTP/1.1 200");  // another name of the same listener
  EXPECT_FALSE(TestTls(config.bind_port, "other.test").good());
  EXPECT_FALSE(TestTls(config.bind_port, "").good());
}

TEST_F(TlsTest, CertificatesChangeForNewConnectionsAlone) {
  start();
  TestTls before(config.bind_port, "a.example");
  ASSERT_TRUE(before.good());
  pair("a", {"DNS:a.example", "DNS:new.example"});
  apply();
  EXPECT_EQ(get(before, "a.example"), "HTTP/1.1 200");
  TestTls after(config.bind_port, "a.example");
  EXPECT_TRUE(after.peer_is("new.example"));
  EXPECT_FALSE(before.peer_is("new.example"));
}

TEST_F(TlsTest, SessionsAreResumedByAnyWorkerOfTheSameListener) {
  ProxyOptions options;
  options.threads = 2;
  start(std::move(options));
  for (int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)> session(nullptr, SSL_SESSION_free);
    {
      TestTls first(config.bind_port, "a.example", nullptr, nullptr, version);
      ASSERT_TRUE(first.good());
      EXPECT_EQ(get(first, "a.example"), "HTTP/1.1 200");
      session.reset(SSL_get1_session(first.ssl()));
    }
    for (int i = 0; i < 8; ++i) {
      TestTls again(config.bind_port, "a.example", nullptr, session.get(), version);
      ASSERT_TRUE(again.good());
      EXPECT_TRUE(SSL_session_reused(again.ssl())) << version;
    }
    TestTls other(config.bind_port, "b.example", nullptr, session.get(), version);
    EXPECT_FALSE(other.good() && SSL_session_reused(other.ssl()));
  }
}

TEST_F(TlsTest, ClientCertificates) {
  bundle("clients", authority);
  config.listener.client_validation = ClientValidation{.ca_bundles = {"clients"}};
  config.more_listeners[0].client_validation =
      ClientValidation{.ca_bundles = {"clients"}, .allow_insecure = true};
  start();
  CertificatePair good = authority.issue({"DNS:client"}), wrong = stranger.issue({"DNS:client"});
  auto status = [&](const std::string& name, const CertificatePair* pair) {
    TestTls tls(config.bind_port, name, pair);
    return get(tls, name);
  };
  EXPECT_EQ(status("a.example", &good), "HTTP/1.1 200");
  EXPECT_EQ(status("a.example", &wrong), "");
  EXPECT_EQ(status("a.example", nullptr), "");
  EXPECT_EQ(status("b.example", &good), "HTTP/1.1 200");
  EXPECT_EQ(status("b.example", &wrong), "HTTP/1.1 200");
  EXPECT_EQ(status("b.example", nullptr), "HTTP/1.1 200");
}

TEST_F(TlsTest, LargeAnswersAndTheSchemeInTls) {
  TestBackend large(
      always("HTTP/1.1 200 OK\r\ncontent-length: 3000003\r\n\r\n" + std::string(3'000'000, 'x') + "end"));
  config.backend("large", {large.port()});
  config.rule("/large", "large");
  start();
  TestTls tls(config.bind_port, "a.example");
  ASSERT_TRUE(tls.good());
  tls.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_THAT(tls.read_until("x-forwarded-host"), HasSubstr("x-forwarded-proto: https\r\n"));
  tls.send("GET /large HTTP/1.1\r\nHost: a.example\r\n\r\n");
  std::string answer = tls.read_until("end");
  EXPECT_GT(answer.size(), 3'000'000u);
  EXPECT_TRUE(answer.ends_with("xend"));
}

TEST_F(TlsTest, SilentAndForeignClientsAreLeft) {
  ProxyOptions options;
  options.worker.server.head_time = 100;
  start(std::move(options));
  TestSocket silent = client(), foreign = client();
  foreign.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  foreign.read_all();
  EXPECT_TRUE(silent.ended());
}

class BackendTlsTest : public TlsTest {
 protected:
  BackendTlsTest() {
    config.listener = Listener{.why = {.section = "web"}};
    config.more_listeners.clear();
    bundle("ca", authority);
    bundle("strangers", stranger);
  }
  std::string through(BackendTls tls) {
    Backend with;
    with.tls = std::move(tls);
    config.backend("tls", {server.port()}, with);
    config.rules.clear();
    config.rule("/", "tls");
    if (proxy)
      apply();
    else
      start();
    return status("/");
  }

  CertificatePair its = authority.issue({"DNS:server.test", "URI:spiffe://test/server"});
  TestBackend server{[this](TestSocket& socket) {
    TestTls tls(std::move(socket), its, client_authority);
    if (!tls.good()) return;
    tls.read_until("\r\n\r\n");
    tls.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    tls.read_until("never");
  }};
  std::string client_authority;
};

TEST_F(BackendTlsTest, OnlyWithACertificateThatNamesTheServer) {
  EXPECT_EQ(through({.server_name = "server.test", .ca_bundles = {"ca"}}), "HTTP/1.1 200");
  EXPECT_EQ(through({.server_name = "other.test", .ca_bundles = {"ca"}}), "HTTP/1.1 502");
  EXPECT_EQ(through({.server_name = "server.test", .ca_bundles = {"strangers"}}), "HTTP/1.1 502");
  EXPECT_EQ(through({.server_name = "server.test"}), "HTTP/1.1 502");
  EXPECT_EQ(through({.server_name = "server.test", .system_ca = true}), "HTTP/1.1 502");
  EXPECT_EQ(through({.server_name = "sni.test", .ca_bundles = {"ca"}, .san_dns = {"x.test", "server.test"}}),
            "HTTP/1.1 200");
  EXPECT_EQ(through({.server_name = "server.test", .ca_bundles = {"ca"}, .san_dns = {"x.test"}}),
            "HTTP/1.1 502");
  EXPECT_EQ(through({.server_name = "sni.test", .ca_bundles = {"ca"}, .san_uri = {"spiffe://test/server"}}),
            "HTTP/1.1 200");
  EXPECT_EQ(through({.server_name = "sni.test", .ca_bundles = {"ca"}, .san_uri = {"spiffe://test/x"}}),
            "HTTP/1.1 502");
}

TEST_F(BackendTlsTest, ShowsItsOwnCertificate) {
  client_authority = authority.pem();
  config.certificates.pairs["client"] = std::make_shared<CertificatePair>(authority.issue({"DNS:gateway"}));
  EXPECT_EQ(through({.server_name = "server.test", .ca_bundles = {"ca"}, .client_certificate = "client"}),
            "HTTP/1.1 200");
  EXPECT_EQ(through({.server_name = "server.test", .ca_bundles = {"ca"}}), "HTTP/1.1 502");
}

}  // namespace
}  // namespace weft::gateway
