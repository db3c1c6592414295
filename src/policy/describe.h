#pragma once

#include <string>
#include <vector>

#include "policy/rules.h"
#include "policy/subject.h"

/// Parts of policies in words, for people.
namespace weft::policy {

/// "pods app=web of shop", "10.0.0.0/8 except 10.1.0.0/16".
std::string describe(const PeerMatcher& matcher);
/// "TCP 80", "UDP 8000-8080", "all ports".
std::string describe(const Ports& ports);
/// "port http (TCP)".
std::string describe(const PortName& port);
/// Which ports of which protocols an entry of the kernel's is for, as describe(Ports) says it.
std::string ports_of(const VerdictKey& key);

/// A rule, or the part of one that is for other peers than the rest.
struct RuleWords {
  uint32_t index = 0;  ///< in spec.ingress or spec.egress
  std::string name;    ///< of a ClusterNetworkPolicy's rule, if it has one
  std::string action;  ///< "allow", "deny" or "pass"
  std::vector<std::string> peers;
  std::vector<std::string> ports;
  /// "allow from pods app=web of shop to TCP 80".
  std::string str(Direction direction) const;
};
RuleWords describe(const Rule& rule);

}  // namespace weft::policy
