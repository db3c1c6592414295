#pragma once

#include "standalone/apiserver/body.h"
#include "standalone/apiserver/registry.h"

namespace weft::standalone {

/// Applies a PATCH body (JSON patch, merge patch or strategic merge patch, by its media type) to an object.
/// unsupported_media_type for others, and for a strategic merge of a custom kind.
ApiResult<json::value> apply_patch(const ServedKind& kind, const json::value& object,
                                   const json::value& patch, std::string_view media_type);

/// Server-side apply of `config` for the write's manager.
ApiResult<json::value> apply_config(const Write& write, const json::value& live, const json::value& config,
                                    bool force);

}  // namespace weft::standalone
