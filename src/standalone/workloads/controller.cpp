#include "standalone/workloads/controller.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.h"
#include "kube/client/work_queue.h"
#include "kube/codec.h"
#include "standalone/workloads/daemonset_plan.h"
#include "standalone/workloads/deployment_plan.h"
#include "standalone/workloads/engine.h"
#include "standalone/workloads/node_lifecycle.h"
#include "standalone/workloads/replicaset_plan.h"
#include "standalone/workloads/statefulset_plan.h"

namespace weft::standalone {

using namespace std::chrono_literals;
using Done = asio::awaitable<bool>;

struct WorkloadControllers::Impl : std::enable_shared_from_this<Impl> {
  explicit Impl(kube::Client& client) : engine(client), node_lifecycle(engine) {}

  void wire();
  void start();

  Done sync_deployment(std::string key);
  Done sync_replica_set(std::string key);
  Done sync_stateful_set(std::string key);
  Done sync_daemon_set(std::string key);

  asio::awaitable<bool> create_replica_set(std::shared_ptr<const kube::Deployment> deployment,
                                           kube::ReplicaSet set);
  asio::awaitable<Expected<kube::Deployment>> note_revision(const kube::Deployment& deployment,
                                                            std::string revision);

  using Queue = std::shared_ptr<kube::WorkQueue>;
  Queue queue(Done (Impl::*work)(std::string));
  void add_owner(const kube::OwnerReference& owner, const std::string& ns);
  void on_pod(const PodPtr& before, const PodPtr& after);
  void on_replica_set(const ReplicaSetPtr& before, const ReplicaSetPtr& after);
  void on_old_pod_gone(const kube::Pod& pod);
  void add_all_that_select(const kube::ObjectMeta& orphan);
  static void look_again(const Queue& queue, const std::string& key, const std::optional<Seconds>& at,
                         Seconds now);

