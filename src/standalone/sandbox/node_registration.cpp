#include "standalone/sandbox/node_registration.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fstream>

#include "kube/config.h"
#include "kube/time.h"

namespace weft::standalone::sandbox {

using namespace std::chrono_literals;

namespace {

constexpr auto kRenew = 2s;
constexpr int kLeaseSeconds = 8;
constexpr const char* kLeaseNamespace = "kube-node-lease";
constexpr const char* kMaxPods = "1000";

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

kube::NodeSystemInfo system_info() {
  utsname names{};
  ::uname(&names);
  kube::NodeSystemInfo info;
  info.machineID = first_line("/etc/machine-id");
  info.bootID = first_line("/proc/sys/kernel/random/boot_id");
  info.kernelVersion = names.release;
  info.osImage = "Weft simulated node";
  info.containerRuntimeVersion = "weft://1";
  info.kubeletVersion = "v1.36.0-weft";
  info.operatingSystem = "linux";
  std::string machine = names.machine;
  info.architecture = machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
  return info;
}

kube::NodeCondition condition(const char* type, bool status, const char* reason, const char* message,
                              const kube::Time& now) {
  kube::NodeCondition c;
  c.type = type;
  c.status = status ? "True" : "False";
  c.reason = reason;
  c.message = message;
  c.lastHeartbeatTime = c.lastTransitionTime = now;
  return c;
}

/// Until the time is over or the link changes.
asio::awaitable<void> pause(NodeLink& link, std::chrono::milliseconds time) {
  link.wake.expires_after(time);
  [[maybe_unused]] auto [error] = co_await link.wake.async_wait(asio::as_tuple(asio::use_awaitable));
}

bool is_declared_lost(const kube::Informer<kube::Node>& nodes, const std::string& name) {
  auto node = nodes.get(name);
  return node && std::ranges::any_of(node->status.conditions,
                                     [](const auto& c) { return c.type == "Ready" && c.status != "True"; });
}

/// Creates the object, or merges it into the one that is there.
asio::awaitable<Expected<void>> ensure(kube::Client& client, const kube::ResourceInfo& resource,
                                       std::string ns, std::string name, json::object object) {
  auto created = co_await client.create(resource, ns, object);
  if (created) co_return Expected<void>{};
  if (created.error().code != ErrorCode::already_exists) co_return std::unexpected(created.error());
  auto merged = co_await client.merge_patch(resource, ns, name, std::move(object));
  if (!merged) co_return std::unexpected(merged.error());
  co_return Expected<void>{};
}

asio::awaitable<Expected<void>> register_node(kube::Client& client, const SandboxNode& node) {
  auto object = node_object(node, kube::now_time());
  json::object status{{"status", kube::encode(object).at("status")}};
  object.status = {};
  const auto& nodes = kube::resource_of<kube::Node>();
  WEFT_CO_CHECK(co_await ensure(client, nodes, "", node.name, kube::encode(object)));
  WEFT_CO_TRY([[maybe_unused]] auto done,
              co_await client.merge_patch(nodes, "", node.name, std::move(status), "status"));
  co_return Expected<void>{};
}

asio::awaitable<Expected<void>> renew_lease(kube::Client& client, const SandboxNode& node, bool first) {
  const auto& leases = kube::resource_of<kube::Lease>();
  if (!first) {
    json::object patch{{"spec", {{"renewTime", kube::now_micro_time()}}}};
    auto patched = co_await client.merge_patch(leases, kLeaseNamespace, node.name, std::move(patch));
    if (patched) co_return Expected<void>{};
    if (patched.error().code != ErrorCode::not_found) co_return std::unexpected(patched.error());
  }
  kube::Namespace ns;
  ns.metadata.name = kLeaseNamespace;
  auto made = co_await client.create(kube::resource_of<kube::Namespace>(), "", kube::encode(ns));
  if (!made && made.error().code != ErrorCode::already_exists) co_return std::unexpected(made.error());
  kube::Lease lease;
  lease.metadata.name = node.name;
  lease.metadata.namespace_ = kLeaseNamespace;
  lease.spec.holderIdentity = node.name;
  lease.spec.leaseDurationSeconds = kLeaseSeconds;
  lease.spec.renewTime = kube::now_micro_time();
  co_return co_await ensure(client, leases, kLeaseNamespace, node.name, kube::encode(lease));
}

}  // namespace

kube::Node node_object(const SandboxNode& node, const kube::Time& now) {
  kube::Node object;
  object.metadata.name = node.name;
  object.metadata.labels = {{"kubernetes.io/hostname", node.name}, {"kubernetes.io/os", "linux"}};
  if (!node.zone.empty()) object.metadata.labels["topology.kubernetes.io/zone"] = node.zone;
  for (const auto& [name, value] : node.annotations) object.metadata.annotations[name] = value;
  object.spec.podCIDRs = node.pod_cidrs;
  if (!node.pod_cidrs.empty()) object.spec.podCIDR = node.pod_cidrs.front();
  object.spec.providerID = "weft://" + node.name;

  auto& status = object.status;
  status.nodeInfo = system_info();
  object.metadata.labels["kubernetes.io/arch"] = status.nodeInfo.architecture;
  status.addresses.push_back({{}, "Hostname", node.name});
  for (const auto& address : node.addresses) status.addresses.push_back({{}, "InternalIP", address});
  auto kibibytes = ::sysconf(_SC_PHYS_PAGES) * (::sysconf(_SC_PAGE_SIZE) / 1024);
  status.capacity = {{"cpu", std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))},
                     {"memory", fmt::format("{}Ki", kibibytes)},
                     {"pods", kMaxPods}};
  status.allocatable = status.capacity;
  status.conditions = {
      condition("MemoryPressure", false, "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available", now),
      condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure", now),
      condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available", now),
      condition("Ready", true, "KubeletReady", "the sandbox is running pods", now)};
  return object;
}

asio::awaitable<void> keep_registered(kube::Client& client, const kube::Informer<kube::Node>& nodes,
                                      SandboxNode node, std::shared_ptr<NodeLink> link) {
  auto delay = 20ms;
  bool registered = false, leased = false;
  while (!link->stopped) {
    if (link->away) {
      co_await pause(*link, kRenew);
      continue;
    }
    // The Lease first: who sees the node alive does not take its word for its pods away again.
    Expected<void> result;
    if (leased) result = co_await renew_lease(client, node, false);
    if (result && is_declared_lost(nodes, node.name)) registered = false;
    if (result && !registered) {
      result = co_await register_node(client, node);
      registered = result.has_value();
      if (registered) spdlog::info("node {} is registered", node.name);
    }
    if (result && !leased) {
      result = co_await renew_lease(client, node, true);
      leased = result.has_value();
    }
    if (result) {
      delay = 20ms;
      if (!link->away && std::exchange(link->returning, false)) link->heard_again();
      co_await pause(*link, kRenew);
      continue;
    }
    if (result.error().code == ErrorCode::not_found) registered = leased = false;
    spdlog::debug("node {}: {}", node.name, result.error().message);
    co_await pause(*link, delay);
    delay = std::min(delay * 2, std::chrono::milliseconds(2s));
  }
}

}  // namespace weft::standalone::sandbox
