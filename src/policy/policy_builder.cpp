#include "policy/policy_builder.h"

#include <algorithm>
#include <utility>

namespace weft::policy {

PolicyBuilder::PolicyBuilder(const kube::ObjectMeta& metadata, Tier tier) {
  policy.tier = tier;
  if (tier == Tier::network_policy) policy.namespace_ = metadata.namespace_;
  policy.key = tier == Tier::network_policy ? metadata.namespace_ + "/" + metadata.name : metadata.name;
  auto audit = metadata.annotations.find(kAuditAnnotation);
  policy.audit = audit != metadata.annotations.end() && audit->second == "true";
}

std::optional<kube::Selector> PolicyBuilder::selector(const kube::LabelSelector& labels,
                                                      const std::string& field) {
  auto selector = kube::Selector::from(labels);
  if (selector) return std::move(*selector);
  warn(field, selector.error().message);
  return std::nullopt;
}

std::optional<IpPrefix> PolicyBuilder::network(const std::string& text, const std::string& field) {
  static const IpPrefix kMapped = *IpPrefix::parse("::ffff:0:0/96");
  auto prefix = IpPrefix::parse(text);
  if (!prefix) {
    warn(field, "\"" + text + "\" is no network such as 10.0.0.0/8; it matches nothing");
    return std::nullopt;
  }
  IpPrefix network{prefix->base(), prefix->length};
  if (kMapped.contains(network)) {
    warn(field, "\"" + text + "\" is an IPv4 network in IPv6 notation; it matches nothing: write it as IPv4");
    return std::nullopt;
  }
  policy.networks.push_back(network);
  return network;
}

std::optional<Ports> PolicyBuilder::ports(uint8_t protocol, int64_t first, int64_t last,
                                          const std::string& field) {
  if (first >= 1 && first <= last && last <= 65535)
    return Ports{protocol, static_cast<uint16_t>(first), static_cast<uint16_t>(last)};
  warn(field, "ports are 1 to 65535, the first before the last; it matches nothing");
  return std::nullopt;
}

void PolicyBuilder::warn(const std::string& field, std::string_view what) {
  policy.warnings.push_back(field + ": " + std::string(what));
}

void PolicyBuilder::add(Direction direction, Rule rule) {
  auto& rules = policy.rules[static_cast<size_t>(direction)];
  if (direction == Direction::egress && rule.everyone && !rule.names.empty()) {
    Rule named = rule;
    named.everyone = false;
    named.ports.clear();
    for (const auto& port : named.names) named.peers.push_back(pods_with_port(port.name));
    rules.push_back(std::move(named));
    rule.names.clear();
  }
  if (!rule.ports.empty() || !rule.names.empty()) rules.push_back(std::move(rule));
}

PolicyPtr PolicyBuilder::finish() {
  auto unique = [](auto& list) {
    std::ranges::sort(list);
    list.erase(std::ranges::unique(list).begin(), list.end());
  };
  unique(policy.networks);
  unique(policy.domains);
  return std::make_shared<const Policy>(std::move(policy));
}

}  // namespace weft::policy
