#include "gateway/routes.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "gateway/attachment.h"
#include "gateway/names.h"
#include "kube/client/informer.h"

namespace weft::gateway {
namespace {

RouteRules compile_as(Lookup& look, const kube::HTTPRoute& route, const Variant& variant) {
  return compile(look, route, variant.gateway, variant.parent_service);
}
RouteRules compile_as(Lookup& look, const kube::GRPCRoute& route, const Variant& variant) {
  return compile(look, route, variant.gateway, variant.parent_service);
}
RouteRules compile_as(Lookup& look, const kube::TLSRoute& route, const Variant& variant) {
  return compile(look, route, variant.gateway, variant.terminate);
}
RouteRules compile_as(Lookup& look, const kube::TCPRoute& route, const Variant&) {
  return compile(look, route);
}
RouteRules compile_as(Lookup& look, const kube::UDPRoute& route, const Variant&) {
  return compile(look, route);
}

/// The conditions of a route at one parent.
Conditions conditions_of(const Problem& unaccepted, const RouteRules& compiled, bool all_unsupported,
                         int64_t generation) {
  Problem accepted = unaccepted;
  if (!accepted && all_unsupported) accepted = compiled.unsupported;
  auto say = [&](std::string_view type, const Problem& problem) {
    return condition(type, !problem, problem ? std::string_view(problem.reason) : type, problem.message,
                     generation);
  };
  Conditions out = {say("Accepted", accepted), say("ResolvedRefs", compiled.unresolved)};
  if (!accepted && compiled.unsupported)
    out.push_back(condition("PartiallyInvalid", true, compiled.unsupported.reason,
                            "Answered with an error: " + compiled.unsupported.message, generation));
  return out;
}

kube::RouteParentReference with_defaults(kube::RouteParentReference ref) {
  if (!ref.group) ref.group = kGroup;
  if (!ref.kind) ref.kind = "Gateway";
  return ref;
}

/// The union of what the parents attach it to: a listener that two of them name has it once.
void add_attachments(const std::vector<Attachment>& from, std::vector<Attachment>& to) {
  for (const auto& attachment : from) {
    if (std::ranges::find(to, attachment) == to.end()) to.push_back(attachment);
  }
}

/// Of an HTTPRoute and a GRPCRoute with a hostname of a listener in common the older one has the listener.
void yield_to_older(const Rivals& rivals, const RouteOrder& order, ParentResult& parent) {
  std::optional<RouteOrder> older;
  bool served = false;
  for (auto& attachment : parent.attachments) {
    auto rival = rivals(order, attachment);
    attachment.refused = rival.has_value();
    served = served || !rival;
    if (rival) older = std::move(rival);
  }
  if (older && !served)
    parent.unaccepted = {"HostnameConflict",
                         fmt::format("{} {}, which is older, has one of its hostnames at the same listener",
                                     older->kind, older->key)};
}

template <class Route>
RouteBuild build(Lookup& look, const Views& views, const Rivals& rivals, const Route& route,
                 const char* kind) {
  constexpr bool kByHostname = requires { route.spec.hostnames; };
  const auto& meta = route.metadata;
  RouteBuild out;
  out.order = {meta.creationTimestamp, kube::object_key(meta), kind};
  RouteFacts facts{kind, meta.namespace_, route.spec.parentRefs, {}, kByHostname};
  if constexpr (kByHostname) facts.hostnames = route.spec.hostnames;
  std::vector<ParentResult> parents;
  for (const auto& ref : route.spec.parentRefs) parents.push_back(resolve_parent(look, views, facts, ref));
  if (rivals) {
    for (auto& parent : parents) yield_to_older(rivals, out.order, parent);
  }

  std::map<Variant, RouteRules> compiled;
  for (const auto& parent : parents) {
    for (const auto& attachment : parent.attachments) {
      if (!compiled.contains(attachment.variant))
        compiled[attachment.variant] = compile_as(look, route, attachment.variant);
    }
  }
  if (compiled.empty()) compiled[Variant{}] = compile_as(look, route, Variant{});
  const RouteRules& first = compiled.begin()->second;
  bool all_unsupported = first.unsupported && first.unsupported_rules >= route.spec.rules.size();

  for (size_t i = 0; i < parents.size(); ++i) {
    if (!parents[i].ours) continue;
    auto& status = out.parents.emplace_back();
    status.parentRef = with_defaults(route.spec.parentRefs[i]);
    status.controllerName = kController;
    const auto& attachments = parents[i].attachments;
    const RouteRules& rules = attachments.empty() ? first : compiled.at(attachments.front().variant);
    status.conditions = conditions_of(parents[i].unaccepted, rules, all_unsupported, meta.generation);
    if (!all_unsupported) add_attachments(attachments, out.attachments);
  }
  if (std::ranges::all_of(out.attachments, &Attachment::refused)) return out;
  for (auto& [variant, result] : compiled) {
    out.pieces[variant] = {.rules = std::move(result.rules), .stream = std::move(result.stream)};
    out.backends.merge(result.backends);
  }
  return out;
}

bool same(const StreamRoute& a, const StreamRoute& b) {
  return a.hostnames == b.hostnames && a.terminate == b.terminate && a.backends == b.backends &&
         a.why == b.why;
}

void keep_pointers(const Piece& before, Piece& now) {
  if (before.stream && now.stream && same(*before.stream, *now.stream)) now.stream = before.stream;
  for (size_t i = 0; i < now.rules.size() && i < before.rules.size(); ++i) {
    if (*before.rules[i] == *now.rules[i]) now.rules[i] = before.rules[i];
  }
}

}  // namespace

std::string view_name(const std::string& gateway) { return "view/" + gateway; }

RouteBuild build_route(Lookup& look, const Views& views, const Rivals& rivals, const kube::HTTPRoute& route) {
  return build(look, views, rivals, route, "HTTPRoute");
}
RouteBuild build_route(Lookup& look, const Views& views, const Rivals& rivals, const kube::GRPCRoute& route) {
  return build(look, views, rivals, route, "GRPCRoute");
}
RouteBuild build_route(Lookup& look, const Views& views, const kube::TLSRoute& route) {
  return build(look, views, {}, route, "TLSRoute");
}
RouteBuild build_route(Lookup& look, const Views& views, const kube::TCPRoute& route) {
  return build(look, views, {}, route, "TCPRoute");
}
RouteBuild build_route(Lookup& look, const Views& views, const kube::UDPRoute& route) {
  return build(look, views, {}, route, "UDPRoute");
}

void keep_pointers(const RouteBuild& before, RouteBuild& now) {
  for (auto& [variant, piece] : now.pieces) {
    if (auto at = before.pieces.find(variant); at != before.pieces.end()) keep_pointers(at->second, piece);
  }
  for (auto& [hostname, piece] : now.by_host) {
    if (auto at = before.by_host.find(hostname); at != before.by_host.end()) keep_pointers(at->second, piece);
  }
}

}  // namespace weft::gateway
