#include "dns/upstream_order.h"

#include <algorithm>

namespace weft::dns {

std::vector<size_t> order_of_upstreams(const std::vector<UpstreamClient::Health>& health,
                                       ForwardPolicy policy, uint32_t first) {
  std::vector<size_t> order(health.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](size_t i) { return std::pair(health[i], i); });
  if (order.empty()) return order;
  const auto best = std::ranges::count(health, health[order[0]]);
  if (policy != ForwardPolicy::sequential && best > 1)
    std::rotate(order.begin(), order.begin() + static_cast<ptrdiff_t>(first % static_cast<uint32_t>(best)),
                order.begin() + best);
  return order;
}

bool is_under(const Name& name, const Name& domain) {
  size_t at = 0;
  const auto wire = name.wire();
  while (wire.size() - at > domain.size()) at += wire[at] + 1U;
  return same_name(wire.subspan(at), domain.wire());
}

size_t labels_of(const Name& name) {
  size_t labels = 0;
  for (auto wire = name.wire(); wire[0] != 0; wire = wire.subspan(wire[0] + 1U)) ++labels;
  return labels;
}

}  // namespace weft::dns
