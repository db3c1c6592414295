#include "policy/describe.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace weft::policy {
namespace {

std::string with_labels(const char* things, const kube::Selector& labels) {
  return labels.empty() ? fmt::format("all {}", things) : fmt::format("{} {}", things, labels.str());
}

std::string place_of(const PeerMatcher& matcher) {
  if (!matcher.namespaces) return matcher.namespace_;
  return matcher.namespaces->empty() ? "all namespaces" : "namespaces " + matcher.namespaces->str();
}

std::string network_of(const PeerMatcher& matcher) {
  auto out = matcher.network.str();
  for (size_t i = 0; i < matcher.except.size(); ++i)
    out += (i == 0 ? " except " : ", ") + matcher.except[i].str();
  return out;
}

const char* name_of(Action action) {
  switch (action) {
    case Action::accept:
      return "allow";
    case Action::deny:
      return "deny";
    case Action::pass:
      break;
  }
  return "pass";
}

}  // namespace

std::string describe(const PeerMatcher& matcher) {
  switch (matcher.kind) {
    case PeerMatcher::Kind::pods:
      return with_labels("pods", matcher.labels) + " of " + place_of(matcher);
    case PeerMatcher::Kind::network:
      return network_of(matcher);
    case PeerMatcher::Kind::nodes:
      return with_labels("nodes", matcher.labels);
    case PeerMatcher::Kind::domain:
      return "domain " + matcher.name;
    case PeerMatcher::Kind::port:
      break;
  }
  return "pods with a port named " + matcher.name;
}

std::string describe(const Ports& ports) {
  if (ports.protocol == 0) return "all ports";
  auto protocol = protocol_name(ports.protocol);
  if (ports.first == 0 && ports.last == 65535) return protocol;
  if (ports.first == ports.last) return fmt::format("{} {}", protocol, ports.first);
  return fmt::format("{} {}-{}", protocol, ports.first, ports.last);
}

std::string describe(const PortName& port) {
  if (port.protocol == 0) return "port " + port.name;
  return fmt::format("port {} ({})", port.name, protocol_name(port.protocol));
}

std::string ports_of(const VerdictKey& key) {
  if (key.bits == 0) return describe(Ports{});
  auto size = uint32_t{1} << (24 - key.bits);
  return describe(Ports{key.protocol, key.port, static_cast<uint16_t>(key.port + size - 1)});
}

RuleWords describe(const Rule& rule) {
  RuleWords out{
      .index = rule.index, .name = rule.name, .action = name_of(rule.action), .peers = {}, .ports = {}};
  if (rule.everyone) out.peers.emplace_back("anyone");
  for (const auto& peer : rule.peers) out.peers.push_back(describe(*peer));
  for (const auto& ports : rule.ports) out.ports.push_back(describe(ports));
  for (const auto& name : rule.names) out.ports.push_back(describe(name));
  return out;
}

std::string RuleWords::str(Direction direction) const {
  auto who = peers.empty() ? "nobody" : fmt::format("{}", fmt::join(peers, " or "));
  auto where = ports.empty() ? "no port" : fmt::format("{}", fmt::join(ports, ", "));
  return direction == Direction::ingress ? fmt::format("{} from {} to {}", action, who, where)
                                         : fmt::format("{} to {} at {}", action, who, where);
}

}  // namespace weft::policy
