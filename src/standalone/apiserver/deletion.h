#pragma once

#include "kube/time.h"
#include "standalone/apiserver/registry.h"

/// What deleting an object means: at once, after a grace period, or after its finalizers (API conventions,
/// "Graceful deletion" and "Finalizers"). Pure.
namespace weft::standalone {

struct Deletion {
  bool erase = false;  ///< remove it now
  json::value next;    ///< else its new state; null: nothing changes
};

Deletion plan_deletion(const ServedKind& kind, const json::value& object, const DeleteOptions& options,
                       kube::TimePoint now);

/// Whether an object that is being deleted has nothing left that holds it.
bool is_deleted_for_good(const ServedKind& kind, const json::value& object);

/// Why the preconditions do not hold; "" when they do.
std::string failed_precondition(const json::value& object, const DeleteOptions& options);

/// Namespaces every cluster has.
bool is_permanent_namespace(std::string_view name);

}  // namespace weft::standalone
