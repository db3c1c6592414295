#include "dns/link_plan.h"

#include <algorithm>

#include "dns/plan.h"

namespace weft::dns {

std::optional<LinkRecord> link_record(const kube::Service& service, const Name& zone) {
  const auto addresses = cluster_addresses(service);
  if (addresses.empty()) return std::nullopt;
  Name name;
  bool fits = true;
  for (std::string_view label : {std::string_view(service.metadata.name),
                                 std::string_view(service.metadata.namespace_), std::string_view("svc")})
    fits = fits && name.append(label);
  if (!fits || !name.append(zone.wire()) || name.size() > WEFT_DNS_NAME) return std::nullopt;
  name.lower();
  LinkRecord out{};
  std::ranges::copy(name.wire(), out.first.wire);
  out.second.name_size = static_cast<uint8_t>(name.size());
  for (const IpAddr& address : addresses) {
    auto& has = address.is_v4() ? out.second.has_v4 : out.second.has_v6;
    if (std::exchange(has, 1) != 0) return std::nullopt;
    std::ranges::copy(address.bytes(), address.is_v4() ? out.second.v4 : out.second.v6);
  }
  return out;
}

bool leaves_to_links(const Config& config) {
  return config.rewrites.empty() && config.hosts == Hosts{} && !config.log_queries &&
         config.client_rate.value_or(0) == 0;
}

}  // namespace weft::dns