  Engine engine;
  NodeLifecycle node_lifecycle;
  Queue deployment_queue, replica_set_queue, stateful_set_queue, daemon_set_queue;
  std::map<std::string, std::string> failures;  ///< of ReplicaSets by uid, for their condition
  int unsynced = 8;
};

namespace {

/// How long an owner waits for its own changes before it looks what became of them.
constexpr std::chrono::seconds kHeldBack = 5s;
/// In a rollout each pod changes several times, and every look at its owner is one at all of the owner's
/// pods.
constexpr std::chrono::milliseconds kSettle = 20ms;

template <class T>
Expected<kube::Selector> selector_of(const T& object) {
  return kube::Selector::from(object.spec.selector.value_or(kube::LabelSelector{}));
}

/// What an owner that waits for its own changes may still do: report.
void hold_back(PodChanges& changes) {
  changes.create.clear();
  changes.remove.clear();
  changes.notes.clear();
}

}  // namespace

void WorkloadControllers::Impl::look_again(const Queue& queue, const std::string& key,
                                           const std::optional<Seconds>& at, Seconds now) {
  if (at) queue->add_after(key, std::chrono::seconds(std::max<Seconds>(1, *at - now)));
}

Done WorkloadControllers::Impl::sync_replica_set(std::string key) {
  auto set = engine.replica_sets.get(key);
  if (!set) co_return true;
  auto selector = selector_of(*set);
  if (!selector || selector->empty()) co_return true;
  Actor actor{set->metadata, kube::resource_of<kube::ReplicaSet>(), engine.replica_set_events};
  // Asked before the pods are read: what comes in between must not look as if it had been there.
  const bool seen_all = engine.expectations.satisfied(set->metadata.uid);
  auto claims = claim<kube::Pod>(set->metadata, *selector, engine.candidates(set->metadata));
  if (!co_await engine.take(actor, claims)) co_return false;

  const std::string uid = set->metadata.uid;
  auto context = engine.context();
  auto plan = plan_replica_set(*set, claims.owned, context, failures.contains(uid) ? failures[uid] : "");
  if (!seen_all) {
    hold_back(plan);
    replica_set_queue->add_after(key, co_await engine.find_missing(set->metadata) ? 0s : kHeldBack);
  }
  look_again(replica_set_queue, key, plan.look_again, context.now);
  bool ok = true;
  if (!plan.create.empty() || !plan.remove.empty()) {
    auto applied = co_await engine.apply(actor, plan);
    ok = applied.has_value();
    if (ok) {
      failures.erase(uid);
    } else {
      failures[uid] = applied.error().message;
      plan.status = plan_replica_set(*set, claims.owned, context, failures[uid]).status;
    }
  }
  if (plan.status != set->status) {
    kube::ReplicaSet updated = *set;
    updated.status = plan.status;
    ok &= co_await engine.write_status(updated);
  }
  co_return ok;
}

/// A ReplicaSet of that name may be there already: ours, not seen yet, or another's, when the short hash
/// collides.
asio::awaitable<bool> WorkloadControllers::Impl::create_replica_set(
    std::shared_ptr<const kube::Deployment> deployment, kube::ReplicaSet set) {
  const auto& resource = kube::resource_of<kube::ReplicaSet>();
  const std::string ns = set.metadata.namespace_, name = set.metadata.name;
  auto created = co_await engine.client.create(resource, ns, kube::encode(set));
  if (created) co_return true;
  Actor actor{deployment->metadata, kube::resource_of<kube::Deployment>(), engine.deployment_events};
  if (created.error().code != ErrorCode::already_exists) {
    engine.tell(actor, {"Warning", "ReplicaSetCreateError",
                        "Failed to create new replica set \"" + name + "\": " + created.error().message});
    co_return false;
  }
  auto existing = co_await engine.client.get(resource, ns, name);
  if (!existing) co_return false;
  auto decoded = kube::decode<kube::ReplicaSet>(*existing);
  if (!decoded || is_controlled_by(decoded->metadata, deployment->metadata.uid)) co_return false;
  kube::Deployment updated = *deployment;
  updated.status.collisionCount = updated.status.collisionCount.value_or(0) + 1;
  co_await engine.write_status(updated);
  co_return false;
}

asio::awaitable<Expected<kube::Deployment>> WorkloadControllers::Impl::note_revision(
    const kube::Deployment& deployment, std::string revision) {
  auto it = deployment.metadata.annotations.find(kRevisionAnnotation);
  if (revision.empty() || (it != deployment.metadata.annotations.end() && it->second == revision))
    co_return deployment;
  json::object patch{
      {"metadata", json::object{{"annotations", json::object{{kRevisionAnnotation, revision}}}}}};
  WEFT_CO_TRY(auto patched, co_await engine.client.merge_patch(kube::resource_of<kube::Deployment>(),
                                                               deployment.metadata.namespace_,
                                                               deployment.metadata.name, std::move(patch)));
  co_return kube::decode<kube::Deployment>(patched);
}

Done WorkloadControllers::Impl::sync_deployment(std::string key) {
  auto deployment = engine.deployments.get(key);
  if (!deployment) co_return true;
  auto selector = selector_of(*deployment);
  if (!selector || selector->empty()) co_return true;
  Actor actor{deployment->metadata, kube::resource_of<kube::Deployment>(), engine.deployment_events};
  ReplicaSetList candidates = engine.replica_sets.by_index(kByController, deployment->metadata.uid);
  for (auto& set : engine.replica_sets.by_index(kOrphans, deployment->metadata.namespace_))
    candidates.push_back(set);
  auto claims = claim<kube::ReplicaSet>(deployment->metadata, *selector, candidates);
  if (!co_await engine.take(actor, claims)) co_return false;

  auto old_pods_left = [&](const ReplicaSetPtr& present) {
    return std::ranges::any_of(claims.owned, [&](const ReplicaSetPtr& set) {
      auto pods = engine.pods.by_index(kByController, set->metadata.uid);
      return set != present && std::ranges::any_of(pods, [](const PodPtr& pod) {
               return pod->status.phase != "Succeeded" && pod->status.phase != "Failed";
             });
    });
  };
  auto context = engine.context();
  auto plan = plan_deployment(*deployment, claims.owned, old_pods_left, context);
  look_again(deployment_queue, key, plan.look_again, context.now);

  if (plan.create && !co_await create_replica_set(deployment, *plan.create)) co_return false;
  const auto& resource = kube::resource_of<kube::ReplicaSet>();
  for (const auto& set : plan.update) {
    auto updated = co_await engine.client.update(resource, set.metadata.namespace_, set.metadata.name,
                                                 kube::encode(set));
    if (!updated) co_return false;  // mostly a conflict: the newer one is on its way
  }
  for (const auto& set : plan.remove) {
    if (!co_await engine.remove(resource, set->metadata)) co_return false;
  }
  for (const Note& note : plan.notes) engine.tell(actor, note);
  auto current = co_await note_revision(*deployment, plan.revision);
  if (!current) co_return false;
  if (plan.status == deployment->status) co_return true;
  current->status = plan.status;
  co_return co_await engine.write_status(*current);
}

Done WorkloadControllers::Impl::sync_stateful_set(std::string key) {
  auto set = engine.stateful_sets.get(key);
  if (!set) co_return true;
  auto selector = selector_of(*set);
  if (!selector || selector->empty()) co_return true;
  Actor actor{set->metadata, kube::resource_of<kube::StatefulSet>(), engine.stateful_set_events};
  const bool seen_all = engine.expectations.satisfied(set->metadata.uid);
  PodList candidates = engine.candidates(set->metadata);
  std::erase_if(candidates,
                [&](const PodPtr& pod) { return ordinal_of(set->metadata.name, pod->metadata.name) < 0; });
  auto claims = claim<kube::Pod>(set->metadata, *selector, candidates);
  if (!co_await engine.take(actor, claims)) co_return false;

  auto context = engine.context();
  auto revisions = engine.revisions.by_index(kByController, set->metadata.uid);
  auto plan = plan_stateful_set(*set, claims.owned, revisions, context);
  if (!seen_all) {
    hold_back(plan);
    stateful_set_queue->add_after(key, co_await engine.find_missing(set->metadata) ? 0s : kHeldBack);
  }
  look_again(stateful_set_queue, key, plan.look_again, context.now);
  bool ok = true;
  if (!set->metadata.deletionTimestamp) {
    ok = (co_await engine.apply(plan.revision, plan.remove_revisions)).has_value();
    // Pods wait until the revision they are of is on record.
    if (ok) ok = (co_await engine.apply(actor, plan)).has_value();
  }
  if (plan.status != set->status) {
    kube::StatefulSet updated = *set;
    updated.status = plan.status;
    ok &= co_await engine.write_status(updated);
  }
  co_return ok;
}

Done WorkloadControllers::Impl::sync_daemon_set(std::string key) {
  auto set = engine.daemon_sets.get(key);
  if (!set) co_return true;
  auto selector = selector_of(*set);
  if (!selector || selector->empty()) co_return true;
  Actor actor{set->metadata, kube::resource_of<kube::DaemonSet>(), engine.daemon_set_events};
  // Asked before the pods are read: what comes in between must not look as if it had been there.
  const bool seen_all = engine.expectations.satisfied(set->metadata.uid);
  auto claims = claim<kube::Pod>(set->metadata, *selector, engine.candidates(set->metadata));
  if (!co_await engine.take(actor, claims)) co_return false;

  std::vector<NodePtr> nodes;
  for (const auto& [name, node] : engine.nodes.items()) nodes.push_back(node);
  std::ranges::sort(nodes, {}, [](const NodePtr& node) { return node->metadata.name; });
  auto context = engine.context();
  auto revisions = engine.revisions.by_index(kByController, set->metadata.uid);
  auto plan = plan_daemon_set(*set, nodes, claims.owned, revisions, context);
  if (!seen_all) {
    hold_back(plan);
    daemon_set_queue->add_after(key, co_await engine.find_missing(set->metadata) ? 0s : kHeldBack);
  }
  look_again(daemon_set_queue, key, plan.look_again, context.now);
  bool ok = true;
  if (!set->metadata.deletionTimestamp) {
    ok = (co_await engine.apply(plan.revision, plan.remove_revisions)).has_value();
    if (ok) ok = (co_await engine.apply(actor, plan)).has_value();
  }
  if (plan.status != set->status) {
    kube::DaemonSet updated = *set;
    updated.status = plan.status;
    ok &= co_await engine.write_status(updated);
  }
  co_return ok;
}

void WorkloadControllers::Impl::add_owner(const kube::OwnerReference& owner, const std::string& ns) {
  const std::string key = kube::object_key(ns, owner.name);
  if (!owner.apiVersion.starts_with("apps/")) return;
  if (owner.kind == "ReplicaSet") replica_set_queue->add(key);
  if (owner.kind == "StatefulSet") stateful_set_queue->add(key);
  if (owner.kind == "DaemonSet") daemon_set_queue->add(key);
  if (owner.kind == "Deployment") deployment_queue->add(key);
}

void WorkloadControllers::Impl::add_all_that_select(const kube::ObjectMeta& orphan) {
  auto look = [&](auto& informer, const Queue& queue) {
    for (const auto& object : informer.by_index(kByNamespace, orphan.namespace_)) {
      auto selector = selector_of(*object);
      if (selector && !selector->empty() && selector->matches(orphan.labels))
        queue->add(kube::object_key(object->metadata));
    }
  };
  look(engine.replica_sets, replica_set_queue);
  look(engine.stateful_sets, stateful_set_queue);
  look(engine.daemon_sets, daemon_set_queue);
}

void WorkloadControllers::Impl::on_pod(const PodPtr& before, const PodPtr& after) {
  const kube::Pod& pod = after ? *after : *before;
  const std::string& ns = pod.metadata.namespace_;
  for (const auto& version : {before, after}) {
    const auto* owner = version ? controller_of(version->metadata) : nullptr;
    if (!owner) continue;
    if (after) engine.expectations.seen(owner->uid, kube::object_key(pod.metadata));
    if (!after || after->metadata.deletionTimestamp || after->metadata.uid != version->metadata.uid)
      engine.expectations.seen(owner->uid, version->metadata.uid);
    add_owner(*owner, ns);
  }
  if (after && !controller_of(after->metadata)) add_all_that_select(after->metadata);
  if (!after) on_old_pod_gone(*before);
}

/// A Deployment that recreates waits for the last pod of the old template.
void WorkloadControllers::Impl::on_old_pod_gone(const kube::Pod& pod) {
  const auto* owner = controller_of(pod.metadata);
  if (!owner || owner->kind != "ReplicaSet") return;
  auto set = engine.replica_sets.get(kube::object_key(pod.metadata.namespace_, owner->name));
  const auto* deployment = set ? controller_of(set->metadata) : nullptr;
  if (deployment) add_owner(*deployment, pod.metadata.namespace_);
}

void WorkloadControllers::Impl::on_replica_set(const ReplicaSetPtr& before, const ReplicaSetPtr& after) {
  const kube::ReplicaSet& set = after ? *after : *before;
  replica_set_queue->add(kube::object_key(set.metadata));
  if (!after) {
    engine.expectations.forget(set.metadata.uid);
    failures.erase(set.metadata.uid);
  }
  for (const auto& version : {before, after}) {
    const auto* owner = version ? controller_of(version->metadata) : nullptr;
    if (owner) add_owner(*owner, set.metadata.namespace_);
  }
  if (!after || controller_of(after->metadata)) return;
  for (const auto& deployment : engine.deployments.by_index(kByNamespace, set.metadata.namespace_)) {
    auto selector = selector_of(*deployment);
    if (selector && !selector->empty() && selector->matches(set.metadata.labels)) {
      deployment_queue->add(kube::object_key(deployment->metadata));
    }
  }
}

WorkloadControllers::Impl::Queue WorkloadControllers::Impl::queue(Done (Impl::*work)(std::string)) {
  return std::make_shared<kube::WorkQueue>(
      engine.client.io(),
      [weak = weak_from_this(), work](std::string key) -> Done {
        auto self = weak.lock();
        if (!self) co_return true;
        co_return co_await ((*self).*work)(std::move(key));
      },
      kube::WorkQueue::Options{.settle = kSettle});
}

void WorkloadControllers::Impl::wire() {
  deployment_queue = queue(&Impl::sync_deployment);
  replica_set_queue = queue(&Impl::sync_replica_set);
  stateful_set_queue = queue(&Impl::sync_stateful_set);
  daemon_set_queue = queue(&Impl::sync_daemon_set);

  auto into = [this](Queue& queue) {
    return [this, &queue](const auto& before, const auto& after) {
      const auto& meta = after ? after->metadata : before->metadata;
      if (!after) engine.expectations.forget(meta.uid);
      queue->add(kube::object_key(meta));
    };
  };
  node_lifecycle.wire();
  engine.deployments.on_change(into(deployment_queue));
  engine.stateful_sets.on_change(into(stateful_set_queue));
  engine.daemon_sets.on_change(into(daemon_set_queue));
  engine.replica_sets.on_change(
      [this](const auto& before, const auto& after) { on_replica_set(before, after); });
  engine.pods.on_change([this](const auto& before, const auto& after) { on_pod(before, after); });
  engine.revisions.on_change([this](const auto& before, const auto& after) {
    const auto& meta = after ? after->metadata : before->metadata;
    if (const auto* owner = controller_of(meta)) add_owner(*owner, meta.namespace_);
  });
  engine.nodes.on_change([this](const auto& before, const auto& after) {
    // Heartbeats change nothing about where daemons run.
    if (before && after && before->metadata.labels == after->metadata.labels && before->spec == after->spec)
      return;
    for (const auto& [key, set] : engine.daemon_sets.items()) daemon_set_queue->add(key);
  });
}

void WorkloadControllers::Impl::start() {
  wire();
  auto run = [this](auto& informer) {
    informer.on_synced([this] {
      if (--unsynced > 0) return;
      for (const auto& queue : {deployment_queue, replica_set_queue, stateful_set_queue, daemon_set_queue})
        queue->start();
      node_lifecycle.start();
    });
    auto watch = [](std::shared_ptr<Impl>, auto* watched) -> asio::awaitable<void> {
      co_await watched->run();
    };
    asio::co_spawn(engine.client.io(), watch(shared_from_this(), &informer), asio::detached);
  };
  run(engine.deployments);
  run(engine.replica_sets);
  run(engine.stateful_sets);
  run(engine.daemon_sets);
  run(engine.revisions);
  run(engine.pods);
  run(engine.nodes);
  run(engine.leases);
}

WorkloadControllers::WorkloadControllers(kube::Client& client) : impl_(std::make_shared<Impl>(client)) {}
WorkloadControllers::~WorkloadControllers() = default;
void WorkloadControllers::start() { impl_->start(); }

}  // namespace weft::standalone
