#include "service/stale_udp.h"

#include <algorithm>

namespace weft::service {
namespace {

bool has_endpoint(std::span<const SlicePtr> slices, const IpAddr& addr) {
  auto has = [&](const kube::Endpoint& endpoint) {
    return std::ranges::any_of(endpoint.addresses,
                               [&](const std::string& one) { return IpAddr::parse(one) == addr; });
  };
  return std::ranges::any_of(
      slices, [&](const SlicePtr& slice) { return std::ranges::any_of(slice->endpoints, has); });
}

}  // namespace

StaleUdp::Backend StaleUdp::standing(const BackendSet& set, std::span<const SlicePtr> slices,
                                     const IpAddr& addr, uint16_t port) {
  if (set.backends.empty() && set.still_serving.empty()) return Backend::serves;
  auto is = [&](const service::Backend& backend) { return backend.addr == addr && backend.port == port; };
  if (std::ranges::any_of(set.backends, is) || std::ranges::any_of(set.still_serving, is))
    return Backend::serves;
  return has_endpoint(slices, addr) ? Backend::not_ready : Backend::gone;
}

StaleUdp::Found StaleUdp::look(const std::vector<std::pair<uint64_t, weft_peer>>& sockets,
                               const std::function<Backend(const weft_peer&)>& backend_of,
                               Clock::time_point now) {
  Found found;
  std::unordered_map<uint64_t, Clock::time_point> ends_at;
  for (const auto& [cookie, peer] : sockets) {
    const Backend backend = backend_of(peer);
    if (backend == Backend::serves) continue;
    auto known = ends_at_.find(cookie);
    auto at = known == ends_at_.end() ? now + kGrace : known->second;
    if (backend == Backend::gone || at <= now) {
      found.to_end.push_back({cookie, peer});
      continue;
    }
    ends_at.emplace(cookie, at);
    found.look_again = std::min(found.look_again.value_or(at), at);
  }
  ends_at_ = std::move(ends_at);
  return found;
}

}  // namespace weft::service
