#include "gateway/attachment.h"

#include <fmt/core.h>

#include <algorithm>

#include "gateway/hostname.h"
#include "gateway/mesh.h"
#include "gateway/names.h"

namespace weft::gateway {
namespace {

/// The Gateway that a parentRef is about, and whose listeners of it are meant ("Gateway/…", "ListenerSet/…").
struct Parent {
  const GatewayView* view = nullptr;
  std::string owner;
  bool allowed = true;  ///< of a ListenerSet: the Gateway takes it
};

Parent find_parent(Lookup& look, const Views& views, const RouteFacts& route,
                   const kube::RouteParentReference& ref) {
  Parent out;
  if (ref.group.value_or(std::string(kGroup)) != kGroup) return out;
  auto kind = ref.kind.value_or("Gateway");
  auto key = (ref.namespace_.empty() ? route.namespace_ : ref.namespace_) + "/" + ref.name;
  out.owner = kind + "/" + key;
  if (kind == "Gateway") {
    look.note(view_name(key));
    out.view = views(key);
  } else if (kind == "ListenerSet") {
    auto set = look.get<kube::ListenerSet>(key);
    auto gateways = set ? groups_of(*set) : std::vector<std::string>();
    if (gateways.empty()) return out;
    look.note(view_name(gateways.front()));
    out.view = views(gateways.front());
    out.allowed = out.view && std::ranges::any_of(out.view->sets, [&](const BoundSet& bound) {
                    return bound.key == key && bound.allowed;
                  });
  }
  return out;
}

Problem none(std::string_view reason, std::string message) {
  return {std::string(reason), std::move(message)};
}

/// Keeps of the listeners those that `good` takes; false: none is left.
template <class Good>
bool narrow(std::vector<const BoundListener*>& listeners, Good good) {
  std::erase_if(listeners, [&](const BoundListener* listener) { return !good(*listener); });
  return !listeners.empty();
}

Problem narrow_all(Lookup& look, const RouteFacts& route, const kube::RouteParentReference& ref,
                   std::vector<const BoundListener*>& listeners) {
  if (!narrow(listeners, [&](const BoundListener& one) {
        return (ref.sectionName.empty() || one.name == ref.sectionName) &&
               (ref.port == 0 || one.port == ref.port);
      }))
    return none("NoMatchingParent",
                fmt::format("{} has no listener with this sectionName and port", ref.name));
  if (!narrow(listeners,
              [&](const BoundListener& one) { return admits(look, one, route.kind, route.namespace_); }))
    return none("NotAllowedByListeners", fmt::format("No listener of {} takes {}s of namespace {}", ref.name,
                                                     route.kind, route.namespace_));
  if (route.by_hostname && !narrow(listeners, [&](const BoundListener& one) {
        return !common_hostnames(one.hostname, route.hostnames).empty();
      }))
    return none("NoMatchingListenerHostname",
                fmt::format("No hostname of the route is one of a listener of {}", ref.name));
  if (!narrow(listeners, [](const BoundListener& one) { return !one.conflict; }))
    return none("NoMatchingParent", fmt::format("The listeners of {} conflict with others", ref.name));
  return {};
}

}  // namespace

ParentResult resolve_parent(Lookup& look, const Views& views, const RouteFacts& route,
                            const kube::RouteParentReference& ref) {
  if (is_service(ref)) return resolve_service(look, route, ref);
  ParentResult out;
  auto parent = find_parent(look, views, route, ref);
  if (!parent.view) return out;
  out.ours = true;
  if (!parent.allowed) {
    out.unaccepted =
        none("NoMatchingParent", fmt::format("ListenerSet {} is not allowed at its Gateway", ref.name));
    return out;
  }
  std::vector<const BoundListener*> listeners;
  for (const auto& listener : parent.view->listeners) {
    if (listener.owner == parent.owner) listeners.push_back(&listener);
  }
  out.unaccepted = narrow_all(look, route, ref, listeners);
  if (out.unaccepted) return out;
  for (const auto* listener : listeners) {
    auto& attachment = out.attachments.emplace_back();
    attachment.gateway = parent.view->key;
    attachment.listener = listener->id();
    attachment.hostnames = route.by_hostname ? common_hostnames(listener->hostname, route.hostnames)
                                             : std::vector<std::string>{""};
    if (!parent.view->client_certificate.empty()) attachment.variant.gateway = parent.view->key;
    attachment.variant.terminate = listener->protocol == Protocol::tls && listener->terminate;
  }
  return out;
}

}  // namespace weft::gateway
