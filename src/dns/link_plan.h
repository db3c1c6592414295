#pragma once

#include <optional>
#include <utility>

#include "datapath/dns_layout.h"
#include "dns/config.h"
#include "dns/name.h"
#include "kube/service.h"

namespace weft::dns {

using LinkRecord = std::pair<weft_dns_name, weft_dns_record>;

/// A Service's name and what it has, where that is all there is to say of it: one cluster address of a family
/// or none, as the zone would answer (plan.h). Nothing: another kind of Service, or a name that is too long.
/// Pure.
std::optional<LinkRecord> link_record(const kube::Service& service, const Name& zone);

/// Whether a server of this configuration answers questions for such names as the zone does, and nobody is to
/// hear of them or to be held back.
bool leaves_to_links(const Config& config);

}  // namespace weft::dns
