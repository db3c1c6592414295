#pragma once

#include <vector>

#include "dns/config.h"
#include "dns/upstream_client.h"

namespace weft::dns {

/// The order in which the upstreams of a domain are asked: those that are well by the policy, then the
/// suspect ones, then those that are down (there may be no others). `first`: who begins, of those that are
/// well; a random number, or that of the turn.
std::vector<size_t> order_of_upstreams(const std::vector<UpstreamClient::Health>& health,
                                       ForwardPolicy policy, uint32_t first);

/// Whether a name is the domain or below it.
bool is_under(const Name& name, const Name& domain);
/// How many labels a name has; the root: 0.
size_t labels_of(const Name& name);

}  // namespace weft::dns
