#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "datapath/socket_layout.h"
#include "kube/json.h"
#include "kube/time.h"

namespace weft::observe {

/// Where agents serve RecentFlows::to_json, at their metrics' address: "?after=NUMBER" gives what is newer.
inline constexpr std::string_view kFlowsPage = "/flows";

/// What the events are told with.
struct Names {
  std::function<std::string(const IpAddr&)> pod_at;  ///< "NAMESPACE/NAME"; "": no pod has the address
  /// The Service of a frontend, as ServiceNames::find.
  std::function<std::string(const IpAddr&, uint16_t port, uint8_t protocol)> service_at;
};

/// "connected", "accepted", "failed", "closed", "sent".
std::string_view kind_name(uint8_t kind);

/// The last events of a node's sockets, each with a number. Names are looked up when somebody asks, as most
/// events nobody asks for.
class RecentFlows {
 public:
  static constexpr size_t kMost = 8192;
  static constexpr size_t kPage = 2000;  ///< flows in one answer

  void add(const weft_socket_event& event);
  /// The oldest that are newer than `after`, at most kPage: {"next": what to ask for next, "lost": events
  /// that found no room, "flows": [{"time": RFC 3339, "event", "verdict": FORWARDED|ERROR, "error":
  /// "ECONNREFUSED"…, "protocol", "from": {"pod", "address", "port"}, "to", "service": {"name", "address",
  /// "port"} or null, "took_us", "sent", "received"}]}, the newest last. `wall` and `monotonic_ns`: now, on
  /// both clocks.
  json::object to_json(uint64_t after, uint64_t lost, const Names& names, kube::TimePoint wall,
                       uint64_t monotonic_ns) const;

 private:
  std::vector<weft_socket_event> ring_;  ///< the event of number n at n % kMost
  uint64_t next_ = 0;
};

}  // namespace weft::observe
