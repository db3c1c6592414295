#include "check/context.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "kube/selector.h"

namespace weft::check {

std::vector<trace::Ptr<kube::Pod>> Context::pods_in(const std::string& ns) const {
  std::vector<trace::Ptr<kube::Pod>> out;
  for (const auto& [key, pod] : world.pods) {
    if (pod->metadata.namespace_ == ns && !world.origins.find("Pod", key).file.empty()) out.push_back(pod);
  }
  return out;
}

std::string Context::owner_of(const kube::Pod& pod) const {
  auto key = trace::key_of(pod.metadata.namespace_, pod.metadata.name);
  auto ref = world.origins.find("Pod", key);
  return ref.origin.empty() ? "Pod " + key : ref.origin;
}

int distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    int corner = std::exchange(row[0], static_cast<int>(i));
    for (size_t j = 1; j <= b.size(); ++j) {
      int above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
      corner = above;
    }
  }
  return std::min(row.back(), 3);
}

namespace {

bool is_selected(const trace::World& world, const kube::Pod& pod) {
  return std::ranges::any_of(world.services, [&](const auto& entry) {
    const auto& service = *entry.second;
    return service.metadata.namespace_ == pod.metadata.namespace_ && !service.spec.selector.empty() &&
           kube::Selector::from(service.spec.selector).matches(pod.metadata.labels);
  });
}

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
    out.alike = out.alike || distance(at->second, value) <= 2;
    out.differs += fmt::format("{}{}={}", out.differs.empty() ? "" : ", ", key, at->second);
  }
  return out;
}

}  // namespace

Nearest nearest(const Context& context, const std::vector<trace::Ptr<kube::Pod>>& pods,
                const kube::StringMap& wanted) {
  Nearest out;
  std::pair<int, bool> best{-1, false};
  for (const auto& pod : pods) {
    auto likeness = compare(pod->metadata.labels, wanted);
    std::pair<int, bool> now{likeness.same, likeness.alike};
    if (likeness.differs.empty() || now <= best) continue;
    if (!likeness.alike && is_selected(context.world, *pod)) continue;
    best = now;
    out = {context.owner_of(*pod), std::move(likeness.differs)};
  }
  return out;
}

}  // namespace weft::check
