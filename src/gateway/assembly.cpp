#include "gateway/assembly.h"

#include <algorithm>
#include <ranges>

#include "gateway/hostname.h"

namespace weft::gateway {
namespace {

bool same(const Listener& a, const Listener& b) {
  return a.hostname == b.hostname && a.protocol == b.protocol && a.certificates == b.certificates &&
         a.client_validation == b.client_validation && a.hosts == b.hosts && a.streams == b.streams &&
         a.why == b.why;
}

/// Nothing but what holds without routes.
bool is_unrouted(const std::map<RouteOrder, Piece>& pieces) {
  return !pieces.empty() &&
         std::ranges::all_of(pieces, [](const auto& entry) { return entry.second.fallback; });
}

/// The other kind of those that share hostnames; "" of all others.
std::string_view rival_kind(std::string_view kind) {
  if (kind == "HTTPRoute") return "GRPCRoute";
  return kind == "GRPCRoute" ? "HTTPRoute" : "";
}

/// What `hosts` has for hostnames that have something in common with `hostname`.
template <class Map, class Visit>
void visit_common(const Map& hosts, const std::string& hostname, Visit visit) {
  if (hostname.empty() || hostname.starts_with("*.")) {
    for (const auto& [name, held] : hosts) {
      if (intersect_hostnames(hostname, name)) visit(held);
    }
    return;
  }
  auto look = [&](const std::string& name) {
    if (auto at = hosts.find(name); at != hosts.end()) visit(at->second);
  };
  look(hostname);
  for (size_t dot = hostname.find('.'); dot != std::string::npos; dot = hostname.find('.', dot + 1))
    look("*" + hostname.substr(dot));
  look("");
}

}  // namespace

void GatewayAssembly::attach(const RouteBuild& route, const Attachment& attachment) {
  auto& state = states_[attachment.listener];
  ++state.kinds[route.order.kind];
  if (attachment.refused) {
    for (const auto& hostname : attachment.hostnames) state.refused[hostname].insert(route.order);
    return;
  }
  state.dirty = true;
  ++state.routes[route.order];
  for (const auto& hostname : attachment.hostnames) {
    state.hosts[hostname][route.order] = route.piece(attachment, hostname);
    state.touched.insert(hostname);
  }
}

void GatewayAssembly::detach(const RouteBuild& route, const Attachment& attachment) {
  auto& state = states_[attachment.listener];
  if (--state.kinds[route.order.kind] == 0) state.kinds.erase(route.order.kind);
  if (attachment.refused) {
    for (const auto& hostname : attachment.hostnames) {
      auto at = state.refused.find(hostname);
      if (at != state.refused.end() && at->second.erase(route.order) > 0 && at->second.empty())
        state.refused.erase(at);
    }
    return;
  }
  state.dirty = true;
  if (--state.routes[route.order] == 0) state.routes.erase(route.order);
  for (const auto& hostname : attachment.hostnames) {
    auto at = state.hosts.find(hostname);
    if (at == state.hosts.end()) continue;
    at->second.erase(route.order);
    state.touched.insert(hostname);
    if (at->second.empty()) state.hosts.erase(at);
  }
}

std::optional<RouteOrder> GatewayAssembly::older_rival(const RouteOrder& order,
                                                       const Attachment& attachment) const {
  auto kind = rival_kind(order.kind);
  auto state = states_.find(attachment.listener);
  if (state == states_.end() || !state->second.kinds.contains(std::string(kind))) return {};
  std::optional<RouteOrder> oldest;
  for (const auto& hostname : attachment.hostnames) {
    visit_common(state->second.hosts, hostname, [&](const auto& pieces) {
      for (const auto& [other, piece] : pieces) {
        if (!(other < (oldest ? *oldest : order))) break;
        if (other.kind == kind) oldest = other;
      }
    });
  }
  return oldest;
}

std::set<RouteOrder> GatewayAssembly::younger_rivals(const RouteOrder& order,
                                                     const Attachment& attachment) const {
  auto kind = rival_kind(order.kind);
  auto state = states_.find(attachment.listener);
  if (state == states_.end() || !state->second.kinds.contains(std::string(kind))) return {};
  std::set<RouteOrder> out;
  auto add = [&](const auto& orders) {
    for (const auto& other : orders) {
      if (other.kind == kind && order < other) out.insert(other);
    }
  };
  for (const auto& hostname : attachment.hostnames) {
    visit_common(state->second.hosts, hostname, [&](const auto& pieces) { add(std::views::keys(pieces)); });
    visit_common(state->second.refused, hostname, add);
  }
  return out;
}

void GatewayAssembly::set_view(Ptr<GatewayView> view) {
  view_ = std::move(view);
  moved_ = true;
  for (auto& [id, state] : states_) state.dirty = true;
}

void GatewayAssembly::set_infrastructure(const Infrastructure* infrastructure) {
  auto now = infrastructure ? infrastructure->bind_ports : BindPorts();
  if (now == bind_ports_) return;
  bind_ports_ = std::move(now);
  moved_ = true;
}

size_t GatewayAssembly::attached(const std::string& listener) const {
  auto at = states_.find(listener);
  return at == states_.end() ? 0 : at->second.routes.size();
}

void GatewayAssembly::build_hosts(State& state) {
  for (const auto& hostname : state.touched) {
    auto at = state.hosts.find(hostname);
    auto place = std::ranges::lower_bound(state.built, hostname, {}, &VirtualHost::hostname);
    bool built = place != state.built.end() && (*place)->hostname == hostname;
    if (at == state.hosts.end()) {
      if (built) state.built.erase(place);
      continue;
    }
    auto host = std::make_shared<VirtualHost>();
    host->hostname = hostname;
    const bool unrouted = is_unrouted(at->second);
    for (const auto& [order, piece] : at->second) {
      if (piece.fallback != unrouted) continue;
      host->rules.insert(host->rules.end(), piece.rules.begin(), piece.rules.end());
      host->one_label = host->one_label || piece.one_label;
    }
    if (!built)
      state.built.insert(place, std::move(host));
    else if ((*place)->rules != host->rules || (*place)->one_label != host->one_label)
      *place = std::move(host);
  }
  state.touched.clear();
}

void GatewayAssembly::build_listener(State& state, const BoundListener& bound) {
  auto made = std::make_shared<Listener>();
  made->hostname = bound.hostname;
  made->protocol = *bound.protocol;
  made->certificates = bound.certificates;
  made->client_validation = bound.client_validation;
  auto slash = bound.owner.find('/');
  made->why = {bound.owner.substr(0, slash), bound.owner_namespace,
               bound.owner.substr(bound.owner.rfind('/') + 1), bound.name, -1};
  if (bound.protocol == Protocol::http || bound.protocol == Protocol::https) {
    build_hosts(state);
    made->hosts = state.built;
    if (auto any = state.hosts.find(""); any != state.hosts.end() && is_unrouted(any->second)) {
      made->protocol = Protocol::tcp;
      made->streams.push_back(any->second.begin()->second.stream);
    }
  } else {
    // A route is one stream, with all its hostnames.
    std::map<RouteOrder, Ptr<StreamRoute>> streams;
    for (const auto& [hostname, routes] : state.hosts) {
      for (const auto& [order, piece] : routes) streams.emplace(order, piece.stream);
    }
    for (const auto& [order, stream] : streams) made->streams.push_back(stream);
    // Without server names nothing tells routes apart: the oldest has the port.
    if (bound.protocol != Protocol::tls && made->streams.size() > 1) made->streams.resize(1);
  }
  state.dirty = false;
  if (!state.listener || !same(*state.listener, *made)) state.listener = std::move(made);
}

/// True: the port has changed.
bool GatewayAssembly::build_port(const PortKey& key, uint16_t bind_port) {
  auto made = std::make_shared<Port>();
  made->gateway = view_->key;
  made->port = key.port;
  made->bind_port = bind_port;
  made->udp = key.udp;
  for (const auto& bound : view_->listeners) {
    bool here = bound.usable && bound.port == key.port && (bound.protocol == Protocol::udp) == key.udp;
    if (!here) continue;
    const auto& listener = states_[bound.id()].listener;
    if (bound.consumers.empty()) {
      made->listeners.push_back(listener);
    } else {
      made->consumers[bound.consumers] = listener;
    }
  }
  if (made->listeners.empty()) return ports_.erase(key) > 0;
  auto& held = ports_[key];
  if (held && held->bind_port == bind_port && held->listeners == made->listeners &&
      held->consumers == made->consumers)
    return false;
  held = std::move(made);
  return true;
}

bool GatewayAssembly::settle() {
  bool changed = false;
  std::set<PortKey> touched;
  bool served = view_ && !view_->unaccepted;
  if (served) {
    for (const auto& bound : view_->listeners) {
      if (!bound.usable) continue;
      auto& state = states_[bound.id()];
      if (!state.dirty) continue;
      build_listener(state, bound);
      touched.insert({bound.port, bound.protocol == Protocol::udp});
    }
  }
  if (moved_) {
    for (const auto& [key, bind_port] : bind_ports_) touched.insert(key);
    auto gone = [&](const auto& port) { return !served || !bind_ports_.contains(port.first); };
    changed = std::erase_if(ports_, gone) > 0;
  }
  for (const auto& key : touched) {
    auto bind = bind_ports_.find(key);
    if (served && bind != bind_ports_.end() && build_port(key, bind->second)) changed = true;
  }
  moved_ = false;
  std::erase_if(states_, [&](const auto& state) {
    if (!state.second.kinds.empty()) return false;
    return !view_ || std::ranges::none_of(view_->listeners,
                                          [&](const auto& bound) { return bound.id() == state.first; });
  });
  return changed;
}

}  // namespace weft::gateway
