#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "gateway/config/config.h"
#include "gateway/infrastructure.h"
#include "gateway/listeners.h"
#include "gateway/routes.h"

namespace weft::gateway {

/// A Gateway's ports, put together from its view and the routes that are attached. Only what is touched is
/// made anew; the rest stays the same pointer.
class GatewayAssembly {
 public:
  void attach(const RouteBuild& route, const Attachment& attachment);
  void detach(const RouteBuild& route, const Attachment& attachment);
  void set_view(Ptr<GatewayView> view);
  void set_infrastructure(const Infrastructure* infrastructure);

  /// Makes what is touched; true: `ports` has changed.
  bool settle();
  const std::map<PortKey, Ptr<Port>>& ports() const { return ports_; }
  /// As Rivals.
  std::optional<RouteOrder> older_rival(const RouteOrder& order, const Attachment& attachment) const;
  /// HTTPRoutes or GRPCRoutes that have to look again when a route of the other kind comes or goes.
  std::set<RouteOrder> younger_rivals(const RouteOrder& order, const Attachment& attachment) const;
  /// How many routes are attached to a listener.
  size_t attached(const std::string& listener) const;
  const Ptr<GatewayView>& view() const { return view_; }
  /// Nothing is known of it any more.
  bool empty() const { return !view_ && states_.empty(); }

 private:
  struct State {
    std::map<std::string, std::map<RouteOrder, Piece>> hosts;  ///< by hostname
    std::vector<Ptr<VirtualHost>> built;                       ///< sorted by hostname, each once
    std::set<std::string> touched;                             ///< hostnames
    std::map<RouteOrder, int> routes;                          ///< how many attachments each has
    std::map<std::string, std::set<RouteOrder>> refused;       ///< by hostname
    std::map<std::string, size_t> kinds;                       ///< how many attachments, refused ones too
    Ptr<Listener> listener;
    bool dirty = true;
  };
  void build_hosts(State& state);
  void build_listener(State& state, const BoundListener& bound);
  bool build_port(const PortKey& key, uint16_t bind_port);

  Ptr<GatewayView> view_;
  BindPorts bind_ports_;
  std::map<std::string, State> states_;  ///< by listener
  std::map<PortKey, Ptr<Port>> ports_;
  bool moved_ = false;  ///< the view or the bind ports are others
};

}  // namespace weft::gateway
