#pragma once

#include "standalone/apiserver/kind_table.h"
#include "standalone/apiserver/status.h"

/// The scale subresource: an autoscaling/v1 Scale read from and written into an object.
namespace weft::standalone {

json::object scale_of(const ServedKind& kind, const json::value& object);

/// `object` with the replicas of `scale`. invalid when they are missing or negative; the Scale's
/// resourceVersion is taken over, so that an old one conflicts.
ApiResult<json::value> with_scale(const ServedKind& kind, const json::value& object,
                                  const json::value& scale);

/// The kind Scale, to patch one.
const ServedKind& scale_kind();

}  // namespace weft::standalone
