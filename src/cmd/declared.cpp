#include "cmd/declared.h"

#include <fmt/core.h>

#include "kube/node_addresses.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

service::NodeFacts facts_of(const kube::Node& node) {
  service::NodeFacts facts{.name = node.metadata.name, .addresses = kube::internal_addresses(node)};
  auto zone = node.metadata.labels.find("topology.kubernetes.io/zone");
  if (zone != node.metadata.labels.end()) facts.zone = zone->second;
  return facts;
}

}  // namespace

asio::awaitable<Expected<Declared>> read_declared(kube::Client& client) {
  Declared out;
  WEFT_CO_TRY(out.nodes, co_await list_all<kube::Node>(client));
  WEFT_CO_TRY(auto services, co_await list_all<kube::Service>(client));
  for (auto& object : services) out.services.push_back(std::make_shared<kube::Service>(std::move(object)));
  WEFT_CO_TRY(auto slices, co_await list_all<kube::EndpointSlice>(client));
  for (auto& slice : slices)
    out.slices[service::service_of(slice)].push_back(std::make_shared<kube::EndpointSlice>(std::move(slice)));
  co_return out;
}

Expected<std::vector<service::Way>> compare_node(const Declared& declared, const kube::Node& node,
                                                 const std::string& bpf_dir) {
  WEFT_TRY(auto kernel, service::dump_frontends(bpf_dir));
  auto facts = facts_of(node);
  std::vector<service::NamedPlan> plans;
  for (const auto& object : declared.services) {
    auto slices = declared.slices.find(object->metadata.namespace_ + "/" + object->metadata.name);
    static const std::vector<service::SlicePtr> kNone;
    plans.push_back(
        {object.get(),
         service::plan_service(*object, slices == declared.slices.end() ? kNone : slices->second, facts)});
  }
  return service::compare(plans, kernel);
}

std::string bpf_dir_of(const std::string& cluster, const std::string& node) {
  return fmt::format("{}/{}/bpf/{}", standalone::kRunRoot, cluster, node);
}

std::optional<IpAddr> address_of(const kube::Node& node) {
  auto all = kube::internal_addresses(node);
  return all.empty() ? std::nullopt : std::optional(all[0]);
}

}  // namespace weft::cmd
