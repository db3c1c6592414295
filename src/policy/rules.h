#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datapath/policy_layout.h"
#include "kube/cluster_network_policy.h"
#include "kube/networking.h"
#include "policy/peer.h"

/// Policies in the form that verdicts are made from, the same for NetworkPolicy and ClusterNetworkPolicy.
namespace weft::policy {

/// On a NetworkPolicy, a ClusterNetworkPolicy, or a Namespace (for all NetworkPolicies in it): with the value
/// "true" the policy denies nothing; what it would deny is reported. What it allows counts as ever. A
/// direction of a pod is in audit when every policy that can deny in it is: then what would be denied passes
/// and is reported. Where another policy that can deny is enforced, the denials of those in audit are left
/// out of the verdicts (a NetworkPolicy does not isolate, a Deny rule is skipped).
inline constexpr const char* kAuditAnnotation = "weft.dev/audit";

/// On a Pod, with the value "true": what it is allowed is reported too, as kAuditAnnotation's denials are.
inline constexpr const char* kReportAllowedAnnotation = "weft.dev/report-allowed";

enum class Direction : uint8_t { ingress = WEFT_INGRESS, egress = WEFT_EGRESS };
inline constexpr std::array kDirections = {Direction::ingress, Direction::egress};
std::string_view name_of(Direction direction);

/// "TCP", "UDP", "SCTP" and the values of IPPROTO_…; nothing for any other.
std::optional<uint8_t> protocol_number(std::string_view name);
/// The same the other way round; a number for any other.
std::string protocol_name(uint8_t protocol);

/// Ports of one protocol, in host order, both ends included.
struct Ports {
  uint8_t protocol = 0;  ///< 0: any protocol, with all its ports
  uint16_t first = 0;
  uint16_t last = 65535;
  bool covers(uint8_t of, uint16_t port) const {
    return protocol == 0 || (protocol == of && first <= port && port <= last);
  }
  auto operator<=>(const Ports&) const = default;
};

/// A port by the name that the destination's container gives it.
struct PortName {
  std::string name;
  uint8_t protocol = 0;  ///< 0: whatever the container says
  auto operator<=>(const PortName&) const = default;
};

enum class Action : uint8_t { accept, deny, pass };

/// One rule, or the part of one that is for other peers than the rest.
struct Rule {
  uint32_t index = 0;  ///< in spec.ingress or spec.egress
  std::string name;
  Action action = Action::accept;
  bool everyone = false;          ///< matches any peer, known or not
  std::vector<MatcherPtr> peers;  ///< matches what any of them does
  std::vector<Ports> ports;
  std::vector<PortName> names;
};

enum class Tier : uint8_t { admin, network_policy, baseline };
std::string_view name_of(Tier tier);

/// A compiled policy.
struct Policy {
  std::string key;         ///< "NAMESPACE/NAME" of a NetworkPolicy, "NAME" of a ClusterNetworkPolicy
  std::string namespace_;  ///< of a NetworkPolicy
  Tier tier = Tier::network_policy;
  int32_t priority = 0;
  bool audit = false;
  bool selects = true;                       ///< false: its subject is beyond us, it selects nothing
  std::optional<kube::Selector> namespaces;  ///< of a ClusterNetworkPolicy
  kube::Selector pods;
  std::array<bool, 2> isolates{};  ///< by direction; of a NetworkPolicy
  std::array<std::vector<Rule>, 2> rules;
  std::vector<IpPrefix> networks;  ///< all that it names, exceptions too; sorted, each once
  std::vector<std::string> domains;
  std::vector<MatcherPtr> nodes;
  /// What cannot be enforced as written: "spec.ingress[0].from[1].ipBlock.cidr: …".
  std::vector<std::string> warnings;

  bool selects_pod(const std::string& pod_namespace, const kube::StringMap& namespace_labels,
                   const kube::StringMap& labels) const;
  /// Some rule of the direction goes by the name of a port.
  bool has_names(Direction direction) const;
};
using PolicyPtr = std::shared_ptr<const Policy>;

/// Never fails: what cannot be understood allows nothing and is among the warnings. A rule of a
/// ClusterNetworkPolicy with an unknown kind of peer matches nothing if it accepts, and else denies all.
PolicyPtr compile(const kube::NetworkPolicy& policy);
PolicyPtr compile(const kube::ClusterNetworkPolicy& policy);

}  // namespace weft::policy
