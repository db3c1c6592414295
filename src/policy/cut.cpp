#include "policy/cut.h"

#include <netinet/in.h>

namespace weft::policy {

Expected<size_t> cut_denied(const PolicyPlan& plan, const std::string& pod, int netns,
                            const PeerBehind& behind) {
  auto is_denied = [&](const datapath::TcpConnection& connection) {
    if (connection.local == connection.remote || connection.remote.is_loopback()) return false;
    auto translated = behind(connection);
    auto [address, port] = translated.value_or(std::pair(connection.remote, connection.remote_port));
    Party self{pod, connection.local}, peer{{}, address};
    auto verdict = connection.accepted
                       ? plan.evaluate(peer, self, IPPROTO_TCP, connection.local_port, translated.has_value())
                       : plan.evaluate(self, peer, IPPROTO_TCP, port, translated.has_value());
    return verdict && !verdict->allowed;
  };
  return datapath::destroy_tcp_connections(netns, is_denied);
}

}  // namespace weft::policy
