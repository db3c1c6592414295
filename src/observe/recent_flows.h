#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "datapath/socket_events.h"
#include "kube/json.h"
#include "kube/time.h"

namespace weft::observe {

/// Where agents serve flows_json(), at their metrics' address: "?after=NUMBER" gives what is newer.
inline constexpr std::string_view kFlowsPage = "/flows";

/// What the events are told with.
struct Names {
  std::function<std::string(const IpAddr&)> pod_at;  ///< "NAMESPACE/NAME"; "": no pod has the address
  /// The Service of a frontend, as ServiceNames::find.
  std::function<std::string(const IpAddr&, uint16_t port, uint8_t protocol)> service_at;
};

/// "connected", "accepted", "failed", "closed", "sent".
std::string_view kind_name(uint8_t kind);

/// Flows in one answer, at most.
inline constexpr size_t kFlowsOfPage = 2000;

/// {"next": what to ask for next, "lost": events after those asked for that were gone, "flows": [{"time": RFC
/// 3339, "event", "verdict": FORWARDED|ERROR, "error": "ECONNREFUSED"…, "protocol", "from": {"pod",
/// "address", "port"}, "to", "service": {"name", "address", "port"} or null, "took_us", "sent",
/// "received"}]}, the newest last. `wall` and `monotonic_ns`: now, on both clocks.
json::object flows_json(const datapath::SocketEventPage& page, const Names& names, kube::TimePoint wall,
                        uint64_t monotonic_ns);

}  // namespace weft::observe
