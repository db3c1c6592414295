#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "kube/json.h"
#include "kube/schema.h"

namespace weft::standalone {

/// Who writes, for metadata.managedFields.
struct FieldManager {
  std::string name;         ///< fieldManager of the request, else the first part of the User-Agent
  std::string api_version;  ///< of the request: "apps/v1"
  std::string subresource;  ///< "", "status", "scale"
  std::string now;          ///< RFC 3339, whole seconds
  /// The kind has status as a subresource: its fields can only be owned by way of that.
  bool has_status = true;
};

/// One field that another manager owns with another value, as a cause of the 409's Status.
struct ApplyConflict {
  std::string manager;  ///< the other
  std::string message;  ///< `conflict with "kubectl" using apps/v1`
  std::string field;    ///< ".spec.replicas"
};

/// Server-side apply (KEP-555): merges `config` into `live` (null: the object is new), removes what this
/// manager applied before and no longer does unless others own it too, and keeps managedFields. The result is
/// not yet defaulted: the server goes on as with an update. When others own fields with other values and
/// `force` is not set, `conflicts` is filled and the result is ErrorCode::conflict: `Apply failed with 1
/// conflict: conflict with "kubectl" using apps/v1: .spec.replicas`; each conflict is a cause {reason:
/// FieldManagerConflict, message, field}. bad_request for a config with managedFields, invalid for a keyed
/// list whose elements are not unique.
Expected<json::value> server_side_apply(const json::value& live, const json::value& config,
                                        const kube::Schema& schema, const FieldManager& manager, bool force,
                                        std::vector<ApplyConflict>& conflicts);

/// Records in `after`'s managedFields that `manager` changed by an update, patch or create what differs from
/// `before` (null: a new object). Call it with the object as it will be stored (defaulted), for applied
/// objects never. The managedFields that the client sent are taken over if there are any, else those of
/// `before`; an empty list, or one empty entry, resets them.
void track_update(const json::value& before, json::value& after, const kube::Schema& schema,
                  const FieldManager& manager);

/// The last step of an apply: `applied` is server_side_apply's result after defaulting and the kind's rules.
/// When nothing but the times of managedFields differs from `live`, it becomes `live`: the write is no
/// change.
void settle_apply(const json::value& live, json::value& applied);

}  // namespace weft::standalone
