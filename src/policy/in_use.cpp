#include "policy/in_use.h"

#include <netinet/in.h>

#include "datapath/prefix_key.h"
#include "datapath/tcp_destroy.h"

namespace weft::policy {

Expected<std::set<IpAddr>> connected_to(int netns) {
  std::set<IpAddr> out;
  auto note = [&out](const datapath::TcpConnection& connection) {
    out.insert(connection.remote);
    return false;
  };
  WEFT_CHECK(datapath::destroy_tcp_connections(netns, note));
  return out;
}

Expected<std::set<IpAddr>> talked_with(const datapath::PodPolicy& maps, uint64_t now_ns) {
  std::set<IpAddr> out;
  WEFT_TRY(auto flows, maps.flows().read_all());
  for (const auto& [key, flow] : flows) {
    if (flow.flags & WEFT_POLICY_FLOW_DENIED) continue;
    if (key.protocol != IPPROTO_TCP && flow.seen_ns + WEFT_POLICY_PATIENCE_NS > now_ns)
      out.insert(datapath::addr_of(key.peer));
  }
  return out;
}

}  // namespace weft::policy
