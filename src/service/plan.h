#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "kube/service.h"

/// From a Service and its EndpointSlices to what a node programs for it. Pure: objects and node facts in,
/// frontends and backends out, each with the place in the objects that caused it. One Service at a time, so
/// that the cost of an event is that of the Service it touches.
namespace weft::service {

using ServicePtr = std::shared_ptr<const kube::Service>;
using SlicePtr = std::shared_ptr<const kube::EndpointSlice>;

/// The values are those of IPPROTO_….
enum class Protocol : uint8_t { tcp = 6, udp = 17, sctp = 132 };
std::string_view name_of(Protocol protocol);

/// What the choice of endpoints depends on besides the objects.
struct NodeFacts {
  std::string name;
  std::string zone;               ///< topology.kubernetes.io/zone; empty if the node has none
  std::vector<IpAddr> addresses;  ///< those on which it offers node ports
};

/// A place among the slices that the plan was made from.
struct EndpointRef {
  uint32_t slice = 0;
  uint32_t endpoint = 0;
  bool operator==(const EndpointRef&) const = default;
};

/// One address that takes a frontend's traffic.
struct Backend {
  IpAddr addr;
  uint16_t port = 0;
  bool local = false;        ///< runs on this node
  bool terminating = false;  ///< chosen only because nothing else is left
  EndpointRef from;
};

/// Why an endpoint of the right family and port is not among the backends.
enum class Exclusion : uint8_t { not_ready, terminating, other_node, other_zone, duplicate };
struct Excluded {
  EndpointRef from;
  Exclusion reason;
};

/// Which of a Service port's endpoints a frontend may use; mesh: the proxies that take its connections.
enum class Scope : uint8_t { cluster, local, mesh };

/// How a set came by its backends.
enum class Choice : uint8_t {
  ready,
  same_node,    ///< by the endpoints' hints
  same_zone,    ///< by the endpoints' hints
  terminating,  ///< nothing is ready: serving endpoints that terminate
  none,
};

/// The backends of one Service port, family and scope; frontends share it.
struct BackendSet {
  uint32_t port = 0;  ///< index in spec.ports
  bool v6 = false;
  Scope scope = Scope::cluster;
  Choice choice = Choice::none;
  bool any_usable = false;             ///< there are usable endpoints somewhere, if not in this set
  std::vector<Backend> backends;       ///< by address and port, each once
  std::vector<Excluded> excluded;      ///< in the order of the slices
  std::vector<Backend> still_serving;  ///< excluded ones that existing UDP flows may keep
};

enum class FrontendKind : uint8_t { cluster_ip, external_ip, load_balancer, node_port };

/// What happens to a client when the set is empty: facts as kube-proxy's.
enum class WhenEmpty : uint8_t { reject, drop };

/// One way in.
struct Frontend {
  FrontendKind kind = FrontendKind::cluster_ip;
  IpAddr addr;
  uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
  uint32_t set = 0;  ///< for clients on this node: index in ServicePlan::sets
  WhenEmpty when_empty = WhenEmpty::reject;
  uint32_t edge_set = 0;  ///< for packets that come from elsewhere
  WhenEmpty edge_when_empty = WhenEmpty::reject;
  /// Only these clients may come from elsewhere (spec.loadBalancerSourceRanges); nothing: all may.
  std::optional<std::vector<IpPrefix>> sources;
  uint32_t affinity_seconds = 0;  ///< of ClientIP session affinity; 0: none
  uint32_t address_index =
      0;                    ///< in the field that `kind` names (spec.clusterIPs, …) or the node's addresses
  uint32_t port_index = 0;  ///< in spec.ports
};

/// Why a Service has no plan.
enum class Ignored : uint8_t { no, headless, external_name, no_cluster_ip, other_proxy };

struct ServicePlan {
  Ignored ignored = Ignored::no;
  std::vector<Frontend> frontends;
  std::vector<BackendSet> sets;
  /// Addresses of the Service's own that refuse ports without a frontend.
  std::vector<IpAddr> addresses;
  /// Fields that no plan can be made of: "spec.clusterIPs[0]: …", "EndpointSlice ns/name: endpoints[2]…: …".
  std::vector<std::string> problems;
};

/// `slices`: those of the Service, in any order but a stable one; references in the plan are into it.
ServicePlan plan_service(const kube::Service& service, std::span<const SlicePtr> slices,
                         const NodeFacts& node);

/// Whether, and why, a Service is none of this proxy's business.
Ignored ignored(const kube::Service& service);

/// The key "namespace/name" of the Service that a slice belongs to; empty if it names none.
std::string service_of(const kube::EndpointSlice& slice);
/// Whether the slice has not the Service's endpoints but the proxies that take connections to its cluster
/// addresses (it has the label weft.dev/mesh-of with the Service's name).
bool is_mesh(const kube::EndpointSlice& slice);

/// "Service shop/backend spec.clusterIPs[0] spec.ports[0] (http)".
std::string why(const kube::Service& service, const Frontend& frontend);
/// "EndpointSlice shop/backend-x7k2p endpoints[3] (Pod shop/backend-5b6d)".
std::string why(std::span<const SlicePtr> slices, const EndpointRef& ref);

}  // namespace weft::service
