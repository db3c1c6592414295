#include "gateway/conditions.h"

#include <algorithm>
#include <array>

#include "gateway/names.h"

namespace weft::gateway {
namespace {

bool is_ours(const std::string& type) {
  constexpr std::array<std::string_view, 7> kTypes = {
      "Accepted",   "Programmed",           "ResolvedRefs",    "InsecureFrontendValidationMode",
      "Conflicted", "OverlappingTLSConfig", "PartiallyInvalid"};
  return std::ranges::find(kTypes, type) != kTypes.end();
}

/// Our entries with their times, then those of other controllers. `same`: two entries are about the same.
template <class Entry, class Same>
std::vector<Entry> merge_entries(const std::vector<Entry>& current, std::vector<Entry> wanted, Same same,
                                 const kube::Time& now) {
  for (Entry& entry : wanted) {
    auto at = std::ranges::find_if(current, [&](const Entry& old) {
      return old.controllerName == entry.controllerName && same(old, entry);
    });
    entry.conditions = merge_conditions(at == current.end() ? Conditions() : at->conditions,
                                        std::move(entry.conditions), now);
  }
  for (const Entry& old : current) {
    if (old.controllerName != kController) wanted.push_back(old);
  }
  return wanted;
}

}  // namespace

kube::Condition condition(std::string_view type, bool status, std::string_view reason, std::string message,
                          int64_t generation) {
  kube::Condition out;
  out.type = type;
  out.status = status ? "True" : "False";
  out.reason = reason;
  out.message = std::move(message);
  out.observedGeneration = generation;
  return out;
}

Conditions merge_conditions(const Conditions& current, Conditions wanted, const kube::Time& now) {
  for (auto& condition : wanted) {
    auto at = std::ranges::find(current, condition.type, &kube::Condition::type);
    bool same = at != current.end() && at->status == condition.status && !at->lastTransitionTime.empty();
    condition.lastTransitionTime = same ? at->lastTransitionTime : now;
  }
  for (const auto& old : current) {
    if (!is_ours(old.type)) wanted.push_back(old);
  }
  return wanted;
}

std::vector<kube::RouteParentStatus> merge_parents(const std::vector<kube::RouteParentStatus>& current,
                                                   std::vector<kube::RouteParentStatus> wanted,
                                                   const kube::Time& now) {
  auto same = [](const auto& a, const auto& b) { return a.parentRef == b.parentRef; };
  return merge_entries(current, std::move(wanted), same, now);
}

std::vector<kube::PolicyAncestorStatus> merge_ancestors(
    const std::vector<kube::PolicyAncestorStatus>& current, std::vector<kube::PolicyAncestorStatus> wanted,
    const kube::Time& now) {
  auto same = [](const auto& a, const auto& b) { return a.ancestorRef == b.ancestorRef; };
  return merge_entries(current, std::move(wanted), same, now);
}

std::vector<kube::ListenerStatus> merge_listeners(const std::vector<kube::ListenerStatus>& current,
                                                  std::vector<kube::ListenerStatus> wanted,
                                                  const kube::Time& now) {
  for (auto& listener : wanted) {
    auto at = std::ranges::find(current, listener.name, &kube::ListenerStatus::name);
    listener.conditions = merge_conditions(at == current.end() ? Conditions() : at->conditions,
                                           std::move(listener.conditions), now);
  }
  return wanted;
}

}  // namespace weft::gateway
