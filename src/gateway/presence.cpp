#include "gateway/presence.h"

#include <algorithm>

#include "gateway/infrastructure.h"

namespace weft::gateway {

std::optional<std::string> node_of(const kube::Lease& lease) {
  std::string_view name = lease.metadata.name;
  if (!name.starts_with(kPresencePrefix) || name == kPresencePrefix) return {};
  return std::string(name.substr(kPresencePrefix.size()));
}

json::object presence_lease(const std::string& ns, const std::string& node, const std::string& identity,
                            const kube::Time& now) {
  return {{"apiVersion", "coordination.k8s.io/v1"},
          {"kind", "Lease"},
          {"metadata",
           {{"name", std::string(kPresencePrefix) + node},
            {"namespace", ns},
            {"labels", {{"app.kubernetes.io/managed-by", kInfrastructureManager}}}}},
          {"spec",
           {{"holderIdentity", identity},
            {"leaseDurationSeconds", kPresenceDuration.count()},
            {"renewTime", now}}}};
}

void Presence::renewed(const std::string& node, std::chrono::seconds duration, TimePoint now) {
  if (now - newest_ > 2 * kPresenceRenewal)
    for (auto& [name, seen] : seen_) seen.at = now;
  newest_ = now;
  seen_[node] = {now, duration};
}

bool Presence::serves(const std::string& node, TimePoint now) const {
  auto is_fresh = [&](const auto& entry) { return now < entry.second.until(); };
  auto at = seen_.find(node);
  if (at != seen_.end() && is_fresh(*at)) return true;
  return std::ranges::none_of(seen_, is_fresh);
}

std::optional<Presence::TimePoint> Presence::next_change(TimePoint now) const {
  std::optional<TimePoint> out;
  for (const auto& [node, seen] : seen_) {
    if (seen.until() > now && (!out || seen.until() < *out)) out = seen.until();
  }
  return out;
}

}  // namespace weft::gateway
