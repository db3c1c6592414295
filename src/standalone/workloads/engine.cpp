#include "standalone/workloads/engine.h"

#include <fmt/format.h>

#include <chrono>

#include "base/log.h"
#include "kube/codec.h"

namespace weft::standalone {
namespace {

constexpr auto kExpectationLife = std::chrono::seconds(30);
constexpr auto kOverdue = std::chrono::seconds(4);

template <class T>
void index_by_owner(kube::Informer<T>& informer) {
  informer.add_index(kByController, [](const T& object) -> std::vector<std::string> {
    const auto* controller = controller_of(object.metadata);
    return controller ? std::vector{controller->uid} : std::vector<std::string>{};
  });
  informer.add_index(kOrphans, [](const T& object) -> std::vector<std::string> {
    return controller_of(object.metadata) ? std::vector<std::string>{}
                                          : std::vector{object.metadata.namespace_};
  });
}

template <class T>
void index_by_namespace(kube::Informer<T>& informer) {
  informer.add_index(kByNamespace, [](const T& object) { return std::vector{object.metadata.namespace_}; });
}

Seconds wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())
      .time_since_epoch()
      .count();
}

}  // namespace

void Expectations::creating(const std::string& owner, const std::string& pod_key) {
  auto& entry = waiting_[owner];
  entry.created.insert(pod_key);
  entry.since = std::chrono::steady_clock::now();
}

void Expectations::deleting(const std::string& owner, const std::string& pod_uid) {
  auto& entry = waiting_[owner];
  entry.deleted.insert(pod_uid);
  entry.since = std::chrono::steady_clock::now();
}

void Expectations::seen(const std::string& owner, const std::string& what) {
  auto it = waiting_.find(owner);
  if (it == waiting_.end()) return;
  auto& entry = it->second;
  entry.created.erase(what);
  entry.deleted.erase(what);
  if (entry.created.empty() && entry.deleted.empty()) waiting_.erase(it);
}

bool Expectations::satisfied(const std::string& owner) const {
  auto it = waiting_.find(owner);
  return it == waiting_.end() || it->second.since + kExpectationLife < std::chrono::steady_clock::now();
}

std::vector<std::string> Expectations::overdue(const std::string& owner) const {
  auto it = waiting_.find(owner);
  if (it == waiting_.end() || it->second.since + kOverdue > std::chrono::steady_clock::now()) return {};
  return {it->second.created.begin(), it->second.created.end()};
}

Engine::Engine(kube::Client& client_in)
    : client(client_in),
      deployments(client),
      replica_sets(client),
      stateful_sets(client),
      daemon_sets(client),
      revisions(client),
      pods(client),
      nodes(client),
      leases(client),
      deployment_events(client, "deployment-controller"),
      replica_set_events(client, "replicaset-controller"),
      stateful_set_events(client, "statefulset-controller"),
      daemon_set_events(client, "daemonset-controller"),
      random_(std::random_device{}()) {
  index_by_owner(pods);
  pods.add_index(kByNode, [](const kube::Pod& pod) {
    return pod.spec.nodeName.empty() ? std::vector<std::string>{} : std::vector{pod.spec.nodeName};
  });
  index_by_owner(replica_sets);
  index_by_owner(revisions);
  index_by_namespace(deployments);
  index_by_namespace(replica_sets);
  index_by_namespace(stateful_sets);
  index_by_namespace(daemon_sets);
}

PlanContext Engine::context() {
  return {.now = wall_clock(), .suffix = [this] { return random_suffix(); }};
}

std::string Engine::random_suffix() {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (int i = 0; i < 5; ++i) out += kLetters[random_() % kLetters.size()];
  return out;
}

PodList Engine::candidates(const kube::ObjectMeta& owner) const {
  PodList out = pods.by_index(kByController, owner.uid);
  for (auto& pod : pods.by_index(kOrphans, owner.namespace_)) out.push_back(pod);
  return out;
}

