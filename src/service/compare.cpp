#include "service/compare.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace weft::service {
namespace {

using Place = std::tuple<IpAddr, uint16_t, uint8_t>;
using Index = std::map<Place, const ProgrammedFrontend*>;

std::string text_of(const IpAddr& addr, uint16_t port) {
  return addr.is_v6() ? fmt::format("[{}]:{}", addr.str(), port) : fmt::format("{}:{}", addr.str(), port);
}

template <class Backends>
std::vector<std::string> texts(const Backends& backends) {
  std::vector<std::string> out;
  out.reserve(backends.size());
  for (const auto& backend : backends) out.push_back(text_of(backend.addr, backend.port));
  std::ranges::sort(out);
  return out;
}

/// "" or "2 backends are missing (10.244.0.2:8080, …), 1 is too many (…)".
std::string difference(const std::vector<std::string>& wanted, const std::vector<std::string>& there) {
  std::vector<std::string> missing, extra, parts;
  std::ranges::set_difference(wanted, there, std::back_inserter(missing));
  std::ranges::set_difference(there, wanted, std::back_inserter(extra));
  if (!missing.empty()) parts.push_back(fmt::format("without {}", fmt::join(missing, ", ")));
  if (!extra.empty()) parts.push_back(fmt::format("still with {}", fmt::join(extra, ", ")));
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string difference(const Way& way, const Frontend& frontend, const ProgrammedFrontend* there) {
  if (!there) return "not in the kernel";
  if (auto text = difference(way.backends, texts(there->backends)); !text.empty()) return text;
  if (auto text = difference(way.edge_backends, texts(there->edge_backends)); !text.empty())
    return "for packets from elsewhere: " + text;
  if (there->affinity_seconds != frontend.affinity_seconds)
    return fmt::format("session affinity of {} s instead of {} s", there->affinity_seconds,
                       frontend.affinity_seconds);
  return {};
}

Way way_of(const NamedPlan& named, const Frontend& frontend, const ProgrammedFrontend* there) {
  const auto& [service, plan] = named;
  Way way{.service = service->metadata.namespace_ + "/" + service->metadata.name,
          .why = why(*service, frontend),
          .kind = frontend.kind,
          .addr = frontend.addr,
          .port = frontend.port,
          .protocol = frontend.protocol,
          .backends = texts(plan.sets[frontend.set].backends),
          .edge_backends = texts(plan.sets[frontend.edge_set].backends),
          .difference = {}};
  way.difference = difference(way, frontend, there);
  return way;
}

}  // namespace

std::string_view name_of(FrontendKind kind) {
  switch (kind) {
    case FrontendKind::cluster_ip:
      return "ClusterIP";
    case FrontendKind::external_ip:
      return "ExternalIP";
    case FrontendKind::load_balancer:
      return "LoadBalancer";
    case FrontendKind::node_port:
      return "NodePort";
  }
  return "?";
}

std::vector<Way> compare(std::span<const NamedPlan> plans, std::span<const ProgrammedFrontend> kernel) {
  Index there;
  for (const auto& frontend : kernel) {
    if (!frontend.whole_address)
      there[{frontend.addr, frontend.port, static_cast<uint8_t>(frontend.protocol)}] = &frontend;
  }
  std::vector<Way> out;
  std::set<Place> wanted;
  for (const auto& named : plans) {
    for (const auto& frontend : named.plan.frontends) {
      Place place{frontend.addr, frontend.port, static_cast<uint8_t>(frontend.protocol)};
      auto found = there.find(place);
      // Of two Services that ask for one external address the first has it.
      if (!wanted.insert(place).second) continue;
      out.push_back(way_of(named, frontend, found == there.end() ? nullptr : found->second));
    }
  }
  for (const auto& [place, frontend] : there) {
    if (wanted.contains(place)) continue;
    Way way{
        .why = "no Service", .addr = frontend->addr, .port = frontend->port, .protocol = frontend->protocol};
    way.difference = "in the kernel, but no Service asks for it";
    out.push_back(std::move(way));
  }
  return out;
}

}  // namespace weft::service
