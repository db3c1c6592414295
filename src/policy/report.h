#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "datapath/policy_layout.h"
#include "kube/json.h"
#include "policy/engine.h"

/// What the programs at pods' links decided, in names instead of numbers.
namespace weft::policy {

/// One end of a connection.
struct DecisionEnd {
  std::string pod;  ///< "NAMESPACE/NAME"; empty: no pod has the address
  IpAddr address;
  uint16_t port = 0;  ///< host order
  /// "shop/web:8080", "192.0.2.1:8080"; without the port where the protocol has none.
  std::string str(uint8_t protocol) const;
  json::object to_json() const;
};

struct Decision {
  uint64_t time_ns = 0;  ///< CLOCK_MONOTONIC
  Direction direction = Direction::ingress;
  bool allowed = false;
  bool audit = false;  ///< it would have been denied
  uint8_t protocol = 0;
  DecisionEnd from, to;
  std::vector<std::string> policies;  ///< that decided: keys, as Policy::key
  std::string why;
  /// "denied", "audited" or "allowed".
  const char* verdict() const;
  /// {"verdict", "direction", "protocol", "from": {"pod", "address", "port"}, "to", "policies", "why"}.
  json::object to_json() const;
  /// "denied: shop/client → shop/web:8080/TCP: ingress …".
  std::string str() const;
};

Decision decision_of(const weft_policy_event& event, const PolicyEngine& engine);

/// Connections by policy, direction and Decision::verdict. The programs report what is denied
/// again and again once in five seconds, and what is allowed only on request.
using DecisionCounts = std::map<std::tuple<std::string, Direction, std::string>, uint64_t>;
void count(DecisionCounts& counts, const Decision& decision);

}  // namespace weft::policy
