#include "standalone/workloads/deployment_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "kube/codec.h"
#include "kube/json.h"
#include "standalone/workloads/deployment_status.h"

namespace weft::standalone {
namespace {

constexpr const char* kDesiredAnnotation = "deployment.kubernetes.io/desired-replicas";
constexpr const char* kMaxAnnotation = "deployment.kubernetes.io/max-replicas";
constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

int64_t number_of(const kube::StringMap& annotations, const char* key) {
  int64_t number = 0;
  if (auto it = annotations.find(key); it != annotations.end()) {
    std::from_chars(it->second.data(), it->second.data() + it->second.size(), number);
  }
  return number;
}

std::string template_hash(const kube::Deployment& deployment) {
  const json::value encoded = kube::encode(deployment);
  const json::value* tmpl = kube::at_path(encoded, "spec.template");
  return short_hash(tmpl ? *tmpl : json::value(), deployment.status.collisionCount.value_or(0));
}

int replicas_of(const kube::ReplicaSet& set) { return set.spec.replicas.value_or(1); }

/// A planning step: the sets as they are to become, changed in place; those that differ in the end are
/// written.
class Rollout {
 public:
  Rollout(const kube::Deployment& deployment, const ReplicaSetList& sets, const PlanContext& context)
      : deployment_(deployment), context_(context), limits_(rollout_limits(deployment)) {
    ReplicaSetPtr present = find_new_replica_set(deployment, sets);
    for (const auto& set : sets) {
      (set == present ? present_ : old_).push_back({set, *set});
    }
    // Oldest first, as the oldest is scaled down first.
    std::ranges::sort(old_, [](const Entry& a, const Entry& b) {
      return std::pair(a.now.metadata.creationTimestamp, a.now.metadata.name) <
             std::pair(b.now.metadata.creationTimestamp, b.now.metadata.name);
    });
  }

  DeploymentPlan plan(const std::function<bool(const ReplicaSetPtr&)>& old_pods_left);

 private:
  struct Entry {
    ReplicaSetPtr before;  ///< null: to be created
    kube::ReplicaSet now;
  };

  int desired() const { return limits_.desired; }
  bool has_present() const { return !present_.empty(); }
  int total() const {
    int sum = has_present() ? replicas_of(present_[0].now) : 0;
    for (const Entry& entry : old_) sum += replicas_of(entry.now);
    return sum;
  }
  /// Pods that may exist: a set that was made smaller has those of its status until it has deleted them.
  int existing() const {
    auto most = [](const Entry& entry) {
      return std::max(replicas_of(entry.now), entry.now.status.replicas);
    };
    int sum = has_present() ? most(present_[0]) : 0;
    for (const Entry& entry : old_) sum += most(entry);
    return sum;
  }
  void ensure_present();
  void scale(Entry& entry, int replicas);
  bool scaled_by_user() const;
  void scale_in_proportion();
  void roll();
  void roll_old();
  void recreate(bool old_pods_left);
  void clean_up();
  std::string note_revision();
  void annotate(Entry& entry) const;

