#pragma once

#include <map>
#include <random>
#include <set>

#include "kube/client/client.h"
#include "kube/client/events.h"
#include "kube/client/informer.h"
#include "kube/config.h"
#include "kube/node.h"
#include "standalone/workloads/common.h"
#include "standalone/workloads/deployment_plan.h"
#include "standalone/workloads/revisions.h"

/// What all workload controllers stand on: caches with their indexes, the writing of pods, and events.
namespace weft::standalone {

/// What was asked of the server but has not come back through the watch yet. While an owner waits for
/// something, nothing more is created or deleted for it: its view of its pods is known to be old.
class Expectations {
 public:
  void creating(const std::string& owner, const std::string& pod_key);
  void deleting(const std::string& owner, const std::string& pod_uid);
  void seen(const std::string& owner, const std::string& what);
  void forget(const std::string& owner) { waiting_.erase(owner); }
  /// Also after half a minute without news, so that a lost event cannot stop an owner for ever.
  bool satisfied(const std::string& owner) const;
  /// Pods whose creation has not come back for a few seconds.
  std::vector<std::string> overdue(const std::string& owner) const;

 private:
  struct Entry {
    std::set<std::string> created, deleted;
    std::chrono::steady_clock::time_point since;
  };
  std::unordered_map<std::string, Entry> waiting_;
};

/// Who acts: the object whose controller it is.
struct Actor {
  const kube::ObjectMeta& meta;
  const kube::ResourceInfo& resource;
  kube::EventRecorder& events;
};

class Engine {
 public:
  explicit Engine(kube::Client& client);

  PlanContext context();

  /// All pods of one owner and those that have none in its namespace: what `claim` chooses from.
  PodList candidates(const kube::ObjectMeta& owner) const;
  /// Adopts and releases; false when the server refused.
  template <class T>
  asio::awaitable<bool> take(Actor actor, const Claims<T>& claims);
  /// Creates and deletes pods and tells about it; the error of the first that failed.
  asio::awaitable<Expected<void>> apply(Actor actor, const PodChanges& changes);
  /// Asks the server about pods that should have come long ago: one that was deleted while the watch was cut
  /// never comes. True when the owner need not wait any more.
  asio::awaitable<bool> find_missing(const kube::ObjectMeta& owner);
  /// Keeps revisions as planned.
  asio::awaitable<Expected<void>> apply(const RevisionPlan& plan, const RevisionList& remove);
  /// Writes `object`'s status; a conflict or a vanished object is false, and the watch tells more.
  template <class T>
  asio::awaitable<bool> write_status(const T& object);
  asio::awaitable<Expected<void>> remove(const kube::ResourceInfo& resource, const kube::ObjectMeta& meta);
  void tell(const Actor& actor, const Note& note);

  kube::Client& client;
  kube::Informer<kube::Deployment> deployments;
  kube::Informer<kube::ReplicaSet> replica_sets;
  kube::Informer<kube::StatefulSet> stateful_sets;
  kube::Informer<kube::DaemonSet> daemon_sets;
  kube::Informer<kube::ControllerRevision> revisions;
  kube::Informer<kube::Pod> pods;
  kube::Informer<kube::Node> nodes;
  kube::Informer<kube::Lease> leases;
  kube::EventRecorder deployment_events, replica_set_events, stateful_set_events, daemon_set_events;
  Expectations expectations;

 private:
  asio::awaitable<bool> patch_owner(const kube::ResourceInfo& resource, const kube::ObjectMeta& meta,
                                    std::vector<kube::OwnerReference> owners);
  std::string random_suffix();
  std::mt19937 random_;
};

/// Names of indexes.
inline constexpr const char* kByController = "controller";  ///< the controller's uid
inline constexpr const char* kOrphans = "orphans";  ///< the namespace, of objects without a controller
inline constexpr const char* kByNamespace = "namespace";
inline constexpr const char* kByNode = "node";  ///< the name of the node a pod is bound to

template <class T>
asio::awaitable<bool> Engine::take(Actor actor, const Claims<T>& claims) {
  bool ok = true;
  for (const auto& object : claims.adopt) {
    auto owners = object->metadata.ownerReferences;
    owners.push_back(controller_reference(actor.resource.api_version(), actor.resource.kind, actor.meta));
    ok &= co_await patch_owner(kube::resource_of<T>(), object->metadata, std::move(owners));
  }
  for (const auto& object : claims.release) {
    auto owners = object->metadata.ownerReferences;
    std::erase_if(owners, [&](const auto& reference) { return reference.uid == actor.meta.uid; });
    ok &= co_await patch_owner(kube::resource_of<T>(), object->metadata, std::move(owners));
  }
  co_return ok;
}

template <class T>
asio::awaitable<bool> Engine::write_status(const T& object) {
  auto written = co_await client.update(kube::resource_of<T>(), object.metadata.namespace_,
                                        object.metadata.name, kube::encode(object), "status");
  co_return written || written.error().code == ErrorCode::not_found;
}

}  // namespace weft::standalone
