#include "standalone/apimachinery/service_allocator.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kube/codec.h"
#include "kube/service.h"
#include "standalone/apimachinery/kind_rules.h"
#include "standalone/apimachinery/service_families.h"
#include "standalone/apimachinery/service_rules.h"
#include "standalone/apimachinery/validation.h"

namespace weft::standalone {

using kube::ServiceSpec;

struct ServiceAllocator::State {
  explicit State(const ServiceRanges& ranges)
      : ports(ranges.first_node_port, ranges.last_node_port, ranges.choosing) {
    for (const auto& prefix : ranges.cluster_ips) {
      families.emplace_back(prefix.addr.is_v4() ? "IPv4" : "IPv6");
      pools.emplace_back(prefix, ranges.choosing);
    }
  }

  AddressPool* pool_of(const IpAddr& ip) {
    auto at = std::ranges::find_if(
        pools, [&](const AddressPool& pool) { return pool.prefix().addr.is_v4() == ip.is_v4(); });
    return at == pools.end() ? nullptr : &*at;
  }
  AddressPool* pool_of(std::string_view family) {
    auto at = std::ranges::find(families, family);
    return at == families.end() ? nullptr : &pools[static_cast<size_t>(at - families.begin())];
  }
  void give_back(const std::vector<IpAddr>& ips, const std::vector<int32_t>& node_ports) {
    for (const auto& ip : ips) {
      if (auto* pool = pool_of(ip)) pool->give_back(ip);
    }
    for (auto port : node_ports) ports.give_back(port);
  }

