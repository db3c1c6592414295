#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/rules.h"

/// What the compilers of both kinds of policies share.
namespace weft::policy {

/// Gathers a policy's parts and what is wrong with them.
class PolicyBuilder {
 public:
  PolicyBuilder(const kube::ObjectMeta& metadata, Tier tier);

  /// A selector; a bad one is a warning about the field, and nothing.
  std::optional<kube::Selector> selector(const kube::LabelSelector& labels, const std::string& field);
  /// A network, noted as one that the policy names. One that cannot be used is a warning, and nothing.
  std::optional<IpPrefix> network(const std::string& text, const std::string& field);
  std::optional<Ports> ports(uint8_t protocol, int64_t first, int64_t last, const std::string& field);
  void warn(const std::string& field, std::string_view what);
  /// Adds the rule; one for everyone that names ports of destinations is for the pods that have such.
  void add(Direction direction, Rule rule);
  PolicyPtr finish();

  Policy policy;
};

}  // namespace weft::policy
