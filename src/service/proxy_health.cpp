#include "service/proxy_health.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>

namespace weft::service {
namespace {

/// What the cluster autoscaler puts on a node that it is about to remove.
constexpr const char* kToBeDeleted = "ToBeDeletedByClusterAutoscaler";

/// As Go prints a time.Time: that is what kube-proxy answers with.
std::string go_time(kube::TimePoint point) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(point);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:06} +0000 UTC",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), (point - seconds).count());
}

}  // namespace

Moment Moment::now() { return {std::chrono::steady_clock::now(), kube::now_point()}; }

void ProxyHealth::pending(const Moment& now) {
  if (!pending_since_) pending_since_ = now.steady;
}

void ProxyHealth::programmed(const Moment& now) {
  pending_since_.reset();
  programmed_ = now.wall;
}

void ProxyHealth::node_changed(const kube::Node* node) {
  eligible_ =
      node && !node->metadata.deletionTimestamp &&
      std::ranges::none_of(node->spec.taints, [](const auto& taint) { return taint.key == kToBeDeleted; });
}

bool ProxyHealth::healthy(const Moment& now) const {
  return programmed_ && (!pending_since_ || now.steady - *pending_since_ < kOverdue);
}

/// While all is well that is now, changes or not.
kube::TimePoint ProxyHealth::last_updated(const Moment& now) const {
  return healthy(now) ? now.wall : programmed_.value_or(kube::TimePoint());
}

ProxyHealth::Answer ProxyHealth::healthz(const Moment& now) const {
  return {healthy(now) && eligible_,
          fmt::format(R"({{"lastUpdated": "{}","currentTime": "{}", "nodeEligible": {}}})",
                      go_time(last_updated(now)), go_time(now.wall), eligible_)};
}

ProxyHealth::Answer ProxyHealth::livez(const Moment& now) const {
  return {healthy(now), fmt::format(R"({{"lastUpdated": "{}","currentTime": "{}"}})",
                                    go_time(last_updated(now)), go_time(now.wall))};
}

}  // namespace weft::service
