#include "gateway/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

namespace weft::gateway {
namespace {

std::string words_of(std::string_view what, const ValueMatch& match) {
  return fmt::format(" {} {}{}{}", what, match.name, match.regex ? "~" : "=", match.value);
}

TargetRow target_of(const Snapshot& snapshot, const WeightedBackend& to) {
  // A key may say behind "+" how the Service is spoken to, which is not a question of where.
  TargetRow out{.backend = to.backend.substr(0, to.backend.find('+')), .weight = to.weight};
  if (!snapshot.backends) return out;
  auto backend = snapshot.backends->find(to.backend);
  if (backend == snapshot.backends->end()) return out;
  out.broken = backend->second->broken;
  if (!snapshot.endpoints) return out;
  auto endpoints = snapshot.endpoints->find(backend->second->endpoints);
  if (endpoints != snapshot.endpoints->end()) out.endpoints = endpoints->second->size();
  return out;
}

TableRow row_at(const Snapshot& snapshot, const Port& port, const Listener& listener,
                const std::string& hostname, const std::vector<WeightedBackend>& backends, const Why& why) {
  TableRow out{.gateway = port.gateway,
               .port = port.port,
               .protocol = listener.protocol,
               .listener = listener.why,
               .hostname = hostname,
               .matches = {},
               .answer = {},
               .targets = {},
               .why = why};
  for (const auto& backend : backends) out.targets.push_back(target_of(snapshot, backend));
  return out;
}

void add_rows(const Snapshot& snapshot, const Port& port, const Listener& listener,
              std::vector<TableRow>& out) {
  for (const auto& host : listener.hosts)
    for (const auto& rule : host->rules)
      out.push_back(row_of(snapshot, port, listener, host->hostname, *rule));
  for (const auto& route : listener.streams) {
    if (route->hostnames.empty()) out.push_back(row_of(snapshot, port, listener, listener.hostname, *route));
    for (const auto& hostname : route->hostnames)
      out.push_back(row_of(snapshot, port, listener, hostname, *route));
  }
}

json::object json_of(const Why& why) {
  json::object out{{"kind", why.kind}, {"namespace", why.namespace_}, {"name", why.name}};
  if (!why.section.empty()) out["section"] = why.section;
  if (why.rule >= 0) out["rule"] = why.rule;
  return out;
}

}  // namespace

std::string words_of(const Why& why) {
  auto out = fmt::format("{} {}/{}", why.kind, why.namespace_, why.name);
  const bool is_listener = why.kind == "Gateway" || why.kind == "ListenerSet";
  if (is_listener && !why.section.empty()) return out + fmt::format(" listener \"{}\"", why.section);
  if (why.rule >= 0) out += fmt::format(" rule {}", why.rule);
  if (!why.section.empty()) out += fmt::format(" \"{}\"", why.section);
  return out;
}

std::string words_of(const Match& match) {
  constexpr std::string_view kKinds[] = {"exact", "prefix", "regex"};
  auto out = fmt::format("{} {}", kKinds[static_cast<size_t>(match.path_kind)], match.path);
  if (!match.method.empty()) out += " " + match.method;
  for (const auto& header : match.headers) out += words_of("header", header);
  for (const auto& parameter : match.query) out += words_of("query", parameter);
  return out;
}

std::string_view name_of(Protocol protocol) {
  constexpr std::string_view kNames[] = {"HTTP", "HTTPS", "TLS", "TCP", "UDP"};
  return kNames[static_cast<size_t>(protocol)];
}

std::string hostname_of(const std::string& hostname) { return hostname.empty() ? "*" : hostname; }

std::string TableRow::goes_to() const {
  if (!answer.empty()) return answer;
  uint64_t all = 0;
  for (const auto& target : targets) all += target.weight;
  if (all == 0) return "500: no backend";
  std::vector<std::string> parts;
  for (const auto& target : targets) {
    auto part = target.backend.empty() ? "500: not a valid backend"
                : target.broken        ? target.backend + " (502: its TLS cannot be set up)"
                                       : fmt::format("{} ({} endpoint{})", target.backend, target.endpoints,
                                              target.endpoints == 1 ? "" : "s");
    parts.push_back(targets.size() == 1 ? part : fmt::format("{}/{} {}", target.weight, all, part));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

json::object TableRow::to_json() const {
  json::array to;
  for (const auto& target : targets)
    to.push_back(json::object{{"backend", target.backend},
                              {"weight", target.weight},
                              {"endpoints", target.endpoints},
                              {"valid", !target.backend.empty() && !target.broken}});
  return {{"gateway", gateway},
          {"port", port},
          {"protocol", name_of(protocol)},
          {"listener", json_of(listener)},
          {"hostname", hostname_of(hostname)},
          {"matches", json::value_from(matches)},
          {"answer", answer},
          {"backends", std::move(to)},
          {"route", json_of(why)}};
}

TableRow row_of(const Snapshot& snapshot, const Port& port, const Listener& listener,
                const std::string& hostname, const Rule& rule) {
  auto out = row_at(snapshot, port, listener, hostname, rule.backends, rule.why);
  for (const auto& match : rule.matches) out.matches.push_back(words_of(match));
  if (rule.filters.redirect) out.answer = fmt::format("redirect {}", rule.filters.redirect->status);
  return out;
}

TableRow row_of(const Snapshot& snapshot, const Port& port, const Listener& listener,
                const std::string& hostname, const StreamRoute& route) {
  auto out = row_at(snapshot, port, listener, hostname, route.backends, route.why);
  if (listener.protocol == Protocol::tls)
    out.matches.emplace_back(route.terminate ? "TLS, ended here" : "TLS, passed through");
  return out;
}

std::vector<TableRow> table_of(const Snapshot& snapshot, const std::string& gateway) {
  std::vector<const Port*> ports;
  for (const auto& port : snapshot.ports)
    if (gateway.empty() || port->gateway == gateway) ports.push_back(port.get());
  std::ranges::sort(ports, {}, [](const Port* port) {
    return std::tuple<const std::string&, uint16_t, bool>(port->gateway, port->port, port->udp);
  });
  std::vector<TableRow> out;
  for (const Port* port : ports)
    for (const auto& listener : port->listeners) add_rows(snapshot, *port, *listener, out);
  return out;
}

}  // namespace weft::gateway
