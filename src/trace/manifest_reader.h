#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kube/cluster_network_policy.h"
#include "kube/networking.h"
#include "kube/weft_types.h"
#include "trace/world.h"

namespace weft::trace {

/// Manifests as typed objects, and workloads as the pods that they ask for. What is of no kind that
/// networking knows is passed over.
class ManifestReader {
 public:
  ManifestReader(World& world, const Machinery& machinery) : world_(world), machinery_(machinery) {}

  Expected<void> read(const std::vector<kube::YamlDocument>& manifests);

  // Besides what went into the world.
  ByKey<kube::NetworkPolicy> policies;
  ByKey<kube::ClusterNetworkPolicy> cluster_policies;
  ByKey<kube::Endpoints> endpoints;
  ByKey<kube::AddressPool> pools;
  std::vector<service::SlicePtr> slices;  ///< that are written
  /// What the Gateway plan alone reads: told to it in this order.
  std::vector<std::function<void(gateway::GatewayPlan&)>> for_gateways;

 private:
  /// A completed object, and the document it is from (nullptr: it is assumed).
  struct Item {
    json::value value;
    const kube::YamlDocument* document = nullptr;
    std::string kind, key;
  };
  Expected<Item> complete(const kube::YamlDocument& document, bool assumed);
  Expected<void> add(const Item& item);
  template <class T>
  Expected<Ptr<T>> decoded(const Item& item) const;
  template <class T>
  Expected<void> add_to(ByKey<T>& list, const Item& item);
  template <class T>
  Expected<void> add_for_gateways(const Item& item);
  template <class T>
  Expected<void> add_route(const Item& item);
  Expected<void> add_pod(const Item& item);
  Expected<void> add_workload(const Item& item);
  Expected<void> make_pods(const Item& item);
  /// What the pods of a workload differ in.
  struct Replica {
    std::string name;
    std::string node;      ///< empty: where the scheduler puts it
    int64_t ordinal = -1;  ///< of a StatefulSet's
  };
  Expected<void> add_pods_of(const Item& workload, const std::vector<Replica>& replicas);
  void put_pod(const std::string& key, kube::Pod pod);
  std::vector<std::string> nodes_for(const Item& daemon_set) const;
  bool has_own_pods(const Item& workload) const;
  void place(kube::Pod& pod);
  void note_addresses(const Item& item);
  IpAddr next_address(const std::string& text, const IpPrefix& range);
  void give_address(kube::Pod& pod);
  void name_namespaces();

  World& world_;
  const Machinery& machinery_;
  std::map<std::string, int> pods_of_nodes_;
  std::map<std::string, uint64_t> next_address_;  ///< by the range of a node
  std::set<IpAddr> stated_;                       ///< addresses of pods that have a status
  std::set<std::string> owners_;                  ///< "kind/namespace/name" of those whose pods are written
  std::map<std::string, std::string> owner_of_;   ///< of ReplicaSets and Jobs: what has made them
};

}  // namespace weft::trace
