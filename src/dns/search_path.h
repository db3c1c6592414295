#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "dns/name.h"

/// The search path of a pod whose resolv.conf is the cluster's: `<ns>.svc.<zone> svc.<zone> <zone>`, then
/// what the node's own file has. Pure.
namespace weft::dns {

/// When `asked` is the first step of the walk of a pod of namespace `ns`: the names it would ask for after
/// it, the last one the name as its program has it. Else empty, so that no later step is walked again.
std::vector<Name> rest_of_search_path(const Name& asked, std::string_view ns, const Name& zone,
                                      std::span<const Name> node_search);

}  // namespace weft::dns
