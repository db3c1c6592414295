#include "policy/report.h"

#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>

#include "datapath/prefix_key.h"

namespace weft::policy {
namespace {

bool has_ports(uint8_t protocol) { return protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6; }

DecisionEnd end_of(const uint8_t (&address)[16], uint16_t port, const PolicyEngine& engine) {
  auto ip = datapath::addr_of(address);
  return {.pod = engine.plan().pod_at(ip), .address = ip, .port = ntohs(port)};
}

std::vector<std::string> policies_of(const Reason& reason) {
  auto out = reason.policies;
  for (const auto& rule : reason.rules) {
    if (std::ranges::count(out, rule.policy) == 0) out.push_back(rule.policy);
  }
  return out;
}

}  // namespace

std::string DecisionEnd::str(uint8_t protocol) const {
  auto name = pod.empty() ? address.str() : pod;
  if (pod.empty() && address.is_v6()) name = "[" + name + "]";
  return has_ports(protocol) ? fmt::format("{}:{}", name, port) : name;
}

json::object DecisionEnd::to_json() const {
  return {{"pod", pod}, {"address", address.str()}, {"port", port}};
}

const char* Decision::verdict() const {
  if (audit) return "audited";
  return allowed ? "allowed" : "denied";
}

json::object Decision::to_json() const {
  return {{"verdict", verdict()},
          {"direction", name_of(direction)},
          {"protocol", protocol_name(protocol)},
          {"from", from.to_json()},
          {"to", to.to_json()},
          {"policies", json::value_from(policies)},
          {"why", why}};
}

std::string Decision::str() const {
  return fmt::format("{}: {} to {}/{}: {}", verdict(), from.str(protocol), to.str(protocol),
                     protocol_name(protocol), why);
}

Decision decision_of(const weft_policy_event& event, const PolicyEngine& engine) {
  Decision out{.time_ns = event.time_ns,
               .direction = static_cast<Direction>(event.direction),
               .allowed = event.verdict == WEFT_VERDICT_ALLOW,
               .audit = event.audit != 0,
               .protocol = event.protocol,
               .policies = {},
               .why = {}};
  auto pod = end_of(event.pod, event.pod_port, engine);
  auto peer = end_of(event.peer, event.peer_port, engine);
  if (auto known = engine.pod_of(static_cast<int>(event.link)); !known.empty()) pod.pod = known;
  auto reason =
      event.reason ? engine.plan().reason(event.reason) : engine.plan().isolation(pod.pod, out.direction);
  if (!event.reason && out.allowed && !out.audit) {
    out.why = Reason{.kind = Reason::Kind::no_policy, .direction = out.direction}.str();
  } else if (reason) {
    out.policies = policies_of(reason->reason);
    out.why = reason->reason.str();
  } else {
    out.why = fmt::format("{}: by policies that have changed since", name_of(out.direction));
  }
  if (out.direction == Direction::ingress) std::swap(pod, peer);
  out.from = std::move(pod);
  out.to = std::move(peer);
  return out;
}

void count(DecisionCounts& counts, const Decision& decision) {
  for (const auto& policy : decision.policies) ++counts[{policy, decision.direction, decision.verdict()}];
}

}  // namespace weft::policy
