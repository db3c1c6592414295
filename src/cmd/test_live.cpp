#include "cmd/test_live.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "cmd/throw_away.h"
#include "cmd/try_until_held.h"

namespace weft::cmd {
namespace {

/// Nodes are `weft up`'s own: manifests of them say how many there are, and their zones.
Expected<standalone::ClusterOptions> options_for(const LiveTest& how,
                                                 const std::vector<kube::YamlDocument>& manifests) {
  standalone::ClusterOptions out;
  out.name = fmt::format("test-{}", ::getpid());
  out.log_level = "warn";
  int nodes = 0;
  std::vector<std::string> zones;
  for (const auto& document : manifests) {
    if (kube::string_at(document.value, "kind") != "Node") continue;
    auto name = kube::string_at(document.value, "metadata.name");
    if (name != fmt::format("node-{}", ++nodes))
      return fail(
          ErrorCode::invalid,
          fmt::format("{}:{}: Node {}: nodes of a cluster of weft up are node-1, node-2, …, in this order",
                      document.file, document.line, name));
    const auto* labels = kube::at_path(document.value, "metadata.labels");
    const auto* zone = labels ? kube::member(*labels, "topology.kubernetes.io/zone") : nullptr;
    if (zone && zone->is_string()) zones.emplace_back(zone->get_string());
  }
  out.nodes = how.nodes > 0 ? how.nodes : std::max(nodes, 1);
  if (!zones.empty() && zones.size() == static_cast<size_t>(nodes)) out.zones = std::move(zones);
  return out;
}

}  // namespace

Expected<void> test_live(const LiveTest& how, const std::vector<kube::YamlDocument>& manifests,
                         std::vector<expect::Test>& tests) {
  if (::geteuid() != 0)
    return fail(ErrorCode::forbidden, "--live goes into the network namespaces of pods: run it with sudo");
  ProgressReport report(STDERR_FILENO, false);
  std::vector<expect::Test*> pending;
  for (auto& test : tests) {
    if (test.judgement.state != expect::State::failed) pending.push_back(&test);
  }
  if (!how.cluster.empty())
    return try_until_held(how.cluster, std::move(pending), how.timeout, how.patience, false, report);
  WEFT_TRY(auto options, options_for(how, manifests));
  auto applied = manifests;
  std::erase_if(applied, [](const auto& one) { return kube::string_at(one.value, "kind") == "Node"; });
  WEFT_TRY(auto cluster, ThrowAway::start(std::move(options), report));
  auto ready = cluster->bring(applied, how.patience);
  // Pods may be meant not to be Ready.
  if (!ready && (ready.error().code != ErrorCode::timeout || cluster->interrupted())) return ready;
  if (!ready) report.step(ready.error().message);
  return cluster->try_until_held(std::move(pending), how.timeout, how.patience);
}

}  // namespace weft::cmd
