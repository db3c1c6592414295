#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "standalone/apimachinery/service_allocator.h"
#include "standalone/apiserver/kind_table.h"
#include "standalone/apiserver/status.h"
#include "standalone/apiserver/store.h"

namespace weft::standalone {

/// What is written, by whom and how.
struct Write {
  ServedKindPtr kind;
  std::string ns;
  std::string name;         ///< may be empty for a create
  std::string subresource;  ///< "", "status", "binding", "finalize"
  std::string manager;      ///< for metadata.managedFields
  bool dry_run = false;
};

struct DeleteOptions {
  std::optional<int64_t> grace_seconds;
  std::string uid, resource_version;  ///< preconditions; "": none
  std::string propagation;            ///< "", Background, Foreground, Orphan
};

/// What a write made of the object: in the version of the request, with its JSON.
struct Written {
  ObjectPtr object;
  bool created = false;
  bool gone = false;  ///< a deletion that is complete
};

/// The rules between a request and the store: defaults, validation, allocation, ownership of fields,
/// finalizers and graceful deletion, as kube-apiserver's registry has them. All functions leave the store as
/// it is when they fail.
class Registry {
 public:
  Registry(Store& store, ServiceAllocator& services) : store_(store), services_(services) {}

  /// `object`: read and pruned, not yet defaulted. `applied`: it comes from server_side_apply and has its
  /// managedFields.
  ApiResult<Written> create(const Write& write, json::value object, bool applied = false);

  /// The new state from the stored one. `applied` is set by a server-side apply, which keeps managedFields
  /// itself.
  using Mutate = std::function<ApiResult<json::value>(const json::value& old, bool& applied)>;
  ApiResult<Written> update(const Write& write, const Mutate& mutate);

  ApiResult<Written> remove(const Write& write, const DeleteOptions& options);

  /// The stored object as it reads in the kind's version; not_found otherwise.
  ApiResult<ObjectPtr> get(const ServedKind& kind, const std::string& ns, const std::string& name) const;
  /// A stored object in the kind's version.
  static ObjectPtr in_version(const ServedKind& kind, const ObjectPtr& stored);

 private:
  ApiResult<void> check_namespace(const Write& write) const;
  ApiResult<Written> store_update(const Write& write, const ObjectPtr& stored, json::value next);
  /// `last`: the state to tell, null for the stored one.
  ApiResult<Written> erase(const Write& write, const ObjectPtr& stored, json::value last);

  Store& store_;
  ServiceAllocator& services_;
};

/// "services" or "deployments.apps", as messages name a resource.
std::string resource_name(const ServedKind& kind);
/// A failure about one object, with its details: `services "x" not found`.
ApiFailure object_failure(ErrorCode code, const ServedKind& kind, const std::string& name,
                          const std::string& what);
/// `Service "x" is invalid: …` with a cause an error.
ApiFailure invalid_failure(const ServedKind& kind, const std::string& name, FieldErrors errors);
/// A random identifier (RFC 9562, version 4).
std::string new_uid();

}  // namespace weft::standalone