asio::awaitable<bool> Engine::patch_owner(const kube::ResourceInfo& resource, const kube::ObjectMeta& meta,
                                          std::vector<kube::OwnerReference> owners) {
  json::array references;
  for (const auto& owner : owners) {
    json::object reference{
        {"apiVersion", owner.apiVersion}, {"kind", owner.kind}, {"name", owner.name}, {"uid", owner.uid}};
    if (owner.controller) reference["controller"] = *owner.controller;
    if (owner.blockOwnerDeletion) reference["blockOwnerDeletion"] = *owner.blockOwnerDeletion;
    references.push_back(std::move(reference));
  }
  // With the version that was read: another controller may have been faster.
  json::object patch{
      {"metadata", json::object{{"resourceVersion", meta.resourceVersion}, {"ownerReferences", references}}}};
  auto patched = co_await client.merge_patch(resource, meta.namespace_, meta.name, std::move(patch));
  if (!patched)
    spdlog::debug("owner of {} {}: {}", resource.kind, kube::object_key(meta), patched.error().message);
  co_return patched.has_value();
}

asio::awaitable<Expected<void>> Engine::remove(const kube::ResourceInfo& resource,
                                               const kube::ObjectMeta& meta) {
  json::object options{{"preconditions", json::object{{"uid", meta.uid}}}};
  auto removed = co_await client.remove(resource, meta.namespace_, meta.name, std::move(options));
  // A conflict may mean that another has this name now, but also only that somebody else was writing: whoever
  // asks looks again.
  if (!removed && removed.error().code != ErrorCode::not_found)
    co_return std::unexpected(std::move(removed).error());
  co_return Expected<void>{};
}

asio::awaitable<Expected<void>> Engine::apply(Actor actor, const PodChanges& changes) {
  const auto& resource = kube::resource_of<kube::Pod>();
  const std::string owner = actor.meta.uid;
  for (const kube::Pod& pod : changes.create) {
    const std::string key = kube::object_key(pod.metadata);
    expectations.creating(owner, key);
    auto created = co_await client.create(resource, pod.metadata.namespace_, kube::encode(pod));
    if (created) continue;
    expectations.seen(owner, key);
    tell(actor, {"Warning", "FailedCreate", fmt::format("Error creating: {}", created.error().message)});
    co_return std::unexpected(std::move(created).error());
  }
  for (const PodPtr& pod : changes.remove) {
    if (pod->metadata.deletionTimestamp) continue;
    expectations.deleting(owner, pod->metadata.uid);
    auto removed = co_await remove(resource, pod->metadata);
    if (removed) {
      // It may have been gone before: then no event will come.
      auto cached = pods.get(kube::object_key(pod->metadata));
      if (!cached || cached->metadata.uid != pod->metadata.uid || cached->metadata.deletionTimestamp) {
        expectations.seen(owner, pod->metadata.uid);
      }
      continue;
    }
    expectations.seen(owner, pod->metadata.uid);
    if (removed.error().code != ErrorCode::conflict)
      tell(actor, {"Warning", "FailedDelete", fmt::format("Error deleting: {}", removed.error().message)});
    co_return std::unexpected(std::move(removed).error());
  }
  for (const Note& note : changes.notes) tell(actor, note);
  co_return Expected<void>{};
}

asio::awaitable<bool> Engine::find_missing(const kube::ObjectMeta& owner) {
  const std::string uid = owner.uid, ns = owner.namespace_;
  for (const auto& key : expectations.overdue(uid)) {
    auto found = co_await client.get(kube::resource_of<kube::Pod>(), ns, key.substr(key.find('/') + 1));
    if (!found && found.error().code == ErrorCode::not_found) expectations.seen(uid, key);
  }
  co_return expectations.satisfied(uid);
}

asio::awaitable<Expected<void>> Engine::apply(const RevisionPlan& plan, const RevisionList& remove_list) {
  const auto& resource = kube::resource_of<kube::ControllerRevision>();
  const auto& meta = plan.present.metadata;
  if (plan.create) {
    auto created = co_await client.create(resource, meta.namespace_, kube::encode(plan.present));
    if (!created && created.error().code != ErrorCode::already_exists)
      co_return std::unexpected(created.error());
  } else if (plan.renumber) {
    auto updated = co_await client.update(resource, meta.namespace_, meta.name, kube::encode(plan.present));
    if (!updated) co_return std::unexpected(updated.error());
  }
  for (const auto& revision : remove_list) WEFT_CO_CHECK(co_await remove(resource, revision->metadata));
  co_return Expected<void>{};
}

void Engine::tell(const Actor& actor, const Note& note) {
  using Type = kube::EventRecorder::Type;
  actor.events.record(kube::reference_to(actor.resource, actor.meta),
                      note.type == "Normal" ? Type::normal : Type::warning, note.reason, note.message);
}

}  // namespace weft::standalone
