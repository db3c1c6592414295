#include "standalone/workloads/daemonset_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "kube/codec.h"
#include "kube/toleration.h"

namespace weft::standalone {
namespace {

/// What every daemon tolerates: it belongs to the node, however the node is.
std::vector<kube::Toleration> tolerations_of(const kube::PodSpec& spec) {
  static const std::pair<const char*, const char*> kAlways[] = {
      {"node.kubernetes.io/not-ready", "NoExecute"},
      {"node.kubernetes.io/unreachable", "NoExecute"},
      {"node.kubernetes.io/disk-pressure", "NoSchedule"},
      {"node.kubernetes.io/memory-pressure", "NoSchedule"},
      {"node.kubernetes.io/pid-pressure", "NoSchedule"},
      {"node.kubernetes.io/unschedulable", "NoSchedule"},
      {"node.kubernetes.io/network-unavailable", "NoSchedule"}};
  auto out = spec.tolerations;
  for (auto [key, effect] : kAlways) {
    if (!spec.hostNetwork && std::string_view(key).ends_with("network-unavailable")) continue;
    kube::Toleration toleration;
    toleration.key = key;
    toleration.operator_ = "Exists";
    toleration.effect = effect;
    if (std::ranges::find(out, toleration) == out.end()) out.push_back(toleration);
  }
  return out;
}

/// Whether a node is to have a pod.
enum class Fit : char {
  no,
  stays,  ///< one that is there may stay, but none is made: a NoSchedule taint came later
  runs,
};

int max_surge(const kube::DaemonSet& set, int desired) {
  const auto& rolling = set.spec.updateStrategy.rollingUpdate;
  if (set.spec.updateStrategy.type == "OnDelete" || !rolling || !rolling->maxSurge) return 0;
  return resolve_percent(*rolling->maxSurge, desired, true);
}

class Step {
 public:
  Step(const kube::DaemonSet& set, const PodList& pods, const PlanContext& context)
      : set_(set),
        context_(context),
        tolerations_(tolerations_of(set.spec.template_.spec)),
        surges_(max_surge(set, 100) > 0) {
    for (const auto& pod : pods) by_node_[pod->spec.nodeName].push_back(pod);
  }

  DaemonSetPlan run(const std::vector<NodePtr>& nodes, const RevisionList& revisions);

 private:
  Fit fit(const kube::Node& node) const;
  void serve(const kube::Node& node);
  void keep(PodPtr& kept, const PodPtr& pod);
  void update(int desired);
  void surge(int most);
  void create(const std::string& node);
  void remove(const PodPtr& pod, std::string_view why) {
    plan_.remove.push_back(pod);
    plan_.notes.push_back(
        {"Normal", "SuccessfulDelete", fmt::format("Deleted pod: {}{}", pod->metadata.name, why)});
  }
  bool updated(const kube::Pod& pod) const {
    auto it = pod.metadata.labels.find(kRevisionHashLabel);
    return it != pod.metadata.labels.end() && it->second == hash_;
  }

