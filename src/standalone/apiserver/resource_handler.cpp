#include "standalone/apiserver/resource_handler.h"

#include <fmt/core.h>

#include "kube/base64.h"
#include "standalone/apiserver/body.h"
#include "standalone/apiserver/patching.h"
#include "standalone/apiserver/representation.h"
#include "standalone/apiserver/scale.h"
#include "standalone/apiserver/watch.h"

namespace weft::standalone {
namespace {

/// Where a list goes on, and as of when.
struct Continue {
  uint64_t version = 0;
  std::string after;
};

std::string write_token(const Continue& token) {
  return kube::encode_base64(json::serialize(json::object{{"v", token.version}, {"after", token.after}}));
}

ApiResult<Continue> read_token(const std::string& text) {
  auto bad = [] { return fail(ErrorCode::bad_request, "continue key is not valid"); };
  auto plain = kube::decode_base64(text);
  if (!plain) return bad();
  boost::system::error_code error;
  auto value = json::parse(*plain, error);
  const auto* version = error ? nullptr : kube::member(value, "v");
  if (!version || !version->is_number()) return bad();
  Continue out{.version = version->to_number<uint64_t>(error),
               .after = std::string(kube::string_at(value, "after"))};
  if (error || out.after.empty()) return bad();
  return out;
}

ApiResponse answer(const Representation& as, const Written& written,
                   const std::vector<std::string>& warnings) {
  auto response = as.object(written.object, written.created ? 201 : 200);
  add_warnings(response, warnings);
  return response;
}

/// What a DELETE is answered with when nothing is left of the object.
ApiResponse deleted_status(const Target& target, const Object& object) {
  json::object details{{"name", target.name}, {"kind", target.kind->info.plural}};
  if (!target.kind->info.group.empty()) details["group"] = target.kind->info.group;
  details["uid"] = kube::string_at(object.value, "metadata.uid");
  return json_response(json::object{{"kind", "Status"},
                                    {"apiVersion", "v1"},
                                    {"metadata", json::object()},
                                    {"status", "Success"},
                                    {"details", std::move(details)}});
}

/// The kinds whose last state a DELETE answers.
bool answers_object(const ServedKind& kind) {
  return kind.info.group.empty() && (kind.info.plural == "pods" || kind.info.plural == "services" ||
                                     kind.info.plural == "serviceaccounts");
}

std::vector<std::string> warnings_of(const Target& target) {
  if (target.kind->warning.empty()) return {};
  return {target.kind->warning};
}

std::unexpected<ApiFailure> no_such_subresource() {
  return std::unexpected(
      ApiFailure({ErrorCode::not_found, "the server could not find the requested resource"}));
}

}  // namespace

void add_warnings(ApiResponse& response, const std::vector<std::string>& warnings) {
  for (const auto& warning : warnings) {
    std::string quoted;
    for (char c : warning) {
      if (c == '"' || c == '\\') quoted += '\\';
      if (static_cast<unsigned char>(c) >= ' ') quoted += c;
    }
    response.headers.emplace_back("Warning", fmt::format("299 - \"{}\"", quoted));
  }
}

ApiResult<Write> write_of(const ApiRequest& request, const Target& target) {
  Write write{.kind = target.kind, .ns = target.ns, .name = target.name, .subresource = target.subresource};
  WEFT_TRY(write.dry_run, dry_run(request));
  write.manager = request.param("fieldManager");
  if (write.manager.size() > 128) {
    return fail(ErrorCode::invalid, "fieldManager: Too long: may not be more than 128 bytes");
  }
  if (write.manager.empty()) write.manager = request.user_agent.substr(0, request.user_agent.find('/'));
  if (write.manager.empty()) write.manager = "unknown";
  return write;
}

ApiResult<ApiResponse> ResourceHandler::handle(const ApiRequest& request, const Target& target,
                                               const std::string& verb) {
  const auto& sub = target.subresource;
  if (sub == "scale" && target.kind->scale) return scale(request, target, verb);
  if (!sub.empty() && !(sub == "status" && target.kind->has_status)) {
    bool pod = target.kind->store_key() == "/pods";
    if (pod && sub == "binding" && verb == "create") return bind(request, target);
    if (pod && sub == "eviction" && verb == "create") return evict(request, target);
    if (target.kind->store_key() == "/namespaces" && sub == "finalize" && verb == "update") {
      return finalize(request, target);
    }
    return no_such_subresource();
  }
  if (verb == "get") return get(request, target);
  if (verb == "list") return list(request, target);
  if (verb == "create" && sub.empty()) return create(request, target);
  if (verb == "update") return update(request, target);
  if (verb == "patch") return patch(request, target);
  if (verb == "delete") return remove(request, target);
  if (verb == "deletecollection") return remove_collection(request, target);
  return fail(ErrorCode::method_not_allowed,
              "the server does not allow this method on the requested resource");
}

ApiResult<ApiResponse> ResourceHandler::get(const ApiRequest& request, const Target& target) {
  WEFT_TRY(auto as, Representation::choose(target.kind, request));
  WEFT_TRY(auto object, registry_.get(*target.kind, target.ns, target.name));
  auto response = as.object(object);
  add_warnings(response, warnings_of(target));
  return response;
}

ApiResult<ApiResponse> ResourceHandler::list(const ApiRequest& request, const Target& target) {
  WEFT_TRY(auto as, Representation::choose(target.kind, request));
  WEFT_TRY(auto selection, Selection::parse(*target.kind, request));
  WEFT_TRY(uint64_t wanted, parse_version(request.param("resourceVersion")));
  WEFT_TRY(uint64_t limit, parse_version(request.param("limit")));
  if (wanted > store_.version()) {
    return fail(ErrorCode::timeout,
                fmt::format("Too large resource version: {}, current: {}", wanted, store_.version()));
  }
  Continue from{.version = store_.version()};
  if (auto token = request.param("continue"); !token.empty()) {
    WEFT_TRY(from, read_token(token));
  } else if (wanted && request.param("resourceVersionMatch") == "Exact") {
    from.version = wanted;
  }
  auto key = target.kind->store_key();
  std::vector<ObjectPtr> found;
  bool current = from.version == store_.version();
  if (current && selection.everything() && limit) {
    found = store_.list(key, target.ns, from.after, limit + 1);
  } else if (current) {
    found = store_.list(key, target.ns, from.after);
  } else {
    WEFT_TRY(found, store_.list_at(key, target.ns, from.after, 0, from.version));
  }
  ListHead head{.version = from.version};
  std::vector<ObjectPtr> page;
  for (const auto& object : found) {
    if (!selection.matches(object->value)) continue;
    if (limit && page.size() == limit) {
      const auto& last = page.back()->value;
      head.continue_token =
          write_token({from.version, Store::key_of(kube::string_at(last, "metadata.namespace"),
                                                   kube::string_at(last, "metadata.name"))});
      break;
    }
    page.push_back(Registry::in_version(*target.kind, object));
  }
  auto response = as.list(page, head);
  add_warnings(response, warnings_of(target));
  return response;
}

ApiResult<ApiResponse> ResourceHandler::create(const ApiRequest& request, const Target& target) {
  if (target.kind->info.namespaced && target.ns.empty()) {
    return fail(ErrorCode::bad_request, "namespace is required to create " + resource_name(*target.kind));
  }
  WEFT_TRY(auto as, Representation::choose(target.kind, request));
  WEFT_TRY(auto write, write_of(request, target));
  WEFT_TRY(auto validation, field_validation(request));
  auto warnings = warnings_of(target);
  auto type = media_type(request);
  WEFT_TRY(auto object, parse_body(request, type));
  WEFT_CHECK(
      clean_object(*target.kind, object, validation, type.ends_with("json") ? request.body : "", warnings));
  WEFT_TRY(auto written, registry_.create(write, std::move(object)));
  return answer(as, written, warnings);
}

ApiResult<ApiResponse> ResourceHandler::update(const ApiRequest& request, const Target& target) {
  WEFT_TRY(auto as, Representation::choose(target.kind, request));
  WEFT_TRY(auto write, write_of(request, target));
  WEFT_TRY(auto validation, field_validation(request));
  auto warnings = warnings_of(target);
  auto type = media_type(request);
  WEFT_TRY(auto object, parse_body(request, type));
  WEFT_CHECK(
      clean_object(*target.kind, object, validation, type.ends_with("json") ? request.body : "", warnings));
  if (target.kind->custom && kube::string_at(object, "metadata.resourceVersion").empty()) {
    return std::unexpected(invalid_failure(
        *target.kind, target.name,
        {invalid("metadata.resourceVersion", json::value(0), "must be specified for an update")}));
  }
  auto mutate = [&](const json::value&, bool&) -> ApiResult<json::value> { return std::move(object); };
  WEFT_TRY(auto written, registry_.update(write, mutate));
  return answer(as, written, warnings);
}

ApiResult<ApiResponse> ResourceHandler::patch(const ApiRequest& request, const Target& target) {
  WEFT_TRY(auto as, Representation::choose(target.kind, request));
  WEFT_TRY(auto write, write_of(request, target));
  WEFT_TRY(auto validation, field_validation(request));
  auto warnings = warnings_of(target);
  std::string type(media_type(request));
  bool apply = type == "application/apply-patch+yaml";
  WEFT_TRY(auto body, parse_body(request, type));
  if (!apply) {
    auto mutate = [&](const json::value& old, bool&) -> ApiResult<json::value> {
      WEFT_TRY(auto next, apply_patch(*target.kind, old, body, type));
      WEFT_CHECK(
          clean_object(*target.kind, next, validation, type.ends_with("json") ? request.body : "", warnings));
      return next;
    };
    WEFT_TRY(auto written, registry_.update(write, mutate));
    return answer(as, written, warnings);
  }
  if (request.param("fieldManager").empty()) {
    return fail(ErrorCode::invalid,
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for "
                "apply patch");
  }
  WEFT_CHECK(clean_object(*target.kind, body, validation, "", warnings));
  bool exists = store_.get(target.kind->store_key(), target.ns, target.name) != nullptr;
  if (!exists && target.subresource.empty()) {
    WEFT_TRY(auto fresh, apply_config(write, nullptr, body, request.flag("force")));
    WEFT_TRY(auto written, registry_.create(write, std::move(fresh), true));
    return answer(as, written, warnings);
  }
  auto mutate = [&](const json::value& old, bool& applied) {
    applied = true;
    return apply_config(write, old, body, request.flag("force"));
  };
  WEFT_TRY(auto written, registry_.update(write, mutate));
  return answer(as, written, warnings);
}

ApiResult<ApiResponse> ResourceHandler::remove(const ApiRequest& request, const Target& target) {
  WEFT_TRY(auto as, Representation::choose(target.kind, request));
  WEFT_TRY(auto write, write_of(request, target));
  WEFT_TRY(auto options, delete_options(request, write.dry_run));
  WEFT_TRY(auto written, registry_.remove(write, options));
  if (written.gone && !answers_object(*target.kind)) return deleted_status(target, *written.object);
  return as.object(written.object);
}

ApiResult<ApiResponse> ResourceHandler::remove_collection(const ApiRequest& request, const Target& target) {
  WEFT_TRY(auto as, Representation::choose(target.kind, request));
  WEFT_TRY(auto selection, Selection::parse(*target.kind, request));
  WEFT_TRY(auto write, write_of(request, target));
  WEFT_TRY(auto options, delete_options(request, write.dry_run));
  std::vector<ObjectPtr> removed;
  for (const auto& object : store_.list(target.kind->store_key(), target.ns)) {
    if (!selection.matches(object->value)) continue;
    write.ns = kube::string_at(object->value, "metadata.namespace");
    write.name = kube::string_at(object->value, "metadata.name");
    auto written = registry_.remove(write, options);
    if (written) {
      removed.push_back(written->object);
    } else if (written.error().error.code != ErrorCode::not_found) {
      return std::unexpected(written.error());
    }
  }
  return as.list(removed, {.version = store_.version()});
}

ApiResult<ApiResponse> ResourceHandler::scale(const ApiRequest& request, const Target& target,
                                              const std::string& verb) {
  WEFT_TRY(auto stored, registry_.get(*target.kind, target.ns, target.name));
  if (verb == "get") return json_response(scale_of(*target.kind, stored->value));
  if (verb != "update" && verb != "patch") {
    return fail(ErrorCode::method_not_allowed,
                "the server does not allow this method on the requested resource");
  }
  WEFT_TRY(auto write, write_of(request, target));
  std::string type(media_type(request));
  WEFT_TRY(auto body, parse_body(request, type));
  auto mutate = [&](const json::value& old, bool&) -> ApiResult<json::value> {
    json::value next = body;
    if (verb == "patch") {
      bool apply = type == "application/apply-patch+yaml";
      WEFT_TRY(next, apply_patch(scale_kind(), scale_of(*target.kind, old), body,
                                 apply ? "application/merge-patch+json" : type));
    }
    return with_scale(*target.kind, old, next);
  };
  WEFT_TRY(auto written, registry_.update(write, mutate));
  return json_response(scale_of(*target.kind, written.object->value));
}

ApiResult<ApiResponse> ResourceHandler::bind(const ApiRequest& request, const Target& target) {
  WEFT_TRY(auto write, write_of(request, target));
  WEFT_TRY(auto body, parse_body(request, media_type(request)));
  std::string node(kube::string_at(body, "target.name"));
  if (node.empty()) {
    return std::unexpected(invalid_failure(*target.kind, target.name, {required("target.name")}));
  }
  auto mutate = [&](const json::value& old, bool&) -> ApiResult<json::value> {
    auto bound = kube::string_at(old, "spec.nodeName");
    if (!bound.empty() || kube::at_path(old, "metadata.deletionTimestamp")) {
      return std::unexpected(object_failure(
          ErrorCode::conflict, *target.kind, target.name,
          bound.empty() ? fmt::format("pod {} is being deleted, cannot be assigned to a host", target.name)
                        : fmt::format("pod {} is already assigned to node \"{}\"", target.name, bound)));
    }
    json::value next = old;
    kube::object_at(next.get_object(), "spec")["nodeName"] = node;
    return next;
  };
  WEFT_CHECK(registry_.update(write, mutate));
  return json_response(json::object{{"kind", "Status"},
                                    {"apiVersion", "v1"},
                                    {"metadata", json::object()},
                                    {"status", "Success"},
                                    {"code", 201}},
                       201);
}

ApiResult<ApiResponse> ResourceHandler::evict(const ApiRequest& request, const Target& target) {
  ApiRequest inner = request;
  WEFT_TRY(auto body, parse_body(request, media_type(request)));
  const auto* options = kube::member(body, "deleteOptions");
  inner.body = options ? json::serialize(*options) : std::string();
  inner.content_type = "application/json";
  Target pod = target;
  pod.subresource.clear();
  WEFT_CHECK(remove(inner, pod));
  return json_response(json::object{{"kind", "Status"},
                                    {"apiVersion", "v1"},
                                    {"metadata", json::object()},
                                    {"status", "Success"},
                                    {"code", 201}},
                       201);
}

ApiResult<ApiResponse> ResourceHandler::finalize(const ApiRequest& request, const Target& target) {
  WEFT_TRY(auto write, write_of(request, target));
  WEFT_TRY(auto body, parse_body(request, media_type(request)));
  const auto* finalizers = kube::at_path(body, "spec.finalizers");
  auto mutate = [&](const json::value& old, bool&) -> ApiResult<json::value> {
    json::value next = old;
    kube::object_at(next.get_object(), "spec")["finalizers"] =
        finalizers ? *finalizers : json::value(json::array());
    return next;
  };
  WEFT_TRY(auto written, registry_.update(write, mutate));
  WEFT_TRY(auto as, Representation::choose(target.kind, request));
  return as.object(written.object);
}

}  // namespace weft::standalone
