#include "policy/cut.h"

#include <netinet/in.h>

#include "datapath/tcp_destroy.h"

namespace weft::policy {

Expected<size_t> cut_denied(const PolicyPlan& plan, const std::string& pod, int netns) {
  auto is_denied = [&](const datapath::TcpConnection& connection) {
    if (connection.local == connection.remote || connection.remote.is_loopback()) return false;
    Party self{pod, connection.local}, peer{{}, connection.remote};
    auto verdict = connection.accepted ? plan.evaluate(peer, self, IPPROTO_TCP, connection.local_port)
                                       : plan.evaluate(self, peer, IPPROTO_TCP, connection.remote_port);
    return verdict && !verdict->allowed;
  };
  return datapath::destroy_tcp_connections(netns, is_denied);
}

}  // namespace weft::policy
