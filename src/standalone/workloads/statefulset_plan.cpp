#include "standalone/workloads/statefulset_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "kube/codec.h"

namespace weft::standalone {
namespace {

class Step {
 public:
  Step(const kube::StatefulSet& set, const PodList& pods, const RevisionList& revisions,
       const PlanContext& context)
      : set_(set), revisions_(revisions), context_(context), json_(kube::encode(set)) {
    start_ = set.spec.ordinals ? set.spec.ordinals->start : 0;
    replicas_ = std::max(0, set.spec.replicas.value_or(1));
    ordered_ = set.spec.podManagementPolicy != "Parallel";
    for (const auto& pod : pods) {
      if (int ordinal = ordinal_of(set.metadata.name, pod->metadata.name); ordinal >= 0) pods_[ordinal] = pod;
    }
    kube::StringMap labels = set.spec.selector ? set.spec.selector->matchLabels : kube::StringMap{};
    plan_.revision = plan_revision(json_, set.metadata, "StatefulSet", labels, revisions,
                                   set.status.collisionCount.value_or(0));
    update_ = plan_.revision.present.metadata.name;
    current_ = set.status.currentRevision.empty() ? update_ : set.status.currentRevision;
  }

  StatefulSetPlan run() {
    if (!set_.metadata.deletionTimestamp && fill() && shrink()) update();
    write_status();
    auto in_use = [&](const std::string& name) {
      return name == update_ || name == plan_.status.currentRevision ||
             std::ranges::any_of(pods_,
                                 [&](const auto& entry) { return revision_of(*entry.second) == name; });
    };
    plan_.remove_revisions = old_revisions(revisions_, set_.spec.revisionHistoryLimit.value_or(10), in_use);
    return std::move(plan_);
  }

 private:
  static std::string revision_of(const kube::Pod& pod) {
    auto it = pod.metadata.labels.find(kRevisionHashLabel);
    return it == pod.metadata.labels.end() ? std::string{} : it->second;
  }
  bool in_range(int ordinal) const { return ordinal >= start_ && ordinal < start_ + replicas_; }
  int partition() const {
    const auto& rolling = set_.spec.updateStrategy.rollingUpdate;
    return rolling ? rolling->partition.value_or(0) : 0;
  }
  bool settled(const kube::Pod& pod) {
    return !pod.metadata.deletionTimestamp &&
           is_available(pod, set_.spec.minReadySeconds, context_.now, plan_.look_again);
  }

  void create(int ordinal);
  kube::PodTemplateSpec template_of(const std::string& revision) const;
  bool fill();
  bool shrink();
  void update();
  void remove(const PodPtr& pod) {
    plan_.remove.push_back(pod);
    plan_.notes.push_back(
        {"Normal", "SuccessfulDelete",
         fmt::format("delete Pod {} in StatefulSet {} successful", pod->metadata.name, set_.metadata.name)});
  }
  void write_status();

