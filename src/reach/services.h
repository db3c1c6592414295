#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reach/pods.h"
#include "trace/hop.h"

/// Where Services lead, for all pods of a node at once.
namespace weft::reach {

/// Pods of a kind at a port, or an address that is no pod's.
struct Endpoint {
  std::optional<size_t> kind;
  std::optional<IpAddr> address;  ///< of one that is no pod's
  bool v6 = false;
  uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

struct Ways {
  std::vector<Endpoint> endpoints;  ///< each once
  /// Families of the Service's addresses that have no endpoint, with what clients get.
  struct Empty {
    bool v6 = false;
    trace::Verdict verdict = trace::Verdict::refused;
  };
  std::vector<Empty> empty;
  trace::Verdict none = trace::Verdict::no_way;  ///< where there is neither
};

/// A port of a Service.
class ServicePort {
 public:
  ServicePort(const trace::World& world, const Pods& pods, const std::string& service, size_t index);

  const std::string& service() const { return service_; }
  const kube::ServicePort& port() const { return object_->spec.ports[index_]; }
  size_t index() const { return index_; }
  PortNumber number() const;
  /// There is an address that is reached from outside.
  bool has_way_in() const;
  /// Connections to its cluster addresses go to proxies first: their rules decide.
  bool is_mesh() const { return mesh_; }

  /// Nodes have different ones.
  bool by_node() const { return by_node_; }
  /// As clients on the node have it.
  const Ways& ways(const std::string& node) const;
  /// Of all nodes, in words: "Deployment shop/web 8080/TCP"; sorted.
  std::vector<std::string> leads_to() const;

 private:
  Ways from_plan(const std::string& node) const;
  Ways from_slices() const;
  Ways make(const std::string& node) const;
  void add(Ways& ways, const IpAddr& address, uint16_t port) const;
  const std::vector<service::SlicePtr>& slices() const;

  const trace::World& world_;
  const Pods& pods_;
  std::string service_;
  trace::Ptr<kube::Service> object_;
  size_t index_;
  bool by_node_ = false;
  bool mesh_ = false;
  mutable std::map<std::string, Ways> ways_;  ///< by node; "": by_node_ is not set
};

}  // namespace weft::reach
