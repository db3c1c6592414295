#include "cmd/policy_source.h"

#include <fmt/core.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/netlink.h"
#include "base/netns.h"
#include "cmd/declared.h"
#include "kube/config.h"
#include "podnet/pod_link.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

Expected<std::map<IpAddr, int>> pod_links(const std::string& netns) {
  WEFT_TRY(auto inside, InNetns::enter(netns_path(netns)));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto pods, podnet::connected_pods(netlink));
  std::map<IpAddr, int> out;
  for (const auto& pod : pods) {
    WEFT_TRY(auto link, netlink.find_link(podnet::host_link_name(pod.id)));
    if (!link) continue;
    for (const auto& address : pod.addresses) out.emplace(address, link->index);
  }
  return out;
}

}  // namespace

asio::awaitable<Expected<policy::PolicyObjects>> read_policy_objects(kube::Client& client) {
  policy::PolicyObjects out;
  WEFT_CO_TRY(out.nodes, co_await list_all<kube::Node>(client));
  WEFT_CO_TRY(out.namespaces, co_await list_all<kube::Namespace>(client));
  WEFT_CO_TRY(out.policies, co_await list_all<kube::NetworkPolicy>(client));
  auto cluster_policies = co_await list_all<kube::ClusterNetworkPolicy>(client);
  if (!cluster_policies && cluster_policies.error().code != ErrorCode::not_found)
    co_return std::unexpected(cluster_policies.error());
  if (cluster_policies) out.cluster_policies = std::move(*cluster_policies);
  WEFT_CO_TRY(out.dns, co_await list_all<kube::EndpointSlice>(client, policy::kDnsNamespace));
  WEFT_CO_TRY(out.pods, co_await list_all<kube::Pod>(client));
  co_return out;
}

Expected<policy::PolicyObjects> read_policy_objects(const PolicySource& source) {
  auto path = source.kubeconfig;
  if (path.empty()) path = fmt::format("{}/{}/admin.kubeconfig", standalone::kRunRoot, source.cluster);
  WEFT_TRY(auto config, kube::find_config(path));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  Expected<policy::PolicyObjects> out = fail(ErrorCode::internal, "not asked");
  asio::co_spawn(io, read_policy_objects(client),
                 [&](const std::exception_ptr& thrown, Expected<policy::PolicyObjects> result) {
                   if (thrown) std::rethrow_exception(thrown);
                   out = std::move(result);
                   io.stop();
                 });
  io.run();
  return out;
}

Expected<NodePolicy> read_node_policy(const std::string& cluster, const std::string& node) {
  NodePolicy out;
  WEFT_TRY(auto maps, datapath::PodPolicy::find(bpf_dir_of(cluster, node)));
  WEFT_TRY(auto domains, policy::DomainFile::read(policy::domain_file_in(
                             fmt::format("{}/{}/nodes/{}", standalone::kRunRoot, cluster, node))));
  out.domains = domains.all();
  WEFT_TRY(out.kernel, policy::read_kernel_policy(maps));
  WEFT_TRY(out.links, pod_links(fmt::format("weft-{}-{}", cluster, node)));
  return out;
}

KnownToPlan::KnownToPlan(policy::PolicyPlan& plan, const std::vector<policy::KnownDomain>& domains)
    : plan_(plan), domains_(domains) {
  for (const auto& known : domains_) plan_.put_domain_address(known.name, known.address);
  plan_.take_changes();
}

KnownToPlan::~KnownToPlan() {
  for (const auto& known : domains_) plan_.erase_domain_address(known.name, known.address);
  plan_.take_changes();
}

std::vector<std::string> compare_pod(const policy::PolicyPlan& plan, const policy::Comparison& comparison,
                                     const NodePolicy& node, const std::string& pod) {
  auto wanted = plan.entry_of(pod);
  if (!wanted) return {};
  std::optional<int> link;
  for (const auto& address : plan.addresses_of(pod)) {
    if (auto at = node.links.find(address); at != node.links.end()) link = at->second;
  }
  return comparison.pod(*wanted, link);
}

}  // namespace weft::cmd