  const kube::DaemonSet& set_;
  const PlanContext& context_;
  const std::vector<kube::Toleration> tolerations_;
  std::map<std::string, PodList> by_node_;
  std::string hash_;
  PodList stale_, stale_broken_;  ///< of an older template; not available ones apart
  /// With spec.updateStrategy.rollingUpdate.maxSurge a node has the pod of the new template beside the old
  /// one.
  const bool surges_;
  std::map<std::string, PodPtr> beside_;  ///< by node
  DaemonSetPlan plan_;
};

Fit Step::fit(const kube::Node& node) const {
  const kube::PodSpec& spec = set_.spec.template_.spec;
  if (!kube::Selector::from(spec.nodeSelector).matches(node.metadata.labels)) return Fit::no;
  if (!spec.nodeName.empty() && spec.nodeName != node.metadata.name) return Fit::no;
  Fit fit = Fit::runs;
  for (const auto& taint : node.spec.taints) {
    if (taint.effect == "PreferNoSchedule" || kube::tolerates(tolerations_, taint)) continue;
    if (taint.effect == "NoExecute") return Fit::no;
    fit = Fit::stays;
  }
  return fit;
}

void Step::create(const std::string& node) {
  kube::Pod pod = pod_of(set_.spec.template_, set_.metadata.namespace_,
                         controller_reference("apps/v1", "DaemonSet", set_.metadata));
  pod.metadata.generateName = set_.metadata.name + "-";
  pod.metadata.name = pod.metadata.generateName + context_.suffix();
  pod.metadata.labels[kRevisionHashLabel] = hash_;
  pod.spec.nodeName = node;
  pod.spec.tolerations = tolerations_;
  plan_.notes.push_back({"Normal", "SuccessfulCreate", fmt::format("Created pod: {}", pod.metadata.name)});
  plan_.create.push_back(std::move(pod));
}

/// Of two of a kind the newer one is one too many.
void Step::keep(PodPtr& kept, const PodPtr& pod) {
  if (!kept) {
    kept = pod;
    return;
  }
  remove(std::max(kept, pod,
                  [](const PodPtr& a, const PodPtr& b) {
                    return a->metadata.creationTimestamp < b->metadata.creationTimestamp;
                  }),
         " (one too many on its node)");
  if (plan_.remove.back() == kept) kept = pod;
}

/// Exactly one living pod on a node that is to have one, or two in a surge.
void Step::serve(const kube::Node& node) {
  kube::DaemonSetStatus& status = plan_.status;
  ++status.desiredNumberScheduled;
  auto it = by_node_.find(node.metadata.name);
  PodPtr kept, beside;
  bool leaving = false;
  for (const auto& pod : it == by_node_.end() ? PodList{} : it->second) {
    if (pod->metadata.deletionTimestamp) {
      leaving = true;
    } else if (pod->status.phase == "Failed" || pod->status.phase == "Succeeded") {
      remove(pod, " (finished)");
      leaving = true;
    } else {
      keep(surges_ && updated(*pod) ? beside : kept, pod);
    }
  }
  if (!kept) kept = std::exchange(beside, nullptr);
  if (!kept) {
    if (!leaving) create(node.metadata.name);
    return;
  }
  if (beside) beside_.emplace(node.metadata.name, beside);
  ++status.currentNumberScheduled;
  bool available = is_available(*kept, set_.spec.minReadySeconds, context_.now, plan_.look_again);
  status.numberReady += is_ready(*kept);
  status.numberAvailable += available;
  if (updated(*kept)) {
    ++status.updatedNumberScheduled;
  } else {
    (available ? stale_ : stale_broken_).push_back(kept);
  }
}

/// Old pods go when the new ones beside them are available; at most so many nodes have two meanwhile.
void Step::surge(int most) {
  auto beside = [&](const PodPtr& pod) {
    auto it = beside_.find(pod->spec.nodeName);
    return it == beside_.end() ? nullptr : it->second;
  };
  for (const auto* stale : {&stale_broken_, &stale_}) {
    for (const auto& pod : *stale) {
      auto fresh = beside(pod);
      if (!fresh) continue;
      if (is_available(*fresh, set_.spec.minReadySeconds, context_.now, plan_.look_again))
        remove(pod, "");
      else
        --most;
    }
  }
  for (const auto& pod : stale_broken_) {  // what does not work costs no availability
    if (!beside(pod)) create(pod->spec.nodeName);
  }
  for (const auto& pod : stale_) {
    if (!beside(pod) && most-- > 0) create(pod->spec.nodeName);
  }
}

void Step::update(int desired) {
  if (set_.spec.updateStrategy.type == "OnDelete") return;
  if (surges_) return surge(max_surge(set_, desired));
  kube::IntOrString limit{1};
  if (const auto& rolling = set_.spec.updateStrategy.rollingUpdate)
    limit = rolling->maxUnavailable.value_or(limit);
  int room = std::max(1, resolve_percent(limit, desired, true)) - (desired - plan_.status.numberAvailable);
  for (const auto& pod : stale_broken_) remove(pod, "");  // what does not work costs no availability
  for (const auto& pod : stale_) {
    if (room-- <= 0) return;
    remove(pod, "");
  }
}

DaemonSetPlan Step::run(const std::vector<NodePtr>& nodes, const RevisionList& revisions) {
  kube::StringMap labels = set_.spec.selector ? set_.spec.selector->matchLabels : kube::StringMap{};
  plan_.revision = plan_revision(kube::encode(set_), set_.metadata, "DaemonSet", labels, revisions,
                                 set_.status.collisionCount.value_or(0));
  hash_ = revision_hash(plan_.revision.present);
  kube::DaemonSetStatus& status = plan_.status;
  status = set_.status;
  status.observedGeneration = set_.metadata.generation;
  status.desiredNumberScheduled = status.currentNumberScheduled = status.numberMisscheduled =
      status.numberReady = status.numberAvailable = status.updatedNumberScheduled = 0;

  for (const auto& node : nodes) {
    auto fits = fit(*node);
    if (fits == Fit::no) continue;
    auto there = by_node_.find(node->metadata.name);
    if (fits == Fit::runs) serve(*node);
    if (there == by_node_.end()) continue;
    if (fits == Fit::stays)
      status.numberMisscheduled += static_cast<int>(
          std::ranges::count_if(there->second, [](const PodPtr& pod) { return is_active(*pod); }));
    by_node_.erase(there);
  }
  // What is left runs where nothing of it should.
  for (const auto& [node, pods] : by_node_) {
    for (const auto& pod : pods) {
      status.numberMisscheduled += is_active(*pod);
      if (!pod->metadata.deletionTimestamp) remove(pod, " (not on this node)");
    }
  }
  status.numberUnavailable = status.desiredNumberScheduled - status.numberAvailable;
  if (set_.metadata.deletionTimestamp) {
    plan_.create.clear();
    plan_.remove.clear();
    plan_.notes.clear();
    return std::move(plan_);
  }
  update(status.desiredNumberScheduled);
  auto in_use = [&](const std::string& name) { return name == plan_.revision.present.metadata.name; };
  plan_.remove_revisions = old_revisions(revisions, set_.spec.revisionHistoryLimit.value_or(10), in_use);
  return std::move(plan_);
}

}  // namespace

DaemonSetPlan plan_daemon_set(const kube::DaemonSet& set, const std::vector<NodePtr>& nodes,
                              const PodList& pods, const RevisionList& revisions,
                              const PlanContext& context) {
  return Step(set, pods, context).run(nodes, revisions);
}

}  // namespace weft::standalone
