#include "service/health_ports.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <utility>

#include "base/log.h"

namespace weft::service {
namespace {

/// What the handlers of one Service's listeners read; they may outlive its entry.
struct Reading {
  std::string ns, name;
  uint32_t local_endpoints = 0;
  std::function<bool()> healthy;
};

/// kube-proxy's answer to the byte: there are scripts that match its text.
http::Answer answer(const Reading& reading) {
  bool healthy = reading.healthy();
  auto count = reading.local_endpoints;
  return {
      .status = count > 0 && healthy ? 200U : 503U,
      .content_type = "application/json",
      .headers = {{"X-Content-Type-Options", "nosniff"},
                  {"X-Load-Balancing-Endpoint-Weight", std::to_string(count)}},
      .body = fmt::format("{{\n\t\"service\": {{\n\t\t\"namespace\": \"{}\",\n\t\t\"name\": \"{}\"\n\t}},\n"
                          "\t\"localEndpoints\": {},\n\t\"serviceProxyHealthy\": {}\n}}",
                          reading.ns, reading.name, count, healthy)};
}

struct Entry {
  ServicePtr service;
  uint16_t port = 0;
  std::shared_ptr<Reading> reading;
  std::map<IpAddr, std::unique_ptr<http::Server::Listener>> listeners;
  std::string complaint;  ///< as told last
};

}  // namespace

struct HealthPorts::Impl {
  Impl(http::Server& s, asio::io_context& io, Options o) : server(s), options(std::move(o)), retry(io) {}

  void open(Entry& entry);
  void retry_later();

  http::Server& server;
  Options options;
  asio::steady_timer retry;
  bool retrying = false;
  std::vector<IpAddr> addresses;
  std::map<std::string, Entry> entries;
};

/// Opens what is not open yet.
void HealthPorts::Impl::open(Entry& entry) {
  std::erase_if(entry.listeners, [&](const auto& listener) {
    return std::ranges::find(addresses, listener.first) == addresses.end();
  });
  std::string problem;
  for (const auto& address : addresses) {
    if (entry.listeners.contains(address)) continue;
    auto listener = server.listen(
        {address, entry.port},
        http::answer_with([reading = entry.reading](const http::Request&) { return answer(*reading); }));
    if (listener) {
      entry.listeners[address] = std::move(*listener);
    } else if (problem.empty()) {
      problem = listener.error().message;
    }
  }
  if (!problem.empty()) retry_later();
  if (std::exchange(entry.complaint, problem) == problem || problem.empty()) return;
  auto message = fmt::format("node {} failed to start healthcheck \"{}/{}\" on port {}: {}", options.node,
                             entry.reading->ns, entry.reading->name, entry.port, problem);
  spdlog::error("{}; trying again", message);
  options.complain(*entry.service, message);
}

void HealthPorts::Impl::retry_later() {
  if (std::exchange(retrying, true)) return;
  retry.expires_after(options.retry);
  retry.async_wait([this](boost::system::error_code error) {
    if (error) return;
    retrying = false;
    for (auto& [key, entry] : entries) open(entry);
  });
}

HealthPorts::HealthPorts(http::Server& server, asio::io_context& io, Options options)
    : impl_(std::make_unique<Impl>(server, io, std::move(options))) {}
HealthPorts::~HealthPorts() = default;

void HealthPorts::set_addresses(std::vector<IpAddr> addresses) {
  if (impl_->addresses == addresses) return;
  impl_->addresses = std::move(addresses);
  for (auto& [key, entry] : impl_->entries) impl_->open(entry);
}

void HealthPorts::service_changed(const std::string& key, const ServicePtr& service,
                                  std::span<const SlicePtr> slices) {
  auto wanted = service ? plan_health(*service, slices, impl_->options.node) : std::nullopt;
  if (!wanted) {
    impl_->entries.erase(key);
    return;
  }
  auto& entry = impl_->entries[key];
  entry.service = service;
  if (!entry.reading) {
    entry.reading = std::make_shared<Reading>(
        Reading{service->metadata.namespace_, service->metadata.name, 0, impl_->options.healthy});
  }
  entry.reading->local_endpoints = wanted->local_endpoints;
  if (entry.port == wanted->port) return;
  entry.listeners.clear();
  entry.port = wanted->port;
  impl_->open(entry);
}

}  // namespace weft::service
