#include "cmd/status_report.h"

#include <fmt/core.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fstream>
#include <set>

#include "base/http/client.h"
#include "cmd/declared.h"
#include "cmd/policy_source.h"
#include "dns/probe.h"
#include "kube/config.h"
#include "kube/pod.h"
#include "kube/time.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

using asio::awaitable;

constexpr uint16_t kHealthPort = 10256;
constexpr size_t kMaxDifferences = 5;

/// Runs several at once on the same io_context; returns when all are done.
class Together {
 public:
  explicit Together(asio::io_context& io) : io_(io), done_(io) {
    done_.expires_at(asio::steady_timer::time_point::max());
  }
  void add(awaitable<void> work) {
    ++running_;
    asio::co_spawn(io_, std::move(work), [this](const std::exception_ptr& thrown) {
      if (thrown) thrown_ = thrown;
      if (--running_ == 0) done_.cancel();
    });
  }
  awaitable<void> wait() {
    while (running_ > 0) {
      boost::system::error_code ignored;
      co_await done_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  asio::io_context& io_;
  asio::steady_timer done_;
  size_t running_ = 0;
  std::exception_ptr thrown_;
};

void read_condition(const kube::Node& node, NodeStatus& out) {
  out.reason = "its kubelet never reported";
  for (const auto& condition : node.status.conditions) {
    if (condition.type != "Ready") continue;
    out.ready = condition.status == "True";
    out.since = condition.lastTransitionTime;
    out.reason = condition.message.empty() ? condition.reason : condition.message;
  }
}

void count_pods(const std::vector<kube::Pod>& pods, NodeStatus& out) {
  for (const auto& pod : pods) {
    if (pod.spec.nodeName != out.name) continue;
    if (pod.status.phase == "Succeeded" || pod.status.phase == "Failed") continue;
    ++out.pods;
    out.ready_pods += std::ranges::any_of(
        pod.status.conditions, [](const auto& c) { return c.type == "Ready" && c.status == "True"; });
  }
}

/// A kernel that was never programmed is something to report; one that may not be read is not.
Expected<void> read_kernel(const Declared& declared, const kube::Node& node, const std::string& bpf_dir,
                           NodeStatus& out) {
  auto ways = compare_node(declared, node, bpf_dir);
  if (!ways && ways.error().code != ErrorCode::not_found) return std::unexpected(ways.error());
  if (!ways) {
    out.kernel = ways.error().message;
    return {};
  }
  std::set<std::string> wanted, differing;
  for (auto& way : *ways) {
    if (!way.service.empty()) wanted.insert(way.service);
    if (way.difference.empty()) continue;
    if (!way.service.empty()) differing.insert(way.service);
    out.differences.push_back(std::move(way));
  }
  out.services = {wanted.size(), wanted.size() - differing.size()};
  auto maps = datapath::read_map_fill(bpf_dir);
  if (!maps) return {};
  for (auto& map : *maps) {
    bool full = static_cast<double>(map.entries) > kFull * static_cast<double>(map.capacity);
    if (full && !map.evicts) out.full_maps.push_back(std::move(map));
  }
  return {};
}

/// Pods that come or go just now have no link or no address, and are passed over.
void read_policy(policy::PolicyPlan& plan, const std::vector<kube::Pod>& pods, const std::string& cluster,
                 NodeStatus& out) {
  auto& status = out.policy.emplace();
  auto node = read_node_policy(cluster, out.name);
  if (!node) {
    status.differences.push_back(node.error().message);
    return;
  }
  KnownToPlan known(plan, node->domains);
  policy::Comparison comparison(plan, node->kernel);
  status.differences = comparison.identities();
  for (const auto& pod : pods) {
    auto key = pod.metadata.namespace_ + "/" + pod.metadata.name;
    if (pod.spec.nodeName != out.name || pod.metadata.deletionTimestamp || !plan.entry_of(key) ||
        plan.addresses_of(key).empty())
      continue;
    ++status.pods;
    for (const auto& line : compare_pod(plan, comparison, *node, key))
      status.differences.push_back(fmt::format("{} (pod {})", line, key));
  }
}

/// `all`: each node has a proxy, whether one has said that it serves or not.
void read_proxy(const std::map<std::string, std::string>& proxies, bool all, NodeStatus& out) {
  if (proxies.empty() && !all) return;
  auto at = proxies.find(out.name);
  out.proxy = at == proxies.end() ? "it has not said that it serves" : at->second;
}

awaitable<void> ask_agent(asio::io_context& io, std::optional<IpAddr> address,
                          std::chrono::milliseconds patience, NodeStatus& out) {
  if (!address) {
    out.agent = "the node has no InternalIP to ask it at";
    co_return;
  }
  auto answer = co_await http::get(io, {*address, kHealthPort}, "/healthz", patience);
  if (!answer) {
    out.agent = answer.error().message;
  } else if (answer->status != 200) {
    out.agent = fmt::format("its /healthz says {}: {}", answer->status, answer->body);
  }
}

awaitable<void> ask_dns(asio::io_context& io, dns::SocketAddress server, std::chrono::milliseconds patience,
                        PartStatus& out) {
  auto answer =
      co_await dns::probe(io, server, *dns::Name::parse("kube-dns.kube-system.svc.cluster.local"), patience);
  if (!answer) out.problem = answer.error().message;
}

/// Those behind the Service kube-system/kube-dns.
std::vector<dns::SocketAddress> dns_servers(const Declared& declared) {
  std::vector<dns::SocketAddress> out;
  auto slices = declared.slices.find("kube-system/kube-dns");
  if (slices == declared.slices.end()) return out;
  for (const auto& slice : slices->second) {
    auto port =
        std::ranges::find_if(slice->ports, [](const auto& p) { return p.protocol.value_or("TCP") == "UDP"; });
    if (port == slice->ports.end() || !port->port) continue;
    for (const auto& endpoint : slice->endpoints) {
      auto ip = endpoint.addresses.empty() ? std::nullopt : IpAddr::parse(endpoint.addresses[0]);
      if (ip) out.push_back({*ip, static_cast<uint16_t>(*port->port)});
    }
  }
  std::ranges::sort(out, {}, [](const auto& server) { return std::pair(server.ip, server.port); });
  return out;
}

/// `weft up` starts it without leader election: there is no Lease, but the process can be seen.
PartStatus controller_by_pid(const std::string& cluster) {
  PartStatus out{.name = "controller", .detail = {}, .problem = {}};
  std::ifstream file(fmt::format("{}/{}/pids/controller", standalone::kRunRoot, cluster));
  pid_t pid = 0;
  if (file >> pid && ::kill(pid, 0) == 0) {
    out.detail = fmt::format("runs, pid {}", pid);
  } else {
    out.problem = "it does not run";
  }
  return out;
}

awaitable<PartStatus> controller_by_lease(kube::Client& client) {
  PartStatus out{.name = "controller", .detail = {}, .problem = {}};
  auto object = co_await client.get(kube::resource_of<kube::Lease>(), "kube-system", "weft-controller");
  auto lease = object ? kube::decode<kube::Lease>(*object) : std::unexpected(object.error());
  if (!lease) {
    out.problem = "nobody leads: " + lease.error().message;
    co_return out;
  }
  const auto& spec = lease->spec;
  auto renewed = kube::parse_time(spec.renewTime.value_or(""));
  std::chrono::seconds lasts(spec.leaseDurationSeconds.value_or(0));
  if (spec.holderIdentity.value_or("").empty() || !renewed || kube::now_point() - *renewed > lasts) {
    out.problem = "nobody leads: the Lease kube-system/weft-controller has run out";
  } else {
    out.detail = "leader " + *spec.holderIdentity;
  }
  co_return out;
}

void add_differences(const NodeStatus& node, std::vector<std::string>& out) {
  size_t shown = std::min(node.differences.size(), kMaxDifferences);
  for (size_t i = 0; i < shown; ++i) {
    const auto& way = node.differences[i];
    out.push_back(fmt::format("{}: Service {} at {} {}/{}: {}", node.name,
                              way.service.empty() ? "-" : way.service, way.addr.str(), way.port,
                              service::name_of(way.protocol), way.difference));
  }
  if (node.differences.size() > shown)
    out.push_back(fmt::format("{}: and {} more differences: see weft services --node {}", node.name,
                              node.differences.size() - shown, node.name));
}

void add_policy(const NodeStatus& node, std::vector<std::string>& out) {
  if (!node.policy) return;
  const auto& differences = node.policy->differences;
  size_t shown = std::min(differences.size(), kMaxDifferences);
  for (size_t i = 0; i < shown; ++i) out.push_back(fmt::format("{}: policy: {}", node.name, differences[i]));
  if (differences.size() > shown)
    out.push_back(fmt::format("{}: policy: and {} more differences: see weft policy show POD", node.name,
                              differences.size() - shown));
}

}  // namespace

std::vector<std::string> StatusReport::problems() const {
  std::vector<std::string> out;
  if (nodes.empty()) out.emplace_back("there are no nodes");
  for (const auto& node : nodes) {
    if (!node.ready) out.push_back(fmt::format("{}: not Ready: {}", node.name, node.reason));
    if (!node.agent.empty()) out.push_back(fmt::format("{}: agent: {}", node.name, node.agent));
    if (node.proxy && !node.proxy->empty())
      out.push_back(fmt::format("{}: gateway: {}", node.name, *node.proxy));
    if (!node.kernel.empty())
      out.push_back(fmt::format("{}: nothing is programmed: {}", node.name, node.kernel));
    add_differences(node, out);
    add_policy(node, out);
    for (const auto& map : node.full_maps)
      out.push_back(fmt::format("{}: BPF map {}: {} of {} entries in use", node.name, map.name, map.entries,
                                map.capacity));
  }
  if (!controller.problem.empty()) out.push_back("controller: " + controller.problem);
  if (dns.empty()) out.emplace_back("DNS: no server is behind the Service kube-system/kube-dns");
  for (const auto& server : dns) {
    if (!server.problem.empty()) out.push_back(fmt::format("DNS: {}: {}", server.name, server.problem));
  }
  out.insert(out.end(), gateways.problems.begin(), gateways.problems.end());
  return out;
}

awaitable<Expected<StatusReport>> read_status(kube::Client& client, StatusOptions options) {
  WEFT_CO_TRY(auto declared, co_await read_declared(client));
  WEFT_CO_TRY(auto objects, co_await read_policy_objects(client));
  policy::PolicyPlan plan({.node = {}});
  fill(plan, objects);
  StatusReport out;
  std::ranges::sort(declared.nodes, {}, [](const auto& node) { return node.metadata.name; });
  WEFT_CO_TRY(out.gateways, co_await read_gateways(client));
  WEFT_CO_TRY(auto proxies, co_await read_proxies(client));
  auto servers = dns_servers(declared);
  out.nodes.resize(declared.nodes.size());
  out.dns.resize(servers.size());
  Together asked(client.io());
  for (size_t i = 0; i < declared.nodes.size(); ++i) {
    const auto& node = declared.nodes[i];
    out.nodes[i].name = node.metadata.name;
    asked.add(ask_agent(client.io(), address_of(node), options.patience, out.nodes[i]));
  }
  for (size_t i = 0; i < servers.size(); ++i) {
    out.dns[i].name = servers[i].str();
    asked.add(ask_dns(client.io(), servers[i], options.patience, out.dns[i]));
  }
  co_await asked.wait();
  for (size_t i = 0; i < declared.nodes.size(); ++i) {
    auto& node = out.nodes[i];
    read_condition(declared.nodes[i], node);
    read_proxy(proxies, !options.cluster.empty(), node);
    count_pods(objects.pods, node);
    if (options.cluster.empty()) continue;
    WEFT_CO_CHECK(read_kernel(declared, declared.nodes[i], bpf_dir_of(options.cluster, node.name), node));
    // Of one that nothing was programmed into enough is said.
    if (node.kernel.empty()) read_policy(plan, objects.pods, options.cluster, node);
  }
  if (options.cluster.empty()) {
    out.controller = co_await controller_by_lease(client);
  } else {
    out.controller = controller_by_pid(options.cluster);
  }
  co_return out;
}

}  // namespace weft::cmd
