#include "standalone/workloads/common.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "kube/time.h"

namespace weft::standalone {

std::string format_time(Seconds time) {
  return kube::format_time(kube::TimePoint(std::chrono::seconds(time)));
}

std::optional<Seconds> parse_time(std::string_view text) {
  auto point = kube::parse_time(text);
  if (!point) return std::nullopt;
  return std::chrono::floor<std::chrono::seconds>(*point).time_since_epoch().count();
}

const kube::OwnerReference* controller_of(const kube::ObjectMeta& meta) {
  for (const auto& reference : meta.ownerReferences) {
    if (reference.controller.value_or(false)) return &reference;
  }
  return nullptr;
}

bool is_controlled_by(const kube::ObjectMeta& meta, const std::string& uid) {
  const auto* controller = controller_of(meta);
  return controller && controller->uid == uid;
}

kube::OwnerReference controller_reference(std::string_view api_version, std::string_view kind,
                                          const kube::ObjectMeta& meta) {
  kube::OwnerReference reference;
  reference.apiVersion = api_version;
  reference.kind = kind;
  reference.name = meta.name;
  reference.uid = meta.uid;
  reference.controller = true;
  reference.blockOwnerDeletion = true;
  return reference;
}

bool is_active(const kube::Pod& pod) {
  return pod.status.phase != "Succeeded" && pod.status.phase != "Failed" && !pod.metadata.deletionTimestamp;
}

namespace {
const kube::PodCondition* ready_condition(const kube::Pod& pod) {
  auto it = std::ranges::find(pod.status.conditions, "Ready", &kube::PodCondition::type);
  return it == pod.status.conditions.end() || it->status != "True" ? nullptr : &*it;
}
}  // namespace

bool is_ready(const kube::Pod& pod) { return ready_condition(pod) != nullptr; }

bool is_available(const kube::Pod& pod, int min_ready_seconds, Seconds now,
                  std::optional<Seconds>& look_again) {
  const auto* ready = ready_condition(pod);
  if (!ready) return false;
  if (min_ready_seconds <= 0) return true;
  Seconds at = parse_time(ready->lastTransitionTime).value_or(now) + min_ready_seconds;
  if (at <= now) return true;
  sooner(look_again, at);
  return false;
}

void sooner(std::optional<Seconds>& at, Seconds candidate) {
  if (!at || candidate < *at) at = candidate;
}

kube::Pod pod_of(const kube::PodTemplateSpec& tmpl, const std::string& ns, kube::OwnerReference owner) {
  kube::Pod pod;
  pod.metadata.namespace_ = ns;
  pod.metadata.labels = tmpl.metadata.labels;
  pod.metadata.annotations = tmpl.metadata.annotations;
  pod.metadata.finalizers = tmpl.metadata.finalizers;
  pod.metadata.ownerReferences.push_back(std::move(owner));
  pod.spec = tmpl.spec;
  return pod;
}

std::string short_hash(const json::value& value, int collisions) {
  uint32_t hash = 2166136261U;  // FNV-1a
  auto mix = [&hash](std::string_view text) {
    for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
  };
  mix(json::serialize(value));
  if (collisions > 0) mix(std::to_string(collisions));
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (char digit : std::to_string(hash)) out += kLetters[static_cast<size_t>(digit) % kLetters.size()];
  return out;
}

int resolve_percent(const kube::IntOrString& value, int total, bool round_up) {
  if (value.is_int()) return value.number();
  std::string text = value.str();
  int percent = 0;
  std::from_chars(text.data(), text.data() + text.size(), percent);
  return (percent * total + (round_up ? 99 : 0)) / 100;
}

}  // namespace weft::standalone
