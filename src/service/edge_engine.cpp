#include "service/edge_engine.h"

#include <fmt/core.h>

#include <map>
#include <vector>

#include "base/log.h"
#include "base/netlink.h"
#include "base/pod_alias.h"

namespace weft::service {
namespace {

constexpr const char* kOverlay = "weft-vxlan";

}  // namespace

Expected<std::unique_ptr<NodeEdgeEngine>> NodeEdgeEngine::open(const std::string& bpf_dir,
                                                               const datapath::ServiceSocket& services) {
  WEFT_TRY(auto policy, datapath::PodPolicy::open(bpf_dir));
  WEFT_TRY(auto edge, datapath::NodeEdge::open({.bpf_dir = bpf_dir}, services, policy));
  return std::unique_ptr<NodeEdgeEngine>(new NodeEdgeEngine(std::move(policy), std::move(edge)));
}

Expected<void> NodeEdgeEngine::apply(const EdgePlan& plan, std::span<const IpAddr> addresses) {
  // A pod must never be masqueraded towards a node that is only just becoming known: the inside comes first.
  WEFT_CHECK(edge_.set_prefixes(plan.prefixes));
  WEFT_CHECK(edge_.configure(plan.settings));
  WEFT_TRY(auto netlink, Netlink::open());
  std::map<int, Link> links;
  for (const auto& address : addresses) {
    WEFT_TRY(auto link, netlink.find_link(address));
    if (link && link->name != "lo") links[link->index] = *link;
  }
  WEFT_TRY(auto overlay, netlink.find_link(kOverlay));
  if (overlay) links[overlay->index] = *overlay;
  for (const auto& [index, link] : links) {
    WEFT_CHECK(edge_.attach(index));
    // Virtual links hand over packets whose checksums are still to be completed, which XDP cannot know.
    if (link.kind.empty() && !with_xdp_.contains(index)) attach_xdp(link);
  }
  return {};
}

/// tc does the same for a link without it.
void NodeEdgeEngine::attach_xdp(const Link& link) {
  with_xdp_.insert(link.index);
  if (auto attached = edge_.attach_xdp(link.index); attached) {
    spdlog::info("the node's edge is at XDP on {}", link.name);
  } else {
    spdlog::info("the node's edge is at tc on {}: {}", link.name, attached.error().message);
  }
}

Expected<std::vector<int>> NodeEdgeEngine::attach_pods() {
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto links, netlink.links());
  std::vector<int> pods;
  for (const auto& link : links) {
    if (parse_pod_alias(link.alias)) pods.push_back(link.index);
  }
  for (int pod : pods) WEFT_CHECK(edge_.attach_pod(pod));
  return pods;
}

}  // namespace weft::service
