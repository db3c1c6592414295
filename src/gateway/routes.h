#pragma once

#include <compare>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gateway/http_rules.h"
#include "gateway/listeners.h"
#include "gateway/objects.h"

/// A route with all that follows from it: where it is attached, its rules and its status.
namespace weft::gateway {

/// Older routes first, then by name; of one name by kind.
struct RouteOrder {
  kube::Time created;
  std::string key;
  std::string kind;
  auto operator<=>(const RouteOrder&) const = default;
};

/// Rules differ by these.
struct Variant {
  std::string gateway;         ///< as in BackendId
  bool terminate = false;      ///< of a TLSRoute
  std::string parent_service;  ///< as in Referrer
  auto operator<=>(const Variant&) const = default;
};

/// To one listener.
struct Attachment {
  std::string gateway;
  std::string listener;  ///< BoundListener::id()
  std::vector<std::string> hostnames;
  Variant variant;
  bool refused = false;  ///< an older route of the other kind has one of the hostnames (Rivals)
  bool operator==(const Attachment&) const = default;
};

/// What a route is attached with to a host of a listener: rules of HTTP, or a stream.
struct Piece {
  std::vector<Ptr<Rule>> rules;
  Ptr<StreamRoute> stream;
  bool one_label = false;  ///< as in VirtualHost
  bool fallback = false;   ///< only where there is no other; then new connections are `stream`'s
};

struct RouteBuild {
  RouteOrder order;
  std::vector<Attachment> attachments;
  std::map<Variant, Piece> pieces;
  /// Of an Ingress, whose hosts have rules of their own: by hostname, instead of `pieces`.
  std::map<std::string, Piece> by_host;
  std::map<std::string, BackendId> backends;
  std::vector<kube::RouteParentStatus> parents;

  const Piece& piece(const Attachment& attachment, const std::string& hostname) const {
    return by_host.empty() ? pieces.at(attachment.variant) : by_host.at(hostname);
  }
};

/// The Gateway's view, or nullptr when it is none of ours.
using Views = std::function<const GatewayView*(const std::string& gateway)>;

/// A listener serves a hostname to HTTPRoutes or to GRPCRoutes (GRPCRouteSpec.hostnames): an older route of
/// the other of these kinds that has one of the attachment's hostnames, or nothing.
using Rivals =
    std::function<std::optional<RouteOrder>(const RouteOrder& order, const Attachment& attachment)>;

/// What reads a Gateway's view has read.
std::string view_name(const std::string& gateway);

RouteBuild build_route(Lookup& look, const Views& views, const Rivals& rivals, const kube::HTTPRoute& route);
RouteBuild build_route(Lookup& look, const Views& views, const Rivals& rivals, const kube::GRPCRoute& route);
RouteBuild build_route(Lookup& look, const Views& views, const kube::TLSRoute& route);
RouteBuild build_route(Lookup& look, const Views& views, const kube::TCPRoute& route);
RouteBuild build_route(Lookup& look, const Views& views, const kube::UDPRoute& route);

/// `before`'s rules where they are the same, so that they are the same pointers.
void keep_pointers(const RouteBuild& before, RouteBuild& now);

}  // namespace weft::gateway
