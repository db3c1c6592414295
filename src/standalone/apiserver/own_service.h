#pragma once

#include "kube/json.h"
#include "standalone/apimachinery/service_allocator.h"

namespace weft::standalone {

/// The Service kubernetes in namespace default, which stands for the API server: every cluster has it, at the
/// first address of the primary family.
json::object own_service(const ServiceRanges& ranges);

}  // namespace weft::standalone
