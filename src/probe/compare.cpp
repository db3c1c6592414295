#include "probe/compare.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace weft::probe {
namespace {

using trace::Hop;
using trace::Verdict;

/// Hops whose parts are ways one of which is taken (docs/trace.md).
bool is_choice(const Hop& hop) {
  constexpr std::array kChoices = {"address", "slices", "rule", "backend"};
  return std::ranges::find(kChoices, hop.step) != kChoices.end();
}

void add_ways(const Hop& hop, int status, std::vector<Way>& out) {
  if (hop.outcome.status != 0) status = hop.outcome.status;
  if (is_choice(hop) && !hop.hops.empty()) {
    for (const auto& one : hop.hops) add_ways(one, status, out);
    return;
  }
  bool ended = false;
  for (const auto& one : hop.hops) {
    if (!one.ends()) continue;
    ended = true;
    add_ways(one, status, out);
    if (one.outcome.verdict != Verdict::partly) return;
  }
  // What is said of the ways that fail is not said of one that works.
  if (hop.outcome.verdict == Verdict::works) status = hop.outcome.status;
  if (!ended) out.push_back({hop.outcome.verdict, status});
}

/// What proxies say by themselves.
bool is_of_proxies(int status) {
  constexpr std::array kOfProxies = {404, 500, 502, 503, 504};
  return std::ranges::find(kOfProxies, status) != kOfProxies.end();
}

void add_pods(const Hop& hop, std::vector<std::string>& out) {
  if (hop.outcome.verdict != Verdict::works && hop.outcome.verdict != Verdict::partly) return;
  if (hop.step == "endpoint" || hop.step == "pod") {
    for (const auto& object : hop.by) {
      auto key = trace::key_of(object.namespace_, object.name);
      if (object.kind == "Pod" && std::ranges::find(out, key) == out.end()) out.push_back(std::move(key));
    }
  }
  for (const auto& one : hop.hops) add_pods(one, out);
}

bool has_step(const std::vector<Hop>& hops, std::string_view step) {
  return std::ranges::any_of(hops,
                             [&](const Hop& hop) { return hop.step == step || has_step(hop.hops, step); });
}

bool agrees(const Way& way, bool by_proxy, const Ask& ask, const Observed& seen) {
  bool connected = seen.result == Result::connected;
  bool waited = seen.result == Result::timed_out;
  if (way.verdict == Verdict::unknown) return true;
  if (ask.http && way.status != 0) {
    // A proxy that is denied its backend says so, when it has waited long enough.
    return (connected && seen.status == way.status) || (way.verdict == Verdict::denied && waited);
  }
  // A proxy that passes bytes on takes a connection before it knows, and closes it when it has no backend.
  bool closed = by_proxy && (ask.http ? seen.result == Result::refused : connected);
  switch (way.verdict) {
    case Verdict::works:
      return connected && !(by_proxy && is_of_proxies(seen.status));
    case Verdict::denied:
      return waited || closed;
    case Verdict::dropped:
      return waited;
    case Verdict::refused:
      return seen.result == Result::refused || closed;
    case Verdict::no_name:
      return seen.result == Result::no_name;
    case Verdict::no_way:
      return waited || seen.result == Result::unreachable || seen.result == Result::refused;
    default:
      return connected;
  }
}

/// Protocols of a Gateway's listener that speak HTTP.
std::optional<HttpAsk> http_of(const trace::World& world, const trace::Destination& to, uint16_t port) {
  if (!to.scheme.empty())
    return HttpAsk{.tls = to.scheme == "https", .path = to.path, .host = {}, .headers = {}};
  if (to.kind != trace::Destination::Kind::gateway) return std::nullopt;
  for (const auto& listener : world.gateways.at(to.key)->spec.listeners) {
    if (listener.port != port || (listener.protocol != "HTTP" && listener.protocol != "HTTPS")) continue;
    return HttpAsk{.tls = listener.protocol == "HTTPS", .path = to.path, .host = {}, .headers = {}};
  }
  return std::nullopt;
}

/// A Service's externalIPs are nobody's on this machine's networks: a probe from it would go to a stranger.
bool is_led_elsewhere(const trace::World& world, const trace::Source& source, const trace::Destination& to,
                      const IpAddr& address) {
  if (source.kind != trace::Source::Kind::outside || to.kind != trace::Destination::Kind::service)
    return false;
  const auto& listed = world.services.at(to.key)->spec.externalIPs;
  return std::ranges::find(listed, address.str()) != listed.end();
}

}  // namespace

