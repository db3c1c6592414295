#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "datapath/tcp_destroy.h"
#include "policy/plan.h"

namespace weft::policy {

/// Whom and at which port policies mean by a connection's peer, when the node translates it.
using PeerBehind = std::function<std::optional<std::pair<IpAddr, uint16_t>>(const datapath::TcpConnection&)>;

/// Resets the TCP connections of a pod that the plan denies by now. The programs at its link let nothing of
/// them pass already; this tells both ends. `pod`: "NAMESPACE/NAME"; `netns`: a descriptor of its network
/// namespace. How many there were.
Expected<size_t> cut_denied(const PolicyPlan& plan, const std::string& pod, int netns,
                            const PeerBehind& behind);

}  // namespace weft::policy
