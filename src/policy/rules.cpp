#include "policy/rules.h"

#include <netinet/in.h>

#include <algorithm>

namespace weft::policy {

std::string_view name_of(Direction direction) {
  return direction == Direction::ingress ? "ingress" : "egress";
}

std::string_view name_of(Tier tier) {
  switch (tier) {
    case Tier::admin:
      return "Admin";
    case Tier::baseline:
      return "Baseline";
    case Tier::network_policy:
      break;
  }
  return "NetworkPolicy";
}

std::optional<uint8_t> protocol_number(std::string_view name) {
  if (name == "TCP") return IPPROTO_TCP;
  if (name == "UDP") return IPPROTO_UDP;
  if (name == "SCTP") return IPPROTO_SCTP;
  return std::nullopt;
}

std::string protocol_name(uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return "TCP";
    case IPPROTO_UDP:
      return "UDP";
    case IPPROTO_SCTP:
      return "SCTP";
    default:
      return std::to_string(protocol);
  }
}

bool Policy::selects_pod(const std::string& pod_namespace, const kube::StringMap& namespace_labels,
                         const kube::StringMap& labels) const {
  if (!selects) return false;
  bool in_namespace = namespaces ? namespaces->matches(namespace_labels) : namespace_ == pod_namespace;
  return in_namespace && pods.matches(labels);
}

bool Policy::has_names(Direction direction) const {
  return std::ranges::any_of(rules[static_cast<size_t>(direction)],
                             [](const Rule& rule) { return !rule.names.empty(); });
}

}  // namespace weft::policy