Expected<Ask> ask_for(const trace::World& world, const trace::Source& source, const trace::Destination& to,
                      const trace::Request& request, const trace::Trace& trace) {
  Ask out{.host = {}, .addresses = {}, .protocol = request.protocol, .http = {}, .from = {}};
  out.port = trace.targets.empty() ? to.port.value_or(request.port.value_or(0)) : trace.targets.front().port;
  // Only pods have a resolver that is known, and it knows the cluster's names; else it goes where the name is
  // taken to lead.
  if (to.kind == trace::Destination::Kind::name && !source.pod.empty() && !trace.name_taken) {
    out.host = to.host;
  } else {
    for (const auto& target : trace.targets) {
      if (!is_led_elsewhere(world, source, to, target.addr)) out.addresses.push_back(target.addr);
    }
    if (out.addresses.empty() && !trace.targets.empty())
      return fail(ErrorCode::unavailable,
                  "its externalIPs lead to nodes by routes that are not the cluster's");
    if (out.addresses.empty())
      return fail(ErrorCode::unavailable,
                  fmt::format("there is nothing to send a probe to: {}", trace.outcome.reason));
  }
  if (request.protocol != IPPROTO_TCP && request.protocol != IPPROTO_UDP)
    return fail(ErrorCode::unavailable, "probes are made over TCP and UDP alone");
  out.http = request.protocol == IPPROTO_TCP ? http_of(world, to, out.port) : std::nullopt;
  if (out.http) {
    out.http->method = request.method;
    out.http->host = trace.host;
    out.http->headers = request.headers;
  }
  if (source.kind == trace::Source::Kind::outside && source.stated) out.from = source.addresses;
  return out;
}

std::vector<Ask> at_each_address(const Ask& ask) {
  if (!ask.host.empty()) return {ask};
  std::vector<Ask> out;
  for (const auto& address : ask.addresses) {
    out.push_back(ask);
    out.back().addresses = {address};
  }
  return out;
}

void name_peer(const trace::World& world, Observed& seen) {
  if (seen.result != Result::connected) return;
  for (const auto& address : {seen.peer, seen.address}) {
    auto pod = address ? world.pod_at.find(*address) : world.pod_at.end();
    if (pod == world.pod_at.end()) continue;
    seen.pod = pod->second;
    return;
  }
}

std::vector<Way> ways_of(const trace::Trace& trace) {
  if (trace.outcome.verdict != Verdict::partly) return {{trace.outcome.verdict, trace.outcome.status}};
  std::vector<Way> out;
  for (const auto& hop : trace.hops) add_ways(hop, 0, out);
  return out;
}

std::vector<std::string> pods_reached(const trace::Trace& trace) {
  std::vector<std::string> out;
  for (const auto& hop : trace.hops) add_pods(hop, out);
  return out;
}

bool passes_proxy(const trace::Trace& trace) { return has_step(trace.hops, "rule"); }

std::string difference(const trace::Trace& trace, const Ask& ask, const Observed& seen) {
  auto foretold = std::string(trace::name_of(trace.outcome.verdict));
  if (trace.outcome.status != 0) foretold += fmt::format(" ({})", trace.outcome.status);
  bool by_proxy = passes_proxy(trace);
  auto ways = ways_of(trace);
  bool fits = std::ranges::any_of(ways, [&](const Way& way) { return agrees(way, by_proxy, ask, seen); });
  if (!fits) return fmt::format("foretold: {}; seen: {}", foretold, seen.str());
  // Waiting in vain for an answer to the name is not waiting for one of the pod.
  bool names = !ask.host.empty() && trace.outcome.verdict != Verdict::unknown;
  if (names && seen.result == Result::timed_out && (seen.stage == "name") != trace.targets.empty())
    return fmt::format("foretold: {} {}; seen: {}", foretold,
                       trace.targets.empty() ? "while asking for the name" : "with the name known",
                       seen.str());
  auto pods = pods_reached(trace);
  if (!seen.pod.empty() && !pods.empty() && std::ranges::find(pods, seen.pod) == pods.end())
    return fmt::format("foretold: it gets to {}; seen: {}", fmt::join(pods, ", "), seen.str());
  return {};
}

}  // namespace weft::probe
