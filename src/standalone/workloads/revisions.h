#pragma once

#include "standalone/workloads/common.h"

/// The history of a StatefulSet's or DaemonSet's template: ControllerRevisions, as `kubectl rollout history`
/// and `undo` read and replay them.
namespace weft::standalone {

using RevisionPtr = std::shared_ptr<const kube::ControllerRevision>;
using RevisionList = std::vector<RevisionPtr>;

inline constexpr const char* kRevisionHashLabel = "controller-revision-hash";

struct RevisionPlan {
  /// The present template's revision: one that exists, or the one to be created.
  kube::ControllerRevision present;
  bool create = false;
  bool renumber = false;  ///< it exists, with a lower number than others: the template went back
};

/// `encoded_owner`: the StatefulSet or DaemonSet as JSON.
RevisionPlan plan_revision(const json::value& encoded_owner, const kube::ObjectMeta& owner,
                           std::string_view owner_kind, const kube::StringMap& labels,
                           const RevisionList& revisions, int collisions);

/// Those beyond `limit`, oldest first, leaving out those that `in_use` holds for.
RevisionList old_revisions(const RevisionList& revisions, int limit,
                           const std::function<bool(const std::string&)>& in_use);

/// The hash in a revision's label.
std::string revision_hash(const kube::ControllerRevision& revision);

}  // namespace weft::standalone
