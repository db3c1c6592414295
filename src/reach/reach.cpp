#include "reach/reach.h"

#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <set>

#include "reach/gateways.h"
#include "trace/hints.h"

namespace weft::reach {
namespace {

using policy::Direction;
using trace::Verdict;

/// An address of each family that stands for the world, and the port that most of it answers at.
constexpr std::array kWorld = {"203.0.113.1", "2001:db8::1"};
constexpr uint16_t kWorldPort = 443;

/// The hop that decides: of a way that ends the one at its end, else the rule that chose the backends.
const trace::Hop* deciding(const std::vector<trace::Hop>& hops) {
  const trace::Hop* out = nullptr;
  for (const auto& hop : hops) {
    const auto* below = deciding(hop.hops);
    if (hop.ends()) return below && below->ends() ? below : &hop;
    if (below) out = below;
    if (hop.step == "rule" && !hop.by.empty()) out = &hop;
  }
  return out;
}

}  // namespace

Verdict Reach::Tally::verdict() const {
  if (fails == 0) return works == 0 ? Verdict::no_way : Verdict::works;
  return works == 0 ? why_not : Verdict::partly;
}

Reach::Reach(const trace::World& world) : world_(world), pods_(group_pods(world)) {
  pods_.workloads.push_back({.name = "outside", .owned = true, .pods = {}, .kinds = {}});
  add_pod_targets();
  add_service_targets();
  for (auto& entry : entries_of(world))
    targets_.push_back({.kind = Target::Kind::gateway,
                        .name = std::move(entry.name),
                        .port = {entry.request.protocol, *entry.request.port},
                        .destination = std::move(entry.destination),
                        .request = std::move(entry.request)});
  PortNumber port{IPPROTO_TCP, kWorldPort};
  for (const char* text : kWorld) {
    auto address = *IpAddr::parse(text);
    outside_.endpoints.push_back({.kind = {}, .address = address, .v6 = address.is_v6(), .port = kWorldPort});
  }
  targets_.push_back({.kind = Target::Kind::outside, .name = "outside " + port.str(), .port = port});
}

void Reach::add_pod_targets() {
  for (size_t i = 0; i < pods_.workloads.size(); ++i) {
    const auto& workload = pods_.workloads[i];
    std::set<PortNumber> ports;
    for (size_t kind : workload.kinds) {
      const auto& declared = pods_.kinds[kind].kind.ports;
      ports.insert(declared.begin(), declared.end());
    }
    for (const auto& port : ports)
      targets_.push_back({.kind = Target::Kind::pods,
                          .name = fmt::format("{} {}", workload.name, port.str()),
                          .port = port,
                          .workload = i});
  }
}

void Reach::add_service_targets() {
  for (const auto& [key, service] : world_.services) {
    if (service->spec.type == "ExternalName") continue;
    for (size_t i = 0; i < service->spec.ports.size(); ++i) {
      const auto& port = service_ports_.emplace_back(world_, pods_, key, i);
      Target target{.kind = Target::Kind::service,
                    .name = fmt::format("Service {} {}", key, port.number().str()),
                    .port = port.number(),
                    .service = &port};
      target.destination = {.kind = trace::Destination::Kind::service,
                            .label = target.name,
                            .scheme = {},
                            .host = {},
                            .key = key,
                            .address = {},
                            .port = port.number().port};
      target.request.protocol = port.number().protocol;
      target.request.port = port.number().port;
      targets_.push_back(std::move(target));
    }
  }
}

/// From outside, and where proxies decide.
bool Reach::is_walked(size_t from, const Target& target) const {
  if (target.kind == Target::Kind::gateway) return true;
  return target.kind == Target::Kind::service && (is_outside(from) || target.service->is_mesh());
}

std::optional<Verdict> Reach::verdict(size_t from, size_t to) const {
  const auto& target = targets_[to];
  if (is_outside(from)) {
    bool asked = target.kind == Target::Kind::gateway ||
                 (target.kind == Target::Kind::service && target.service->has_way_in());
    return asked ? std::optional(walk(from, to).edge.verdict) : std::nullopt;
  }
  if (target.kind == Target::Kind::gateway) return std::nullopt;
  if (is_walked(from, target)) return walk(from, to).edge.verdict;
  auto all = tally(from, target);
  bool itself = target.kind == Target::Kind::pods && target.workload == from;
  return all.works + all.fails == 0 && itself ? std::nullopt : std::optional(all.verdict());
}

Reach::Tally Reach::tally(size_t from, const Target& target) const {
  Tally out;
  for (size_t kind : pods_.workloads[from].kinds) {
    const auto& members = pods_.kinds[kind];
    switch (target.kind) {
      case Target::Kind::pods:
        ask_pods(members, target, out);
        break;
      case Target::Kind::service:
        for (const auto& node : members.nodes) {
          ask_ways(members, target.service->ways(node), target.port, out);
          if (!target.service->by_node()) break;
        }
        break;
      default:
        ask_ways(members, outside_, target.port, out);
    }
  }
  return out;
}

void Reach::ask_pods(const PodKindMembers& from, const Target& target, Tally& out) const {
  for (size_t kind : pods_.workloads[target.workload].kinds) {
    const auto& to = pods_.kinds[kind];
    if (!std::ranges::binary_search(to.kind.ports, target.port)) continue;
    if (&to == &from && to.pods.size() == 1) continue;
    for (bool v6 : {false, true}) {
      if (to.kind.identities[v6])
        ask(from, {.kind = kind, .address = {}, .v6 = v6, .port = target.port.port}, target.port.protocol,
            out);
    }
  }
}

void Reach::ask_ways(const PodKindMembers& from, const Ways& ways, const PortNumber& port, Tally& out) const {
  auto fail = [&](Verdict verdict, bool v6) {
    if (out.fails++ == 0) {
      out.why_not = verdict;
      out.v6 = v6;
    }
  };
  for (const auto& endpoint : ways.endpoints) {
    // A pod that is behind the Service may get to itself.
    const bool itself = endpoint.kind && &pods_.kinds[*endpoint.kind] == &from;
    if (itself && from.kind.identities[endpoint.v6])
      decide(from.kind, &from.kind, endpoint, port.protocol, true, out);
    if (itself && from.pods.size() == 1) continue;
    ask(from, endpoint, port.protocol, out);
  }
  for (const auto& empty : ways.empty) {
    if (from.kind.identities[empty.v6]) fail(empty.verdict, empty.v6);
  }
  if (ways.endpoints.empty() && ways.empty.empty()) fail(ways.none, false);
}

void Reach::ask(const PodKindMembers& from, const Endpoint& to, uint8_t protocol, Tally& out) const {
  if (!from.kind.identities[to.v6]) return;
  if (!to.kind) return decide(from.kind, nullptr, to, protocol, false, out);
  const auto& members = pods_.kinds[*to.kind];
  // A pod's own node is always let in.
  bool beside =
      !from.kind.host.empty() && members.kind.host.empty() && members.nodes.contains(from.kind.host);
  if (beside) ++out.works;
  if (!beside || members.nodes.size() > 1) decide(from.kind, &members.kind, to, protocol, false, out);
}

void Reach::decide(const PodKind& from, const PodKind* to, const Endpoint& at, uint8_t protocol, bool itself,
                   Tally& out) const {
  const auto& plan = world_.policies;
  policy::Ruling egress, ingress;
  if (from.subject != 0) {
    auto peer = to ? *to->identities[at.v6] : plan.identity_of(*at.address);
    egress = plan.decide(from.subject, Direction::egress, peer, protocol, at.port, itself);
  }
  if (to && to->subject != 0)
    ingress =
        plan.decide(to->subject, Direction::ingress, *from.identities[at.v6], protocol, at.port, itself);
  if (egress.allowed && ingress.allowed) {
    ++out.works;
    if (const auto* reason = ingress.reason ? ingress.reason : egress.reason) out.allows = reason;
    return;
  }
  if (out.fails++ != 0) return;
  out.why_not = Verdict::denied;
  out.denies = egress.allowed ? ingress.reason : egress.reason;
}

Edge Reach::edge(size_t from, size_t to) const {
  const auto& target = targets_[to];
  return is_walked(from, target) ? walk(from, to).edge : explain(tally(from, target), target);
}

Edge Reach::explain(const Tally& tally, const Target& target) const {
  Edge out{.verdict = tally.verdict(), .reason = {}, .by = {}};
  const auto* policy = tally.fails == 0 ? tally.allows : tally.denies;
  if (policy) {
    out.reason = policy->reason.str();
    out.by = trace::refs_of(world_, policy->reason);
  } else if (out.verdict == Verdict::no_way && tally.fails == 0) {
    out.reason = "they have no family of addresses in common";
  } else if (tally.fails != 0 && target.service) {
    const auto& service = target.service->service();
    bool local = tally.why_not == Verdict::dropped;
    out.reason = local ? fmt::format(
                             "internalTrafficPolicy of Service {} is Local, and not every node has an "
                             "endpoint",
                             service)
                       : trace::why_no_endpoints(world_, service, target.service->port(), tally.v6).reason;
    out.by.push_back(
        world_.origins.find("Service", service, local ? "spec.internalTrafficPolicy" : "spec.selector"));
  }
  if (out.verdict == Verdict::partly) out.reason = "some of its ways: " + out.reason;
  return out;
}

const Reach::Walked& Reach::walk(size_t from, size_t to) const {
  auto [at, is_new] = walked_.try_emplace({from, to});
  auto& out = at->second;
  if (!is_new) return out;
  std::vector<trace::Source> sources;
  auto add = [&](const std::string& text) {
    if (auto found = trace::parse_source(world_, text, "default"))
      std::ranges::move(*found, std::back_inserter(sources));
  };
  if (is_outside(from)) add("outside");
  for (size_t kind : pods_.workloads[from].kinds) add(pods_.kinds[kind].pods.front());
  const auto& target = targets_[to];
  auto trace = trace::trace_connection(world_, sources, target.destination, target.request);
  if (!trace) {
    out.edge = {.verdict = Verdict::unknown, .reason = trace.error().message, .by = {}};
    return out;
  }
  out.edge = {.verdict = trace->outcome.verdict, .reason = trace->outcome.reason, .by = {}};
  if (const auto* hop = deciding(trace->hops)) out.edge.by = hop->by;
  std::set<std::string> leads_to;
  collect_ends(trace->hops, leads_to);
  out.leads_to = {leads_to.begin(), leads_to.end()};
  return out;
}

/// Backends, the workloads behind them, and what a proxy answers by itself.
void Reach::collect_ends(const std::vector<trace::Hop>& hops, std::set<std::string>& out) const {
  for (const auto& hop : hops) {
    if (hop.step == "backend") out.insert(hop.text);
    if (hop.step == "rule" && hop.hops.empty() && !hop.notes.empty()) out.insert(hop.notes.back());
    for (const auto& object : hop.by) {
      if (hop.step != "endpoint" || object.kind != "Pod") continue;
      auto kind = pods_.kind_of.find(trace::key_of(object.namespace_, object.name));
      bool owned = kind != pods_.kind_of.end() && !pods_.kinds[kind->second].kind.owner.empty();
      out.insert(owned ? pods_.kinds[kind->second].kind.owner : object.str());
    }
    collect_ends(hop.hops, out);
  }
}

std::vector<std::string> Reach::leads_to(size_t to) const {
  const auto& target = targets_[to];
  switch (target.kind) {
    case Target::Kind::service:
      return target.service->leads_to();
    case Target::Kind::gateway:
      return walk(pods_.workloads.size() - 1, to).leads_to;
    default:
      return {target.name};
  }
}

}  // namespace weft::reach
