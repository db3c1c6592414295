#include "reach/gateways.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace weft::reach {
namespace {

/// What is common to all that a listener takes.
struct Place {
  const gateway::Port& port;
  const gateway::Listener& listener;
};

std::string_view scheme_of(gateway::Protocol protocol) {
  switch (protocol) {
    case gateway::Protocol::http:
      return "http";
    case gateway::Protocol::https:
      return "https";
    case gateway::Protocol::tls:
      return "tls";
    case gateway::Protocol::tcp:
      return "tcp";
    case gateway::Protocol::udp:
      return "udp";
  }
  return "";
}

/// A name that a hostname takes; "" any.
std::string example_of(const std::string& hostname) {
  return hostname.starts_with("*.") ? "any" + hostname.substr(1) : hostname;
}

Entry entry_at(const Place& place, const std::string& hostname, const std::string& path) {
  Entry out;
  auto scheme = std::string(scheme_of(place.listener.protocol));
  bool usual = (scheme == "http" && place.port.port == 80) || (scheme == "https" && place.port.port == 443);
  bool ingress = place.port.gateway == gateway::kIngressGateway;
  out.name = fmt::format("{}://{}{}{}", scheme, hostname.empty() ? "*" : hostname,
                         usual ? "" : fmt::format(":{}", place.port.port), path);
  out.destination = {.kind = trace::Destination::Kind::gateway,
                     .label = out.name,
                     .scheme = scheme.starts_with("http") ? scheme : "",
                     .host = example_of(hostname),
                     .key = place.port.gateway,
                     .address = {},
                     .port = place.port.port};
  if (!path.empty()) out.destination.path = path;
  out.request.protocol = place.port.udp ? 17 : 6;
  out.request.port = place.port.port;
  out.name += ingress ? " (Ingress)" : fmt::format(" (Gateway {})", place.port.gateway);
  return out;
}

bool has_expressions(const gateway::Match& match) {
  auto is_regex = [](const gateway::ValueMatch& value) { return value.regex; };
  return match.path_kind == gateway::PathKind::regex || std::ranges::any_of(match.headers, is_regex) ||
         std::ranges::any_of(match.query, is_regex);
}

Entry entry_of(const Place& place, const std::string& hostname, const gateway::Match& match) {
  auto path = match.path;
  for (const auto& query : match.query)
    path += fmt::format("{}{}={}", path.contains('?') ? "&" : "?", query.name, query.value);
  auto out = entry_at(place, hostname, path);
  if (!match.method.empty()) {
    out.request.method = match.method;
    out.name += " " + match.method;
  }
  for (const auto& header : match.headers) {
    out.request.headers.emplace_back(header.name, header.value);
    out.name += fmt::format(" {}={}", header.name, header.value);
  }
  return out;
}

}  // namespace

std::vector<Entry> entries_of(const trace::World& world) {
  std::vector<Entry> out;
  std::set<std::string> names;
  auto add = [&](Entry entry) {
    if (names.insert(entry.name).second) out.push_back(std::move(entry));
  };
  for (const auto& port : world.gateway_plan.snapshot().ports) {
    for (const auto& listener : port->listeners) {
      Place place{*port, *listener};
      for (const auto& host : listener->hosts) {
        const auto& hostname = host->hostname.empty() ? listener->hostname : host->hostname;
        for (const auto& rule : host->rules) {
          for (const auto& match : rule->matches) {
            if (!has_expressions(match)) add(entry_of(place, hostname, match));
          }
        }
      }
      for (const auto& stream : listener->streams) {
        for (const auto& hostname : stream->hostnames) add(entry_at(place, hostname, {}));
        if (stream->hostnames.empty()) add(entry_at(place, listener->hostname, {}));
      }
    }
  }
  std::ranges::sort(out, {}, &Entry::name);
  return out;
}

}  // namespace weft::reach