  std::vector<std::string> families;  ///< in the order of the pools
  std::vector<AddressPool> pools;
  PortPool ports;
};

struct ServiceAllocator::Transaction::State {
  std::shared_ptr<ServiceAllocator::State> allocator;
  std::vector<IpAddr> taken_ips, released_ips;
  std::vector<int32_t> taken_ports, released_ports;
};

ServiceAllocator::Transaction::Transaction(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServiceAllocator::Transaction::Transaction(Transaction&&) noexcept = default;

ServiceAllocator::Transaction& ServiceAllocator::Transaction::operator=(Transaction&& other) noexcept {
  if (this == &other) return *this;
  rollback();
  state_ = std::move(other.state_);
  return *this;
}

ServiceAllocator::Transaction::~Transaction() { rollback(); }

void ServiceAllocator::Transaction::commit() {
  if (!state_) return;
  state_->allocator->give_back(state_->released_ips, state_->released_ports);
  state_.reset();
}

void ServiceAllocator::Transaction::rollback() {
  if (!state_) return;
  state_->allocator->give_back(state_->taken_ips, state_->taken_ports);
  state_.reset();
}

namespace {

bool has_node_ports(const ServiceSpec& spec) { return spec.type == kNodePort || spec.type == kLoadBalancer; }

bool gets_node_ports(const ServiceSpec& spec) {
  return spec.type == kNodePort ||
         (spec.type == kLoadBalancer && spec.allocateLoadBalancerNodePorts.value_or(true));
}

std::vector<int32_t> node_ports_of(const ServiceSpec& spec) {
  std::vector<int32_t> out;
  for (const auto& port : spec.ports) {
    if (port.nodePort != 0 && std::ranges::find(out, port.nodePort) == out.end())
      out.push_back(port.nodePort);
  }
  return out;
}

/// All of the nodes' that it has.
std::vector<int32_t> ports_of(const ServiceSpec& spec) {
  auto out = has_node_ports(spec) ? node_ports_of(spec) : std::vector<int32_t>{};
  if (needs_health_check(spec) && spec.healthCheckNodePort != 0) out.push_back(spec.healthCheckNodePort);
  return out;
}

/// The addresses that a stored Service has taken.
std::vector<IpAddr> addresses_of(const ServiceSpec& spec) {
  std::vector<IpAddr> out;
  if (spec.type == kExternalName) return out;
  for (const auto& text : spec.clusterIPs) {
    if (auto ip = IpAddr::parse(text)) out.push_back(*ip);
  }
  return out;
}

/// Writes what was chosen back into the object.
void write_back(json::object& spec, const ServiceSpec& chosen) {
  auto put = [&](std::string_view key, json::value value, bool empty) {
    if (empty) {
      spec.erase(key);
    } else {
      spec[key] = std::move(value);
    }
  };
  put("clusterIP", json::value(chosen.clusterIP), chosen.clusterIP.empty());
  put("clusterIPs", to_json(chosen.clusterIPs), chosen.clusterIPs.empty());
  put("ipFamilies", to_json(chosen.ipFamilies), chosen.ipFamilies.empty());
  put("ipFamilyPolicy", to_json(chosen.ipFamilyPolicy), !chosen.ipFamilyPolicy);
  put("healthCheckNodePort", chosen.healthCheckNodePort, chosen.healthCheckNodePort == 0);
  auto* ports = array_of(&spec, "ports");
  for (size_t i = 0; ports && i < ports->size(); ++i) {
    if ((*ports)[i].is_object() && chosen.ports[i].nodePort != 0) {
      (*ports)[i].get_object()["nodePort"] = chosen.ports[i].nodePort;
    }
  }
}

/// One request's way through the pools: what it takes is remembered in the transaction.
template <class Pools, class Taken>
class Request {
 public:
  Request(Pools& pools, Taken& taken, ServiceSpec& spec, const ServiceSpec* old)
      : pools_(pools), taken_(taken), spec_(spec), old_(old) {}

  FieldErrors run() {
    if (!keeps_preferred_stack(spec_, old_)) cluster_ips();
    if (errors_.empty()) node_ports();
    if (errors_.empty()) health_check_port();
    return std::move(errors_);
  }

 private:
  void cluster_ips() {
    bool headless = is_headless(spec_);
    if (!old_ || old_->type == kExternalName) {
      if (spec_.type != kExternalName && !headless) take_addresses(0);
      return;
    }
    if (is_headless(*old_)) return;
    if (spec_.type == kExternalName) {
      taken_.released_ips = addresses_of(*old_);
      return;
    }
    size_t before = old_->ipFamilies.size();
    if (before == 1 && spec_.ipFamilies.size() == 2) take_addresses(1);
    if (before == 2 && spec_.ipFamilies.size() == 1) {
      auto addresses = addresses_of(*old_);
      if (addresses.size() > 1) taken_.released_ips = {addresses[1]};
    }
  }

  /// For the families from `first` on.
  void take_addresses(size_t first) {
    spec_.clusterIPs.resize(std::max(spec_.clusterIPs.size(), spec_.ipFamilies.size()));
    for (size_t i = first; i < spec_.ipFamilies.size(); ++i) {
      auto& text = spec_.clusterIPs[i];
      auto* pool = pools_.pool_of(spec_.ipFamilies[i]);
      if (text.empty()) {
        auto ip = pool->take_any();
        if (!ip) {
          errors_.push_back(
              internal_error("spec.clusterIPs", "failed to allocate a serviceIP: range is full"));
          return;
        }
        taken_.taken_ips.push_back(*ip);
        text = ip->str();
      } else {
        auto ip = *IpAddr::parse(text);
        if (auto done = pool->take(ip); !done) {
          errors_.push_back(invalid("spec.clusterIPs", to_json(spec_.clusterIPs),
                                    fmt::format("failed to allocate IP {}: {}", text, done.error())));
          return;
        }
        taken_.taken_ips.push_back(ip);
      }
    }
    spec_.clusterIP = spec_.clusterIPs.empty() ? "" : spec_.clusterIPs[0];
  }

  bool take_port(const std::string& path, int32_t port) {
    if (auto done = pools_.ports.take(port); !done) {
      errors_.push_back(invalid(path, port, done.error()));
      return false;
    }
    taken_.taken_ports.push_back(port);
    return true;
  }

  std::optional<int32_t> take_any_port(const std::string& path, std::string_view what) {
    auto port = pools_.ports.take_any();
    if (!port) {
      errors_.push_back(internal_error(path, fmt::format("failed to allocate a {}: range is full", what)));
      return std::nullopt;
    }
    taken_.taken_ports.push_back(*port);
    return port;
  }

  bool is_ours(int32_t port) const {
    auto had = old_ && has_node_ports(*old_) ? node_ports_of(*old_) : std::vector<int32_t>{};
    return std::ranges::find(had, port) != had.end() ||
           std::ranges::find(taken_.taken_ports, port) != taken_.taken_ports.end();
  }

  void node_ports() {
    if (has_node_ports(spec_)) {
      std::map<int32_t, int32_t> by_port;  // a port of two protocols shares one number
      for (size_t i = 0; i < spec_.ports.size(); ++i) {
        if (spec_.ports[i].nodePort != 0 && !one_asked_for(i)) return;
        if (spec_.ports[i].nodePort != 0) by_port.try_emplace(spec_.ports[i].port, spec_.ports[i].nodePort);
      }
      for (size_t i = 0; i < spec_.ports.size(); ++i) {
        auto& port = spec_.ports[i];
        if (port.nodePort != 0 || !gets_node_ports(spec_)) continue;
        auto shared = by_port.find(port.port);
        if (shared != by_port.end() && !old_) {
          port.nodePort = shared->second;
          continue;
        }
        auto number = take_any_port(child(item("spec.ports", i), "nodePort"), "nodePort");
        if (!number) return;
        port.nodePort = *number;
        by_port.try_emplace(port.port, *number);
      }
    }
    if (!old_ || !has_node_ports(*old_)) return;
    auto now = has_node_ports(spec_) ? node_ports_of(spec_) : std::vector<int32_t>{};
    for (auto port : node_ports_of(*old_)) {
      if (std::ranges::find(now, port) == now.end()) taken_.released_ports.push_back(port);
    }
  }

  bool one_asked_for(size_t i) {
    auto port = spec_.ports[i].nodePort;
    return is_ours(port) || take_port(child(item("spec.ports", i), "nodePort"), port);
  }

  void health_check_port() {
    const std::string path = "spec.healthCheckNodePort";
    bool needed = old_ && needs_health_check(*old_);
    bool needs = needs_health_check(spec_);
    if (needs && !needed) {
      if (spec_.healthCheckNodePort != 0) {
        take_port(path, spec_.healthCheckNodePort);
      } else if (auto port = take_any_port(path, "HealthCheck NodePort")) {
        spec_.healthCheckNodePort = *port;
      }
    }
    if (needed && !needs && old_->healthCheckNodePort != 0) {
      taken_.released_ports.push_back(old_->healthCheckNodePort);
    }
  }

  Pools& pools_;
  Taken& taken_;
  ServiceSpec& spec_;
  const ServiceSpec* old_;
  FieldErrors errors_;
};

}  // namespace

ServiceAllocator::ServiceAllocator(ServiceRanges ranges) : state_(std::make_shared<State>(ranges)) {}
ServiceAllocator::~ServiceAllocator() = default;
ServiceAllocator::ServiceAllocator(ServiceAllocator&&) noexcept = default;
ServiceAllocator& ServiceAllocator::operator=(ServiceAllocator&&) noexcept = default;

std::expected<ServiceAllocator::Transaction, FieldErrors> ServiceAllocator::allocate(json::value& service,
                                                                                     const json::value& old) {
  auto now = kube::decode<kube::Service>(service);
  if (!now) return std::unexpected(FieldErrors{invalid("", nullptr, now.error().message)});
  std::optional<kube::Service> before;
  if (!old.is_null()) {
    auto decoded = kube::decode<kube::Service>(old);
    if (!decoded) return std::unexpected(FieldErrors{internal_error("", decoded.error().message)});
    before = std::move(*decoded);
  }
  auto& spec = now->spec;
  const ServiceSpec* old_spec = before ? &before->spec : nullptr;
  if (old_spec) keep_allocated(spec, *old_spec);
  sync_cluster_ips(spec, old_spec);
  if (auto errors = choose_families(spec, old_spec, state_->families); !errors.empty()) {
    return std::unexpected(std::move(errors));
  }
  auto taken = std::make_unique<Transaction::State>();
  taken->allocator = state_;
  auto& record = *taken;
  Transaction transaction(std::move(taken));
  auto errors = Request(*state_, record, spec, old_spec).run();
  if (!errors.empty()) return std::unexpected(std::move(errors));
  write_back(object_in(service.get_object(), "spec"), spec);
  return transaction;
}

void ServiceAllocator::keep(const json::value& service) {
  auto decoded = kube::decode<kube::Service>(service);
  if (!decoded) return;
  sync_cluster_ips(decoded->spec, nullptr);
  for (const auto& ip : addresses_of(decoded->spec)) {
    if (auto* pool = state_->pool_of(ip)) pool->keep(ip);
  }
  for (auto port : ports_of(decoded->spec)) state_->ports.keep(port);
}

void ServiceAllocator::release(const json::value& service) {
  auto decoded = kube::decode<kube::Service>(service);
  if (decoded) state_->give_back(addresses_of(decoded->spec), ports_of(decoded->spec));
}

std::vector<std::string> ServiceAllocator::restore(const json::value& service) {
  std::vector<std::string> problems;
  auto decoded = kube::decode<kube::Service>(service);
  auto name = fmt::format("Service {}/{}", kube::string_at(service, "metadata.namespace"),
                          kube::string_at(service, "metadata.name"));
  if (!decoded) return {fmt::format("{}: {}", name, decoded.error().message)};
  const auto& spec = decoded->spec;
  for (const auto& ip : addresses_of(spec)) {
    auto* pool = state_->pool_of(ip);
    if (!pool) {
      problems.push_back(fmt::format("{}: cluster IP {}: its family is not configured", name, ip.str()));
    } else if (auto done = pool->take(ip); !done) {
      problems.push_back(fmt::format("{}: cluster IP {}: {}", name, ip.str(), done.error()));
    }
  }
  for (auto port : ports_of(spec)) {
    if (auto done = state_->ports.take(port); !done) {
      problems.push_back(fmt::format("{}: node port {}: {}", name, port, done.error()));
    }
  }
  return problems;
}

size_t ServiceAllocator::used_cluster_ips(bool v4) const {
  size_t used = 0;
  for (const auto& pool : state_->pools) used += pool.prefix().addr.is_v4() == v4 ? pool.used() : 0;
  return used;
}

size_t ServiceAllocator::used_node_ports() const { return state_->ports.used(); }

}  // namespace weft::standalone
