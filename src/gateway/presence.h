#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "kube/config.h"

/// Which nodes have a proxy that serves: each proxy that has its first snapshot renews a Lease, and a node
/// whose proxy does not is no endpoint of a Gateway. Pure; times are the watcher's, so that clocks need not
/// agree.
namespace weft::gateway {

/// The Lease of a node's proxy is called so, and the node's name behind it.
inline constexpr std::string_view kPresencePrefix = "weft-gateway-";
inline constexpr const char* kPresenceNamespace = "kube-system";
inline constexpr std::chrono::seconds kPresenceRenewal{3};
/// A proxy that has not renewed for so long is taken for dead.
inline constexpr std::chrono::seconds kPresenceDuration{10};

/// The node of a proxy's Lease; nothing: it is none.
std::optional<std::string> node_of(const kube::Lease& lease);
/// What a proxy writes; nobody else writes the Lease.
json::object presence_lease(const std::string& ns, const std::string& node, const std::string& identity,
                            const kube::Time& now);

class Presence {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// The node's Lease was seen for the first time or is another than before. When none has been for longer
  /// than proxies take to renew, it was the API server that was silent, and all have their time again.
  void renewed(const std::string& node, std::chrono::seconds duration, TimePoint now);
  void gone(const std::string& node) { seen_.erase(node); }

  /// Whether a node that is Ready is among the endpoints. Without any proxy that renews all are: then nobody
  /// knows better.
  bool serves(const std::string& node, TimePoint now) const;
  /// When that may next become another by time alone.
  std::optional<TimePoint> next_change(TimePoint now) const;

 private:
  struct Seen {
    TimePoint at;
    std::chrono::seconds duration;
    TimePoint until() const { return at + duration; }
  };
  std::map<std::string, Seen> seen_;
  TimePoint newest_;
};

}  // namespace weft::gateway
