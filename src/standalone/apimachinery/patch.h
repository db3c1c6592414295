#pragma once

#include "base/error.h"
#include "kube/json.h"
#include "kube/schema.h"

namespace weft::standalone {

/// RFC 6902. All operations or none. bad_request (400) for a malformed patch, invalid (422) when an operation
/// cannot be carried out, too_large (413) beyond 10,000 operations or when copies blow the document up beyond
/// 3 MiB.
Expected<json::value> json_patch(json::value document, const json::value& patch);

/// RFC 7386: null removes, objects merge, everything else replaces.
json::value merge_patch(json::value document, const json::value& patch);

/// Kubernetes' strategic merge: as a merge patch, but lists whose schema has a merge key merge element by
/// element, and lists of plain values that merge are united. Understands $patch (replace, delete, merge),
/// $deleteFromPrimitiveList/F, $setElementOrder/F and $retainKeys. bad_request for a directive that is
/// malformed or an element without its merge key.
Expected<json::value> strategic_merge_patch(json::value document, const json::value& patch,
                                            const kube::Schema& schema);

}  // namespace weft::standalone
