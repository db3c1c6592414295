#include <gmock/gmock.h>

#include "gateway/proxy/test_proxy.h"

namespace weft::gateway {
namespace {

using testing::HasSubstr;

std::string said(const std::string& body) {
  return "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// A Service's port that clients of one namespace have rules for; all others' connections are passed on.
class MeshProxyTest : public ProxyTest {
 protected:
  static constexpr const char* kRequest = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

  void apply_as(bool known_client) {
    auto snapshot = std::make_shared<Snapshot>(*config.snapshot());
    auto port = std::make_shared<Port>(*snapshot->ports.front());
    if (consumers) port->consumers["abroad"] = port->listeners.front();
    if (consumers || !routes) {
      auto rest = std::make_shared<Listener>(*port->listeners.front());
      auto stream = std::make_shared<StreamRoute>();
      stream->backends = {{.backend = "service"}};
      rest->protocol = Protocol::tcp;
      rest->streams = {stream};
      auto host = std::make_shared<VirtualHost>();
      auto rule = std::make_shared<Rule>();
      rule->matches = {Match{}};
      rule->backends = {{.backend = "service"}};
      host->rules = {rule};
      rest->hosts = {host};
      port->listeners = {rest};
    }
    snapshot->ports = {port};
    ClientNamespaces clients;
    if (known_client) clients[IpAddr::v4({127, 0, 0, 1})] = "abroad";
    snapshot->clients = std::make_shared<const ClientNamespaces>(std::move(clients));
    for (const Error& error : proxy->apply(snapshot)) ADD_FAILURE() << error.message;
  }
  void begin(TestBackend& routed, TestBackend& service) {
    config.backend("routed", {routed.port()});
    config.backend("service", {service.port()});
    config.rule("/", "routed");
    auto started = Proxy::start({});
    ASSERT_TRUE(started) << started.error().message;
    proxy = std::move(*started);
  }

  bool consumers = false;
  bool routes = true;
};

TEST_F(MeshProxyTest, AConsumersRulesAreForItsNamespaceAlone) {
  TestBackend routed(always(said("routed")));
  TestBackend service(always(said("service")));
  begin(routed, service);
  consumers = true;
  apply_as(true);
  EXPECT_THAT(ask(kRequest).second, HasSubstr("routed"));
  apply_as(false);
  EXPECT_THAT(ask(kRequest).second, HasSubstr("service"));
}

TEST_F(MeshProxyTest, AConnectionThatOutlivesItsRoutesIsAnsweredAndEnds) {
  TestBackend routed(always(said("routed")));
  TestBackend service(always(said("service")));
  begin(routed, service);
  apply_as(false);
  TestSocket idle = client();
  idle.send(kRequest);
  EXPECT_THAT(idle.read_message().second, HasSubstr("routed"));
  routes = false;
  apply_as(false);
  EXPECT_TRUE(idle.ended());
  EXPECT_THAT(ask(kRequest).second, HasSubstr("service"));
}

}  // namespace
}  // namespace weft::gateway
