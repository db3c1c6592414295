#pragma once

#include <cstdint>
#include <set>

#include "base/error.h"
#include "base/ip.h"
#include "datapath/pod_policy.h"

namespace weft::policy {

/// The other ends of a network namespace's TCP connections. `netns`: a descriptor of it.
Expected<std::set<IpAddr>> connected_to(int netns);
/// Whom pods have sent anything but TCP to, or heard of, lately enough for the programs to take it as one
/// connection. `now_ns`: CLOCK_MONOTONIC.
Expected<std::set<IpAddr>> talked_with(const datapath::PodPolicy& maps, uint64_t now_ns);

}  // namespace weft::policy
