#include "gateway/status.h"

#include <fmt/core.h>

#include <algorithm>

#include "gateway/conditions.h"
#include "gateway/names.h"

namespace weft::gateway {
namespace {

kube::Condition say(std::string_view type, const Problem& problem, int64_t generation,
                    std::string_view good = {}) {
  return condition(type, !problem,
                   problem        ? std::string_view(problem.reason)
                   : good.empty() ? type
                                  : good,
                   problem.message, generation);
}

/// Why the Gateway as a whole serves nothing.
Problem not_programmed(const GatewayView& view, const Infrastructure* infrastructure) {
  if (view.unaccepted) return {"Invalid", view.unaccepted.message};
  if (!infrastructure || infrastructure->addresses.empty())
    return view.wanted.empty()
               ? Problem{"AddressNotAssigned", "No address has been assigned yet"}
               : Problem{"AddressNotUsable", "None of the addresses that it wants can be had"};
  for (const auto& wanted : view.wanted) {
    if (std::ranges::find(infrastructure->addresses, wanted) == infrastructure->addresses.end())
      return {"AddressNotUsable", fmt::format("Address {} cannot be had", wanted.str())};
  }
  return {};
}

Problem listener_not_programmed(const BoundListener& listener, const Problem& gateway) {
  if (listener.conflict) return listener.conflict;
  if (listener.unaccepted) return {"Invalid", listener.unaccepted.message};
  if (!listener.usable) return {"Invalid", listener.unresolved.message};
  if (gateway) return {"Pending", gateway.message};
  return {};
}

Conditions listener_conditions(const BoundListener& listener, const Problem& gateway, int64_t generation) {
  const Problem& unaccepted = listener.conflict ? listener.conflict : listener.unaccepted;
  Conditions out = {say("Accepted", unaccepted, generation),
                    say("Programmed", listener_not_programmed(listener, gateway), generation),
                    say("ResolvedRefs", listener.unresolved, generation)};
  if (listener.conflict) {
    out.push_back(
        condition("Conflicted", true, listener.conflict.reason, listener.conflict.message, generation));
  } else {
    out.push_back(condition("Conflicted", false, "NoConflicts", "", generation));
  }
  if (!listener.overlap.empty())
    out.push_back(condition("OverlappingTLSConfig", true, "OverlappingHostnames",
                            fmt::format("Its hostname overlaps with that of listener {}", listener.overlap),
                            generation));
  return out;
}

kube::ListenerStatus listener_status(const BoundListener& listener, const Problem& gateway,
                                     int64_t generation, size_t attached) {
  kube::ListenerStatus out;
  out.name = listener.name;
  for (const auto& kind : listener.kinds) {
    auto& supported = out.supportedKinds.emplace_back();
    supported.group = kGroup;
    supported.kind = kind;
  }
  out.attachedRoutes = static_cast<int32_t>(attached);
  out.conditions = listener_conditions(listener, gateway, generation);
  return out;
}

bool is_of(const BoundListener& listener, std::string_view kind, const std::string& key) {
  return listener.owner == fmt::format("{}/{}", kind, key);
}

kube::ListenerSetStatus set_status(const GatewayView& view, const BoundSet& set, const Problem& gateway,
                                   const std::function<size_t(const std::string&)>& attached) {
  kube::ListenerSetStatus out;
  if (!set.allowed) {
    Problem not_allowed{"NotAllowed", "The Gateway's allowedListeners do not let it in"};
    out.conditions = {say("Accepted", not_allowed, set.generation),
                      say("Programmed", not_allowed, set.generation)};
    return out;
  }
  size_t valid = 0;
  size_t all = 0;
  for (const auto& listener : view.listeners) {
    if (!is_of(listener, "ListenerSet", set.key)) continue;
    ++all;
    if (listener.usable) ++valid;
    out.listeners.push_back(listener_status(listener, gateway, set.generation, attached(listener.id())));
  }
  Problem unaccepted, unprogrammed;
  if (view.unaccepted) {
    unaccepted = {"ParentNotAccepted", view.unaccepted.message};
  } else if (valid == 0) {
    unaccepted = {"ListenersNotValid", "None of its listeners is valid"};
  }
  unprogrammed = unaccepted;
  if (!unprogrammed && gateway) unprogrammed = {"Pending", gateway.message};
  out.conditions = {
      say("Accepted", unaccepted, set.generation, valid < all ? "ListenersNotValid" : "Accepted"),
      say("Programmed", unprogrammed, set.generation)};
  return out;
}

Problem listeners_unresolved(const GatewayView& view) {
  for (const auto& listener : view.listeners) {
    if (is_of(listener, "Gateway", view.key) && listener.unresolved)
      return {"ListenersNotResolved",
              fmt::format("Listener {}: {}", listener.name, listener.unresolved.message)};
  }
  return {};
}

void add_gateway_conditions(const GatewayView& view, const Problem& unprogrammed, kube::GatewayStatus& out) {
  size_t accepted = 0;
  size_t all = 0;
  for (const auto& listener : view.listeners) {
    if (!is_of(listener, "Gateway", view.key)) continue;
    ++all;
    if (listener.accepted()) ++accepted;
  }
  Problem unaccepted = view.unaccepted;
  Problem pending = unprogrammed;
  if (!unaccepted && accepted == 0 && all > 0) {
    unaccepted = {"ListenersNotValid", "None of its listeners is valid"};
    if (!pending) pending = {"Invalid", unaccepted.message};
  }
  out.conditions = {
      say("Accepted", unaccepted, view.generation, accepted < all ? "ListenersNotValid" : "Accepted"),
      say("Programmed", pending, view.generation),
      say("ResolvedRefs", view.unresolved ? view.unresolved : listeners_unresolved(view), view.generation)};
  if (view.insecure)
    out.conditions.push_back(
        condition("InsecureFrontendValidationMode", true, "ConfigurationChanged",
                  "Clients without a valid certificate are let in (AllowInsecureFallback)", view.generation));
}

/// Of a GatewayClass or an XMesh.
template <class T>
kube::GatewayClassStatus status_of(const T& object, const std::vector<std::string>& features) {
  kube::GatewayClassStatus out;
  Problem problem;
  if (object.spec.parametersRef)
    problem = {"InvalidParameters", "parametersRef is not supported: leave it out"};
  out.conditions = {say("Accepted", problem, object.metadata.generation)};
  for (const auto& name : features) out.supportedFeatures.emplace_back().name = name;
  return out;
}

}  // namespace

kube::GatewayClassStatus class_status(const kube::GatewayClass& class_) {
  return status_of(class_, supported_features());
}

kube::GatewayClassStatus mesh_status(const kube::XMesh& mesh) {
  return status_of(mesh, supported_mesh_features());
}

GatewayStatuses gateway_statuses(const GatewayView& view, const Infrastructure* infrastructure,
                                 const std::function<size_t(const std::string&)>& attached) {
  GatewayStatuses out;
  const Problem unprogrammed = not_programmed(view, infrastructure);
  if (infrastructure && !view.unaccepted) {
    for (const auto& address : infrastructure->addresses) {
      // Of a Gateway that asks for one family the Service has the other all the same.
      if (!view.wanted.empty() && std::ranges::find(view.wanted, address) == view.wanted.end()) continue;
      auto& made = out.gateway.addresses.emplace_back();
      made.type = "IPAddress";
      made.value = address.str();
    }
  }
  add_gateway_conditions(view, unprogrammed, out.gateway);
  for (const auto& listener : view.listeners) {
    if (is_of(listener, "Gateway", view.key))
      out.gateway.listeners.push_back(
          listener_status(listener, unprogrammed, view.generation, attached(listener.id())));
  }
  int32_t sets = 0;
  for (const auto& set : view.sets) {
    auto status = set_status(view, set, unprogrammed, attached);
    if (status.conditions.front().status == "True") ++sets;
    out.sets.emplace(set.key, std::move(status));
  }
  out.gateway.attachedListenerSets = sets;
  return out;
}

}  // namespace weft::gateway
