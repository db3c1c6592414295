#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "kube/json.h"
#include "kube/node.h"
#include "kube/service.h"

/// How connections get to the proxies: each Gateway has a Service of type LoadBalancer in its namespace whose
/// endpoints are the nodes, at ports that are the Gateway's alone. The Service is the only record of these
/// ports. Pure: what a Gateway asks for and the objects that are there in, objects out.
namespace weft::gateway {

/// Ports at which proxies listen for Gateways: above those that hosts use for connections of their own.
inline constexpr uint16_t kFirstBindPort = 61000;
inline constexpr uint16_t kLastBindPort = 65535;
/// Who makes the Services and EndpointSlices, as their labels say.
inline constexpr const char* kInfrastructureManager = "weft-gateway";
/// Under which Ingresses have their way in, as if they were a Gateway of this namespace and name.
inline constexpr std::string_view kIngressGateway = "kube-system/weft-ingress";

struct PortKey {
  uint16_t port = 0;
  bool udp = false;
  auto operator<=>(const PortKey&) const = default;
};

using BindPorts = std::map<PortKey, uint16_t>;

/// What a Gateway asks for.
struct Entrance {
  std::string namespace_;
  std::string gateway;            ///< its name
  std::string uid;                ///< empty: nobody owns it (that of the Ingresses)
  std::string class_;             ///< of the Gateway
  std::set<PortKey> ports;        ///< of all its listeners
  std::vector<IpAddr> addresses;  ///< that it wants, at most one a family
  kube::StringMap labels;         ///< spec.infrastructure
  kube::StringMap annotations;    ///< spec.infrastructure
  /// Of a Service that routes have as their parent (then `gateway` and `uid` are the Service's): the names of
  /// its ports. It has its way in already, and slices that lead it to the proxies (mesh_slices.h).
  std::map<PortKey, std::string> service_ports;
  /// "namespace/name"; of a Service mesh_key().
  std::string key() const;
  bool operator==(const Entrance&) const = default;
};

/// What it has got.
struct Infrastructure {
  std::vector<IpAddr> addresses;
  BindPorts bind_ports;
  bool operator==(const Infrastructure&) const = default;
};

/// "namespace/name" of the Gateway whose entrance this Service is, or nothing.
std::optional<std::string> gateway_of(const kube::Service& service);
Infrastructure infrastructure_of(const kube::Service& service);

/// Who has which port. One that was given back is given again only after all others, as its last owner's
/// connections may still be at it.
class BindPortTable {
 public:
  /// Takes note of what a Gateway has (by its Service), unless it is known already.
  void put(const std::string& gateway, const BindPorts& ports);
  void erase(const std::string& gateway);
  /// The ports that the Gateway has had, and new ones for what is new; they are its own from now on.
  /// ErrorCode::exhausted when all are taken.
  Expected<BindPorts> assign(const std::string& gateway, const std::set<PortKey>& wanted);

 private:
  std::optional<uint16_t> take(bool udp, const std::string& gateway);

  std::map<std::string, BindPorts> by_gateway_;
  std::map<std::pair<bool, uint16_t>, std::string> owners_;  ///< of (udp, bind port)
  uint16_t next_ = kFirstBindPort;
};

/// Name of the Service and of what belongs to it.
std::string service_name(const Entrance& entrance);
/// The fields that have to be as here; all others are none of our business.
json::object entrance_service(const Entrance& entrance, const BindPorts& ports);
/// The slices of that Service: those of the nodes that are ready, each for its own pods first.
std::vector<json::object> entrance_slices(const Entrance& entrance, const std::string& service_uid,
                                          const BindPorts& ports,
                                          const std::map<std::string, const kube::Node*>& nodes);

/// Those nodes that have an address of the family and are ready, as endpoints.
json::array endpoints_of(const std::map<std::string, const kube::Node*>& nodes, bool v6);
inline constexpr size_t kEndpointsInASlice = 1000;  ///< that an API server takes

/// Whether the slices say the same of both.
bool serves_alike(const kube::Node& a, const kube::Node& b);

/// Whether `actual` has all that `wanted` has: members of objects by name, elements of lists one by one and
/// as many.
bool has_all(const json::value& actual, const json::value& wanted);

}  // namespace weft::gateway
