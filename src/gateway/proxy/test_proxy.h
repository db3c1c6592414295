#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "gateway/proxy/proxy.h"
#include "gateway/proxy/test_socket.h"

namespace weft::gateway {

/// A snapshot of one HTTP port whose rules are put in one by one.
class TestConfig {
 public:
  TestConfig() {
    listener.protocol = Protocol::http;
    listener.why = {.kind = "Gateway", .namespace_ = "ns", .name = "gw", .section = "web"};
  }

  /// A backend with these ports of the loopback address.
  void backend(const std::string& name, const std::vector<uint16_t>& ports, Backend with = {}) {
    Endpoints endpoints;
    for (uint16_t port : ports) endpoints.push_back({.addr = IpAddr::v4({127, 0, 0, 1}), .port = port});
    std::ranges::sort(endpoints);
    with.endpoints = name;
    backends[name] = std::make_shared<Backend>(with);
    this->endpoints[name] = std::make_shared<Endpoints>(std::move(endpoints));
  }
  Rule& rule(const std::string& path, const std::string& backend) {
    Rule rule;
    rule.matches = {Match{.path = path}};
    if (!backend.empty()) rule.backends = {{.backend = backend}};
    rule.why = {.kind = "HTTPRoute", .namespace_ = "ns", .name = "route"};
    return rules.emplace_back(std::move(rule));
  }
  std::shared_ptr<const Snapshot> snapshot() const {
    auto host = std::make_shared<VirtualHost>();
    for (const Rule& rule : rules) host->rules.push_back(std::make_shared<Rule>(rule));
    auto first = std::make_shared<Listener>(listener);
    first->hosts = {host};
    auto port = std::make_shared<Port>();
    port->gateway = "ns/gw";
    port->port = 80;
    port->bind_port = bind_port;
    port->listeners = {first};
    for (Listener more : more_listeners) {
      if (more.hosts.empty()) more.hosts = {host};
      port->listeners.push_back(std::make_shared<Listener>(more));
    }
    auto snapshot = std::make_shared<Snapshot>();
    if (!without_port) snapshot->ports = {port};
    snapshot->backends = std::make_shared<SharedMap<Backend>>(backends);
    snapshot->endpoints = std::make_shared<SharedMap<Endpoints>>(endpoints);
    snapshot->certificates = std::make_shared<Certificates>(certificates);
    return snapshot;
  }

  const ReservedPort reserved{ReservedPort::For::listener};
  uint16_t bind_port = reserved.number();
  bool without_port = false;
  Listener listener;
  std::vector<Listener> more_listeners;
  std::vector<Rule> rules;
  SharedMap<Backend> backends;
  SharedMap<Endpoints> endpoints;
  Certificates certificates;
};

class ProxyTest : public testing::Test {
 protected:
  void start(ProxyOptions options = {}) {
    auto started = Proxy::start(std::move(options));
    ASSERT_TRUE(started) << started.error().message;
    proxy = std::move(*started);
    apply();
  }
  void apply() {
    for (const Error& error : proxy->apply(config.snapshot())) ADD_FAILURE() << error.message;
  }
  TestSocket client() const { return TestSocket::connect(config.bind_port); }
  /// The answer to a request on a connection of its own.
  std::pair<std::string, std::string> ask(const std::string& request) {
    TestSocket socket = client();
    socket.send(request);
    return socket.read_message();
  }
  std::string status(const std::string& path) {
    return ask("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n").first.substr(0, 12);
  }

  TestConfig config;
  std::unique_ptr<Proxy> proxy;
};

}  // namespace weft::gateway
