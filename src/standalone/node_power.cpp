#include "standalone/node_power.h"

#include <fmt/core.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>

#include "base/netns.h"
#include "standalone/node_network.h"

namespace weft::standalone {
namespace {

std::string mark_of(const std::string& state_dir) { return state_dir + "/away"; }

/// Names and places of a node follow from its number: nothing has to be asked.
Expected<ClusterLayout> layout_up_to(const std::string& cluster, const std::string& node) {
  constexpr std::string_view kPrefix = "node-";
  int number = 0;
  auto digits =
      node.starts_with(kPrefix) ? std::string_view(node).substr(kPrefix.size()) : std::string_view();
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  bool named = error == std::errc() && end == digits.data() + digits.size() && number > 0;
  if (named && number <= kMaxNodes) {
    WEFT_TRY(auto layout, make_layout({.name = cluster, .nodes = number}, 0));
    if (std::filesystem::exists(netns_path(layout.nodes.back().netns))) return layout;
  }
  return fail(ErrorCode::not_found,
              fmt::format("cluster {} has no node {}: see kubectl get nodes", cluster, node));
}

Expected<void> freeze(const std::string& cgroup, bool frozen) {
  std::ofstream file(cgroup + "/cgroup.freeze");
  file << (frozen ? "1" : "0") << std::flush;
  if (file) return {};
  return fail_errno(cgroup + "/cgroup.freeze", errno);
}

}  // namespace

Expected<void> set_node_power(const std::string& cluster, const std::string& node, NodePower power) {
  if (::geteuid() != 0)
    return fail(ErrorCode::forbidden, "weft node changes a node's links: run it with sudo");
  WEFT_TRY(auto layout, layout_up_to(cluster, node));
  const auto& it = layout.nodes.back();
  std::error_code error;
  if (power == NodePower::on) {
    WEFT_CHECK(freeze(it.cgroup, false));
    WEFT_CHECK(plug_node(layout, it, true));
    std::filesystem::remove(mark_of(it.state_dir), error);
    return {};
  }
  if (!(std::ofstream(mark_of(it.state_dir)) << (power == NodePower::cut ? "cut" : "stopped") << "\n"))
    return fail_errno(mark_of(it.state_dir), errno);
  WEFT_CHECK(plug_node(layout, it, false));
  return freeze(it.cgroup, power == NodePower::stopped);
}

void reset_node_power(const std::string& state_dir) {
  std::error_code error;
  std::filesystem::remove(mark_of(state_dir), error);
}

bool node_is_reachable(const std::string& state_dir) { return !std::filesystem::exists(mark_of(state_dir)); }

}  // namespace weft::standalone
