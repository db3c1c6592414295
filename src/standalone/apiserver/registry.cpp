#include "standalone/apiserver/registry.h"

#include <fmt/core.h>
#include <openssl/rand.h>

#include "kube/time.h"
#include "standalone/apimachinery/apply.h"
#include "standalone/apimachinery/fields.h"
#include "standalone/apimachinery/kinds.h"
#include "standalone/apiserver/deletion.h"

namespace weft::standalone {
namespace {

bool is_service(const ServedKind& kind) { return kind.info.group.empty() && kind.info.plural == "services"; }

json::object& metadata_of(json::value& object) { return kube::object_at(object.get_object(), "metadata"); }

std::string text_at(const json::value& object, std::string_view path) {
  return std::string(kube::string_at(object, path));
}

FieldManager manager_of(const Write& write) {
  return {.name = write.manager,
          .api_version = write.kind->info.api_version(),
          .subresource = write.subresource,
          .now = kube::now_time(),
          .has_status = write.kind->has_status};
}

/// An object as it would be stored, for a dry run.
Written not_stored(json::value value, uint64_t version, bool created) {
  auto object = std::make_shared<Object>();
  object->version = version;
  object->text = json::serialize(value);
  object->value = std::move(value);
  return {.object = std::move(object), .created = created};
}

ApiResult<void> complete_metadata(const Write& write, json::value& object) {
  auto& metadata = metadata_of(object);
  auto ns = text_at(object, "metadata.namespace");
  if (!ns.empty() && ns != write.ns) {
    return fail(ErrorCode::bad_request,
                "the namespace of the provided object does not match the namespace sent on the request");
  }
  if (write.kind->info.namespaced) {
    metadata["namespace"] = write.ns;
  } else {
    metadata.erase("namespace");
  }
  if (!text_at(object, "metadata.resourceVersion").empty()) {
    return fail(ErrorCode::bad_request, "resourceVersion should not be set on objects to be created");
  }
  metadata.erase("resourceVersion");
  auto name = text_at(object, "metadata.name");
  auto generate = text_at(object, "metadata.generateName");
  if (name.empty() && !write.name.empty()) metadata["name"] = write.name;
  if (name.empty() && write.name.empty() && !generate.empty()) metadata["name"] = generated_name(generate);
  if (!write.name.empty() && !name.empty() && name != write.name) {
    return fail(
        ErrorCode::bad_request,
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", name, write.name));
  }
  metadata["uid"] = new_uid();
  metadata["creationTimestamp"] = kube::now_time();
  return {};
}

/// What the body says about the object it is for must agree with the object.
ApiResult<void> check_identity(const Write& write, const json::value& old, const json::value& next) {
  auto name = text_at(next, "metadata.name");
  if (!name.empty() && name != write.name) {
    return fail(
        ErrorCode::bad_request,
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", name, write.name));
  }
  auto ns = text_at(next, "metadata.namespace");
  if (!ns.empty() && ns != write.ns) {
    return fail(ErrorCode::bad_request,
                "the namespace of the provided object does not match the namespace sent on the request");
  }
  auto uid = text_at(next, "metadata.uid");
  if (!uid.empty() && uid != kube::string_at(old, "metadata.uid")) {
    return std::unexpected(
        object_failure(ErrorCode::conflict, *write.kind, write.name,
                       fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                   uid, kube::string_at(old, "metadata.uid"))));
  }
  auto version = text_at(next, "metadata.resourceVersion");
  if (!version.empty() && version != kube::string_at(old, "metadata.resourceVersion")) {
    return std::unexpected(object_failure(
        ErrorCode::conflict, *write.kind, write.name,
        "the object has been modified; please apply your changes to the latest version and try again"));
  }
  return {};
}

}  // namespace

std::string resource_name(const ServedKind& kind) {
  return kind.info.group.empty() ? kind.info.plural : kind.info.plural + "." + kind.info.group;
}

ApiFailure object_failure(ErrorCode code, const ServedKind& kind, const std::string& name,
                          const std::string& what) {
  std::string message;
  switch (code) {
    case ErrorCode::conflict:
      message =
          fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", resource_name(kind), name, what);
      break;
    case ErrorCode::forbidden:
      message = fmt::format("{} \"{}\" is forbidden: {}", resource_name(kind), name, what);
      break;
    default:
      message = fmt::format("{} \"{}\" {}", resource_name(kind), name, what);
  }
  return {{code, message}, {.name = name, .group = kind.info.group, .kind = kind.info.plural, .causes = {}}};
}

ApiFailure invalid_failure(const ServedKind& kind, const std::string& name, FieldErrors errors) {
  auto error = invalid_object(kind.info.kind, kind.info.group, name, errors);
  return {std::move(error),
          {.name = name, .group = kind.info.group, .kind = kind.info.kind, .causes = std::move(errors)}};
}

std::string new_uid() {
  unsigned char b[16];
  RAND_bytes(b, sizeof b);
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  std::string out;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", b[i]);
  }
  return out;
}

ObjectPtr Registry::in_version(const ServedKind& kind, const ObjectPtr& stored) {
  auto wanted = kind.info.api_version();
  if (kube::string_at(stored->value, "apiVersion") == wanted) return stored;
  auto object = std::make_shared<Object>();
  object->version = stored->version;
  object->value = stored->value;
  object->value.get_object()["apiVersion"] = wanted;
  object->text = json::serialize(object->value);
  return object;
}

ApiResult<ObjectPtr> Registry::get(const ServedKind& kind, const std::string& ns,
                                   const std::string& name) const {
  auto stored = store_.get(kind.store_key(), ns, name);
  if (!stored) return std::unexpected(object_failure(ErrorCode::not_found, kind, name, "not found"));
  return in_version(kind, stored);
}

ApiResult<void> Registry::check_namespace(const Write& write) const {
  if (!write.kind->info.namespaced) return {};
  auto found = store_.get("/namespaces", "", write.ns);
  if (!found) {
    return std::unexpected(
        ApiFailure({ErrorCode::not_found, fmt::format("namespaces \"{}\" not found", write.ns)},
                   {.name = write.ns, .kind = "namespaces"}));
  }
  if (!kube::at_path(found->value, "metadata.deletionTimestamp")) return {};
  auto failure = object_failure(
      ErrorCode::forbidden, *write.kind, write.name,
      fmt::format("unable to create new content in namespace {} because it is being terminated", write.ns));
  failure.details.causes = {{.reason = "NamespaceTerminating",
                             .field = "metadata.namespace",
                             .message = fmt::format("namespace {} is being terminated", write.ns)}};
  return std::unexpected(std::move(failure));
}

ApiResult<Written> Registry::create(const Write& asked, json::value object, bool applied) {
  Write write = asked;
  const auto& kind = *write.kind;
  WEFT_CHECK(complete_metadata(write, object));
  write.name = text_at(object, "metadata.name");
  WEFT_CHECK(check_namespace(write));
  default_object(kind.info, *kind.schema, object);
  prepare_for_create(kind.info, kind.has_status, object);
  std::optional<ServiceAllocator::Transaction> addresses;
  // What is already there is told before what is wrong with the new one, as upstream does.
  if (store_.get(kind.store_key(), write.ns, write.name)) {
    return std::unexpected(object_failure(ErrorCode::already_exists, kind, write.name, "already exists"));
  }
  if (is_service(kind)) {
    auto taken = services_.allocate(object, nullptr);
    if (!taken) return std::unexpected(invalid_failure(kind, write.name, taken.error()));
    addresses.emplace(std::move(*taken));
  }
  if (auto errors = validate_create(kind.info, *kind.schema, object); !errors.empty()) {
    return std::unexpected(invalid_failure(kind, write.name, std::move(errors)));
  }
  object.get_object()["apiVersion"] = kind.info.api_version();
  object.get_object()["kind"] = kind.info.kind;
  if (!applied) track_update(nullptr, object, *kind.schema, manager_of(write));
  if (write.dry_run) return not_stored(std::move(object), 0, true);
  object.get_object()["apiVersion"] = kind.storage_version;
  WEFT_TRY(auto stored, store_.create(kind.store_key(), std::move(object.get_object())));
  if (addresses) addresses->commit();
  return Written{.object = in_version(kind, stored), .created = true};
}

ApiResult<Written> Registry::update(const Write& write, const Mutate& mutate) {
  const auto& kind = *write.kind;
  auto stored = store_.get(kind.store_key(), write.ns, write.name);
  if (!stored) return std::unexpected(object_failure(ErrorCode::not_found, kind, write.name, "not found"));
  auto view = in_version(kind, stored);
  const auto& old = view->value;
  bool applied = false;
  WEFT_TRY(auto next, mutate(old, applied));
  if (!next.is_object()) return fail(ErrorCode::bad_request, "the object is no JSON object");
  WEFT_CHECK(check_identity(write, old, next));
  auto& metadata = metadata_of(next);
  metadata["name"] = write.name;
  if (kind.info.namespaced) metadata["namespace"] = write.ns;
  metadata["resourceVersion"] = *kube::at_path(old, "metadata.resourceVersion");
  next.get_object()["apiVersion"] = kind.info.api_version();
  next.get_object()["kind"] = kind.info.kind;

  // What the server writes on its own is not for the client's rules.
  bool own = write.subresource == "binding" || write.subresource == "finalize";
  std::optional<ServiceAllocator::Transaction> addresses;
  if (!own) {
    default_object(kind.info, *kind.schema, next);
    prepare_for_update(kind.info, kind.has_status, next, old, write.subresource);
    if (is_service(kind) && write.subresource.empty()) {
      auto taken = services_.allocate(next, old);
      if (!taken) return std::unexpected(invalid_failure(kind, write.name, taken.error()));
      addresses.emplace(std::move(*taken));
    }
    auto errors = validate_update(kind.info, *kind.schema, next, old, write.subresource);
    if (!errors.empty()) return std::unexpected(invalid_failure(kind, write.name, std::move(errors)));
  }
  if (applied) {
    settle_apply(old, next);
  } else if (!own) {
    track_update(old, next, *kind.schema, manager_of(write));
  }
  if (write.dry_run) return not_stored(std::move(next), view->version, false);
  if (next == old) return Written{.object = view};
  auto written = store_update(write, stored, std::move(next));
  if (written && addresses) addresses->commit();
  return written;
}

ApiResult<Written> Registry::store_update(const Write& write, const ObjectPtr& stored, json::value next) {
  const auto& kind = *write.kind;
  next.get_object()["apiVersion"] = kind.storage_version;
  // The last finalizer is gone.
  if (is_deleted_for_good(kind, next)) return erase(write, stored, std::move(next));
  WEFT_TRY(auto after, store_.update(kind.store_key(), std::move(next.get_object()), stored->version));
  return Written{.object = in_version(kind, after)};
}

ApiResult<Written> Registry::erase(const Write& write, const ObjectPtr& stored, json::value last) {
  const auto& kind = *write.kind;
  if (write.dry_run) return Written{.object = in_version(kind, stored), .gone = true};
  WEFT_TRY(auto gone,
           store_.remove(kind.store_key(), write.ns, write.name, stored->version, std::move(last)));
  if (is_service(kind)) services_.release(gone->value);
  return Written{.object = in_version(kind, gone), .gone = true};
}

ApiResult<Written> Registry::remove(const Write& write, const DeleteOptions& options) {
  const auto& kind = *write.kind;
  auto stored = store_.get(kind.store_key(), write.ns, write.name);
  if (!stored) return std::unexpected(object_failure(ErrorCode::not_found, kind, write.name, "not found"));
  if (auto why = failed_precondition(stored->value, options); !why.empty()) {
    return std::unexpected(object_failure(ErrorCode::conflict, kind, write.name, why));
  }
  if (kind.info.group.empty() && kind.info.plural == "namespaces" && is_permanent_namespace(write.name)) {
    return std::unexpected(
        object_failure(ErrorCode::forbidden, kind, write.name, "this namespace may not be deleted"));
  }
  auto deletion = plan_deletion(kind, stored->value, options, kube::now_point());
  if (deletion.erase) return erase(write, stored, nullptr);
  if (deletion.next.is_null()) return Written{.object = in_version(kind, stored)};
  if (write.dry_run) return not_stored(std::move(deletion.next), stored->version, false);
  WEFT_TRY(auto after,
           store_.update(kind.store_key(), std::move(deletion.next.get_object()), stored->version));
  return Written{.object = in_version(kind, after)};
}

}  // namespace weft::standalone