  const kube::StatefulSet& set_;
  const RevisionList& revisions_;
  const PlanContext& context_;
  const json::value json_;
  int start_ = 0, replicas_ = 0;
  bool ordered_ = true;
  std::map<int, PodPtr> pods_;
  std::string update_, current_;
  StatefulSetPlan plan_;
};

kube::PodTemplateSpec Step::template_of(const std::string& revision) const {
  if (revision != update_) {
    auto it = std::ranges::find(revisions_, revision, [](const RevisionPtr& r) { return r->metadata.name; });
    const json::value* tmpl = it == revisions_.end() ? nullptr : kube::at_path((*it)->data, "spec.template");
    if (tmpl && tmpl->is_object()) {
      json::object old = json_.as_object();
      json::object copy = tmpl->as_object();
      copy.erase("$patch");
      old["spec"].as_object()["template"] = std::move(copy);
      if (auto decoded = kube::decode<kube::StatefulSet>(old)) return decoded->spec.template_;
    }
  }
  return set_.spec.template_;
}

void Step::create(int ordinal) {
  // Below the partition pods stay at the revision that was current before the update began.
  const std::string& revision = ordinal < start_ + partition() ? current_ : update_;
  kube::Pod pod = pod_of(template_of(revision), set_.metadata.namespace_,
                         controller_reference("apps/v1", "StatefulSet", set_.metadata));
  pod.metadata.name = fmt::format("{}-{}", set_.metadata.name, ordinal);
  pod.metadata.labels["statefulset.kubernetes.io/pod-name"] = pod.metadata.name;
  pod.metadata.labels["apps.kubernetes.io/pod-index"] = std::to_string(ordinal);
  pod.metadata.labels[kRevisionHashLabel] = revision;
  pod.spec.hostname = pod.metadata.name;
  pod.spec.subdomain = set_.spec.serviceName;
  for (const auto& claim : set_.spec.volumeClaimTemplates) {
    kube::Volume volume;
    volume.name = kube::string_at(claim, "metadata.name");
    volume.persistentVolumeClaim.emplace().claimName = fmt::format("{}-{}", volume.name, pod.metadata.name);
    std::erase_if(pod.spec.volumes, [&](const kube::Volume& other) { return other.name == volume.name; });
    pod.spec.volumes.push_back(std::move(volume));
  }
  plan_.notes.push_back(
      {"Normal", "SuccessfulCreate",
       fmt::format("create Pod {} in StatefulSet {} successful", pod.metadata.name, set_.metadata.name)});
  plan_.create.push_back(std::move(pod));
}

/// Every ordinal has its pod. False: wait for something before any further step.
bool Step::fill() {
  bool waiting = false;
  for (int ordinal = start_; ordinal < start_ + replicas_; ++ordinal) {
    auto it = pods_.find(ordinal);
    if (it == pods_.end()) {
      create(ordinal);
      if (ordered_) return false;
      waiting = true;
      continue;
    }
    const kube::Pod& pod = *it->second;
    if (!pod.metadata.deletionTimestamp &&
        (pod.status.phase == "Failed" || pod.status.phase == "Succeeded")) {
      remove(it->second);  // its place is filled again when it is gone
      if (ordered_) return false;
      waiting = true;
    } else if (ordered_ && !settled(pod)) {
      return false;
    }
  }
  return !waiting;
}

/// Pods beyond the last ordinal go, the highest first.
bool Step::shrink() {
  bool waiting = false;
  for (auto it = pods_.rbegin(); it != pods_.rend(); ++it) {
    if (in_range(it->first)) continue;
    waiting = true;
    if (!it->second->metadata.deletionTimestamp) remove(it->second);
    if (ordered_) return false;
  }
  return !waiting;
}

/// Pods of an older revision are replaced from the highest ordinal down to the partition, each after the one
/// before works.
void Step::update() {
  if (set_.spec.updateStrategy.type == "OnDelete") return;
  for (auto it = pods_.rbegin(); it != pods_.rend(); ++it) {
    if (!in_range(it->first) || it->first < start_ + partition()) continue;
    if (it->second->metadata.deletionTimestamp) return;
    if (revision_of(*it->second) != update_) return remove(it->second);
    if (!settled(*it->second)) return;
  }
}

void Step::write_status() {
  kube::StatefulSetStatus& status = plan_.status;
  status = set_.status;
  status.observedGeneration = set_.metadata.generation;
  status.updateRevision = update_;
  status.currentRevision = current_;
  status.replicas = status.readyReplicas = status.availableReplicas = status.currentReplicas =
      status.updatedReplicas = 0;
  for (const auto& [ordinal, pod] : pods_) {
    if (pod->status.phase == "Failed" || pod->status.phase == "Succeeded") continue;
    ++status.replicas;
    status.readyReplicas += is_ready(*pod);
    status.availableReplicas += is_available(*pod, set_.spec.minReadySeconds, context_.now, plan_.look_again);
    if (pod->metadata.deletionTimestamp) continue;
    status.currentReplicas += revision_of(*pod) == current_;
    status.updatedReplicas += revision_of(*pod) == update_;
  }
  // The update is over when all pods have it and work.
  if (set_.spec.updateStrategy.type != "OnDelete" && current_ != update_ &&
      status.updatedReplicas == replicas_ && status.replicas == replicas_ &&
      status.readyReplicas == replicas_) {
    status.currentRevision = update_;
    status.currentReplicas = status.updatedReplicas;
  }
}

}  // namespace

int ordinal_of(const std::string& set_name, const std::string& pod_name) {
  if (pod_name.size() < set_name.size() + 2 || !pod_name.starts_with(set_name) ||
      pod_name[set_name.size()] != '-')
    return -1;
  int ordinal = -1;
  const char* end = pod_name.data() + pod_name.size();
  auto [stop, error] = std::from_chars(pod_name.data() + set_name.size() + 1, end, ordinal);
  return error == std::errc{} && stop == end && ordinal >= 0 ? ordinal : -1;
}

StatefulSetPlan plan_stateful_set(const kube::StatefulSet& set, const PodList& pods,
                                  const RevisionList& revisions, const PlanContext& context) {
  return Step(set, pods, revisions, context).run();
}

}  // namespace weft::standalone
