#include "service/edge_engine.h"

#include <set>

#include "base/netlink.h"

namespace weft::service {
namespace {

constexpr const char* kOverlay = "weft-vxlan";

}  // namespace

Expected<std::unique_ptr<NodeEdgeEngine>> NodeEdgeEngine::open(const std::string& bpf_dir,
                                                               const datapath::ServiceSocket& services) {
  WEFT_TRY(auto edge, datapath::NodeEdge::open({.bpf_dir = bpf_dir}, services));
  return std::unique_ptr<NodeEdgeEngine>(new NodeEdgeEngine(std::move(edge)));
}

Expected<void> NodeEdgeEngine::apply(const EdgePlan& plan, std::span<const IpAddr> addresses) {
  // A pod must never be masqueraded towards a node that is only just becoming known: the inside comes first.
  WEFT_CHECK(edge_.set_prefixes(plan.prefixes));
  WEFT_CHECK(edge_.configure(plan.settings));
  WEFT_TRY(auto netlink, Netlink::open());
  std::set<int> links;
  for (const auto& address : addresses) {
    WEFT_TRY(auto link, netlink.find_link(address));
    if (link && link->name != "lo") links.insert(link->index);
  }
  WEFT_TRY(auto overlay, netlink.find_link(kOverlay));
  if (overlay) links.insert(overlay->index);
  for (int link : links) WEFT_CHECK(edge_.attach(link));
  return {};
}

}  // namespace weft::service
