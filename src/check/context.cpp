#include "check/context.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "trace/hints.h"

namespace weft::check {

Written::Written(const kube::YamlDocument& from)
    : document(from),
      kind(kube::string_at(from.value, "kind")),
      ns(kube::string_at(from.value, "metadata.namespace")) {
  if (ns.empty()) ns = "default";
  key = trace::key_of(ns, kube::string_at(from.value, "metadata.name"));
}

trace::ObjectRef place_of(const Context& context, const kube::Pod& pod, const std::string& field) {
  auto key = trace::key_of(pod.metadata.namespace_, pod.metadata.name);
  auto ref = context.world.origins.find("Pod", key, field);
  auto space = ref.origin.find(' ');
  if (space == std::string::npos) return ref;
  auto kind = ref.origin.substr(0, space);
  auto prefix = kind == "CronJob" ? "spec.jobTemplate.spec.template." : "spec.template.";
  return context.world.origins.find(kind, ref.origin.substr(space + 1), prefix + field);
}

namespace {

/// Labels of a pod in comparison with what is wanted.
struct Likeness {
  int same = 0;
  bool alike = false;  ///< what differs, differs little
  std::string differs;
};
Likeness compare(const kube::StringMap& labels, const kube::StringMap& wanted) {
  Likeness out;
  for (const auto& [key, value] : wanted) {
    auto at = labels.find(key);
    if (at == labels.end()) continue;
    if (at->second == value) {
      ++out.same;
      continue;
    }
    out.alike = out.alike || trace::distance(at->second, value) <= 2;
    out.differs += fmt::format("{}{}={}", out.differs.empty() ? "" : ", ", key, at->second);
  }
  return out;
}

}  // namespace

Nearest nearest(const Context& context, const Pods& pods, const kube::StringMap& wanted) {
  Nearest out;
  std::pair<int, bool> best{-1, false};
  for (const auto& pod : pods) {
    auto likeness = compare(pod->metadata.labels, wanted);
    std::pair<int, bool> now{likeness.same, likeness.alike};
    if (likeness.differs.empty() || now <= best) continue;
    if (!likeness.alike && !context.pods.services_of(*pod).empty()) continue;
    best = now;
    out = {context.pods.owner_of(*pod), std::move(likeness.differs)};
  }
  return out;
}

}  // namespace weft::check