  const kube::Deployment& deployment_;
  const PlanContext& context_;
  const RolloutLimits limits_;
  std::vector<Entry> present_;  ///< at most one
  std::vector<Entry> old_;
  DeploymentPlan plan_;
};

/// The present template's ReplicaSet, made when there is none yet.
void Rollout::ensure_present() {
  if (has_present()) return;
  kube::ReplicaSet set;
  const std::string hash = template_hash(deployment_);
  set.metadata.name = deployment_.metadata.name + "-" + hash;
  set.metadata.namespace_ = deployment_.metadata.namespace_;
  set.metadata.ownerReferences.push_back(controller_reference("apps/v1", "Deployment", deployment_.metadata));
  set.spec.template_ = deployment_.spec.template_;
  set.spec.template_.metadata.labels[kTemplateHashLabel] = hash;
  set.metadata.labels = set.spec.template_.metadata.labels;
  set.spec.selector = deployment_.spec.selector.value_or(kube::LabelSelector{});
  set.spec.selector->matchLabels[kTemplateHashLabel] = hash;
  set.spec.minReadySeconds = deployment_.spec.minReadySeconds;
  set.spec.replicas = 0;
  present_.push_back({nullptr, std::move(set)});
}

void Rollout::scale(Entry& entry, int replicas) {
  int before = replicas_of(entry.now);
  if (before == replicas) return;
  entry.now.spec.replicas = replicas;
  plan_.notes.push_back(
      {"Normal", "ScalingReplicaSet",
       fmt::format("Scaled {} replica set {} from {} to {}", replicas > before ? "up" : "down",
                   entry.now.metadata.name, before, replicas)});
}

void Rollout::annotate(Entry& entry) const {
  auto& annotations = entry.now.metadata.annotations;
  annotations[kDesiredAnnotation] = std::to_string(desired());
  annotations[kMaxAnnotation] = std::to_string(desired() + limits_.max_surge);
}

/// Whether spec.replicas is another than when the sets were last scaled.
bool Rollout::scaled_by_user() const {
  auto differs = [&](const Entry& entry) {
    return entry.before && replicas_of(entry.now) > 0 &&
           entry.now.metadata.annotations.contains(kDesiredAnnotation) &&
           number_of(entry.now.metadata.annotations, kDesiredAnnotation) != desired();
  };
  return std::ranges::any_of(present_, differs) || std::ranges::any_of(old_, differs);
}

/// In the middle of a rollout (or paused) a new size is shared out among the sets by their present sizes; a
/// lone set takes it all.
void Rollout::scale_in_proportion() {
  std::vector<Entry*> active;
  for (auto* list : {&present_, &old_}) {
    for (Entry& entry : *list) {
      if (replicas_of(entry.now) > 0) active.push_back(&entry);
    }
  }
  if (active.empty() && has_present()) active.push_back(&present_[0]);
  if (active.size() == 1) {
    scale(*active[0], desired());
    return annotate(*active[0]);
  }
  if (!scaled_by_user()) return;  // paused between two sets: they stay as they are
  const int allowed = desired() > 0 ? desired() + limits_.max_surge : 0;
  int left = allowed - total();
  std::ranges::sort(active, [](const Entry* a, const Entry* b) {
    return std::pair(-replicas_of(a->now), a->now.metadata.name) <
           std::pair(-replicas_of(b->now), b->now.metadata.name);
  });
  const int direction = left;
  for (Entry* entry : active) {
    int size = replicas_of(entry->now);
    auto base = std::max<int64_t>(1, number_of(entry->now.metadata.annotations, kMaxAnnotation));
    int share = static_cast<int>((static_cast<int64_t>(size) * allowed + base / 2) / base) - size;
    share = direction > 0 ? std::clamp(share, 0, std::max(left, 0)) : std::clamp(share, std::min(left, 0), 0);
    scale(*entry, std::max(0, size + share));
    annotate(*entry);
    left -= share;
  }
  // What rounding left over goes to the largest.
  if (left != 0 && !active.empty()) scale(*active[0], std::max(0, replicas_of(active[0]->now) + left));
}

void Rollout::roll() {
  Entry& present = present_[0];
  const int size = replicas_of(present.now);
  int target = size;
  if (size > desired()) {
    target = desired();
  } else if (size < desired()) {
    int room = desired() + limits_.max_surge - existing();
    target = size + std::clamp(room, 0, desired() - size);
  }
  annotate(present);
  if (target != size) return scale(present, target);
  roll_old();
}

void Rollout::roll_old() {
  auto sum = [&](auto member) {
    return std::accumulate(old_.begin(), old_.end(), 0,
                           [&](int n, const Entry& e) { return n + member(e.now); });
  };
  if (sum(replicas_of) == 0) return;
  const Entry& present = present_[0];
  const int present_available = present.before ? present.now.status.availableReplicas : 0;
  const int min_available = desired() - limits_.max_unavailable;
  int may_go = total() - min_available - (replicas_of(present.now) - present_available);
  if (may_go <= 0) return;
  std::vector<int> target;
  // Pods that do not work go first: nothing is lost with them.
  for (const Entry& entry : old_) {
    int size = replicas_of(entry.now);
    int broken = std::clamp(size - entry.now.status.availableReplicas, 0, may_go);
    may_go -= broken;
    target.push_back(size - broken);
  }
  int spare = present_available +
              sum([](const kube::ReplicaSet& set) { return set.status.availableReplicas; }) - min_available;
  spare = std::min(spare, may_go);
  for (size_t i = 0; i < old_.size(); ++i) {
    int gone = std::clamp(spare, 0, target[i]);
    spare -= gone;
    scale(old_[i], target[i] - gone);
    annotate(old_[i]);
  }
}

void Rollout::recreate(bool old_pods_left) {
  bool scaled = false;
  for (Entry& entry : old_) {
    scaled |= replicas_of(entry.now) > 0;
    scale(entry, 0);
  }
  if (scaled || old_pods_left) return;
  annotate(present_[0]);
  scale(present_[0], desired());
}

/// The present set carries the highest revision; going back to an old template gives its set a new number.
std::string Rollout::note_revision() {
  if (!has_present()) {
    auto it = deployment_.metadata.annotations.find(kRevisionAnnotation);
    return it == deployment_.metadata.annotations.end() ? "" : it->second;
  }
  present_[0].now.spec.minReadySeconds = deployment_.spec.minReadySeconds;
  int64_t highest_old = 0;
  for (const Entry& entry : old_) {
    highest_old = std::max(highest_old, number_of(entry.now.metadata.annotations, kRevisionAnnotation));
  }
  auto& annotations = present_[0].now.metadata.annotations;
  for (const auto& [key, value] : deployment_.metadata.annotations) {
    if (key != kLastApplied && key != kRevisionAnnotation) annotations[key] = value;
  }
  if (number_of(annotations, kRevisionAnnotation) <= highest_old) {
    annotations[kRevisionAnnotation] = std::to_string(highest_old + 1);
  }
  return annotations[kRevisionAnnotation];
}

void Rollout::clean_up() {
  const int limit = deployment_.spec.revisionHistoryLimit.value_or(10);
  std::vector<const Entry*> idle;
  for (const Entry& entry : old_) {
    const auto& set = entry.now;
    if (replicas_of(set) == 0 && set.status.replicas == 0 &&
        set.status.observedGeneration >= set.metadata.generation && !set.metadata.deletionTimestamp) {
      idle.push_back(&entry);
    }
  }
  std::ranges::sort(
      idle, {}, [](const Entry* e) { return number_of(e->now.metadata.annotations, kRevisionAnnotation); });
  for (size_t i = 0; i + static_cast<size_t>(std::max(limit, 0)) < idle.size(); ++i)
    plan_.remove.push_back(idle[i]->before);
}

DeploymentPlan Rollout::plan(const std::function<bool(const ReplicaSetPtr&)>& old_pods_left) {
  if (!deployment_.metadata.deletionTimestamp) {
    if (deployment_.spec.paused || scaled_by_user()) {
      scale_in_proportion();
    } else {
      ensure_present();
      if (deployment_.spec.strategy.type == "Recreate") {
        recreate(old_pods_left(present_[0].before));
      } else {
        roll();
      }
    }
    plan_.revision = note_revision();
  }
  for (auto* list : {&present_, &old_}) {
    for (const Entry& entry : *list) {
      if (!entry.before) {
        plan_.create = entry.now;
      } else if (entry.now != *entry.before) {
        plan_.update.push_back(entry.now);
      }
    }
  }
  ReplicaSetList all;
  for (auto* list : {&present_, &old_}) {
    for (const Entry& entry : *list) {
      if (entry.before) all.push_back(entry.before);
    }
  }
  ReplicaSetPtr present = has_present() ? present_[0].before : nullptr;
  plan_.status =
      deployment_status(deployment_, all, present, plan_.create, limits_, context_.now, plan_.look_again);
  if (!deployment_.metadata.deletionTimestamp && rollout_complete(deployment_, plan_.status)) clean_up();
  return std::move(plan_);
}

}  // namespace

ReplicaSetPtr find_new_replica_set(const kube::Deployment& deployment, const ReplicaSetList& sets) {
  const std::string hash = template_hash(deployment);
  ReplicaSetPtr found;
  for (const auto& set : sets) {
    auto label = set->metadata.labels.find(kTemplateHashLabel);
    bool same = label != set->metadata.labels.end() && label->second == hash;
    if (!same) {
      kube::PodTemplateSpec tmpl = set->spec.template_;
      tmpl.metadata.labels.erase(kTemplateHashLabel);
      same = tmpl == deployment.spec.template_;
    }
    // Should there ever be two, the oldest is the one.
    if (same && (!found || set->metadata.creationTimestamp < found->metadata.creationTimestamp)) found = set;
  }
  return found;
}

DeploymentPlan plan_deployment(const kube::Deployment& deployment, const ReplicaSetList& sets,
                               const std::function<bool(const ReplicaSetPtr& present)>& old_pods_left,
                               const PlanContext& context) {
  return Rollout(deployment, sets, context).plan(old_pods_left);
}

}  // namespace weft::standalone
