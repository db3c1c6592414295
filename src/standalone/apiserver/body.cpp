#include "standalone/apiserver/body.h"

#include <fmt/core.h>

#include <charconv>

#include "kube/json_numbers.h"
#include "kube/yaml.h"
#include "standalone/apimachinery/fields.h"
#include "standalone/apimachinery/protobuf.h"

namespace weft::standalone {
namespace {

ApiResult<json::value> parse_json(const std::string& body) {
  boost::system::error_code bad;
  json::parse_options options;
  options.max_depth = 100;
  auto value = json::parse(body, bad, {}, options);
  if (bad) return fail(ErrorCode::bad_request, "the body of the request is not JSON: " + bad.message());
  if (!kube::has_finite_numbers(value))
    return fail(ErrorCode::bad_request, "the body of the request has a number that is out of range");
  return value;
}

ApiResult<json::value> parse_one_yaml(const std::string& body) {
  auto documents = kube::parse_yaml(body, "body");
  if (!documents)
    return fail(ErrorCode::bad_request, "the body of the request is not YAML: " + documents.error().message);
  if (documents->size() != 1)
    return fail(ErrorCode::bad_request, "the body of the request has to be one YAML document");
  return std::move((*documents)[0].value);
}

/// The body says which kind it is, if it says so at all.
ApiResult<void> check_kind(const ServedKind& kind, const json::value& object) {
  auto version = kube::string_at(object, "apiVersion");
  auto name = kube::string_at(object, "kind");
  if (!version.empty() && version != kind.info.api_version()) {
    return fail(ErrorCode::bad_request,
                fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                            version, kind.info.api_version()));
  }
  if (!name.empty() && name != kind.info.kind) {
    return fail(
        ErrorCode::bad_request,
        fmt::format("the kind in the data ({}) does not match the expected kind ({})", name, kind.info.kind));
  }
  return {};
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

ApiResult<bool> dry_run_value(std::string_view value) {
  if (value.empty()) return false;
  if (value == "All") return true;
  return fail(ErrorCode::invalid,
              fmt::format("dryRun: Unsupported value: \"{}\": supported values: \"All\"", value));
}

ApiResult<void> read_delete_body(const json::value& body, DeleteOptions& out, bool& dry) {
  if (auto kind = kube::string_at(body, "kind"); !kind.empty() && kind != "DeleteOptions") {
    return fail(ErrorCode::bad_request, fmt::format("the body is a {}, not DeleteOptions", kind));
  }
  if (const auto* grace = kube::member(body, "gracePeriodSeconds"); grace && grace->is_int64()) {
    out.grace_seconds = grace->get_int64();
  }
  out.uid = kube::string_at(body, "preconditions.uid");
  out.resource_version = kube::string_at(body, "preconditions.resourceVersion");
  out.propagation = kube::string_at(body, "propagationPolicy");
  if (const auto* orphan = kube::member(body, "orphanDependents"); orphan && orphan->is_bool()) {
    out.propagation = orphan->get_bool() ? "Orphan" : "Background";
  }
  const auto* runs = kube::member(body, "dryRun");
  if (runs && runs->is_array()) {
    for (const auto& value : runs->get_array()) {
      WEFT_TRY(bool one, dry_run_value(value.is_string() ? std::string_view(value.get_string()) : "?"));
      dry = dry || one;
    }
  }
  return {};
}

}  // namespace

std::string_view media_type(const ApiRequest& request) {
  std::string_view type = request.content_type;
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return type.empty() ? "application/json" : type;
}

ApiResult<json::value> parse_body(const ApiRequest& request, std::string_view type) {
  if (request.body.empty())
    return fail(ErrorCode::bad_request, "the request has no body; an object is expected");
  if (type.ends_with("json")) return parse_json(request.body);
  if (type.ends_with("yaml")) return parse_one_yaml(request.body);
  if (type == "application/vnd.kubernetes.protobuf") {
    WEFT_TRY(auto object, decode_protobuf(request.body));
    return object;
  }
  return fail(
      ErrorCode::unsupported_media_type,
      fmt::format("the body of the request was in an unknown format - accepted media types include: "
                  "application/json, application/yaml, application/vnd.kubernetes.protobuf (it is {})",
                  type));
}

ApiResult<FieldValidation> field_validation(const ApiRequest& request) {
  auto value = request.param("fieldValidation");
  if (value.empty() || value == "Warn") return FieldValidation::warn;
  if (value == "Strict") return FieldValidation::strict;
  if (value == "Ignore") return FieldValidation::ignore;
  return fail(
      ErrorCode::invalid,
      fmt::format(
          "fieldValidation: Unsupported value: \"{}\": supported values: \"Ignore\", \"Warn\", \"Strict\"",
          value));
}

ApiResult<void> clean_object(const ServedKind& kind, json::value& object, FieldValidation validation,
                             std::string_view json_text, std::vector<std::string>& warnings) {
  if (!object.is_object()) return fail(ErrorCode::bad_request, "the body of the request is no object");
  WEFT_CHECK(check_kind(kind, object));
  if (!kind.custom) {
    auto typed = check_types(object, *kind.schema);
    if (!typed)
      return std::unexpected(cannot_handle(kind.info.kind, kind.info.api_version(), typed.error().message));
    drop_nulls(object, *kind.schema);
  }
  auto problems = prune(object, *kind.schema);
  auto twice = json_text.empty() ? std::vector<std::string>() : duplicate_fields(json_text);
  problems.insert(problems.end(), twice.begin(), twice.end());
  if (problems.empty() || validation == FieldValidation::ignore) return {};
  if (validation == FieldValidation::strict) {
    return std::unexpected(cannot_handle(kind.info.kind, kind.info.api_version(), strict_detail(problems)));
  }
  warnings.insert(warnings.end(), problems.begin(), problems.end());
  return {};
}

ApiResult<bool> dry_run(const ApiRequest& request) { return dry_run_value(request.param("dryRun")); }

ApiResult<DeleteOptions> delete_options(const ApiRequest& request, bool& dry) {
  DeleteOptions out;
  WEFT_TRY(dry, dry_run(request));
  if (!request.body.empty()) {
    WEFT_TRY(auto body, parse_body(request, media_type(request)));
    WEFT_CHECK(read_delete_body(body, out, dry));
  }
  if (auto grace = request.param("gracePeriodSeconds"); !grace.empty()) {
    out.grace_seconds = whole_number(grace);
    if (!out.grace_seconds) return fail(ErrorCode::bad_request, "gracePeriodSeconds: not a number: " + grace);
  }
  if (auto policy = request.param("propagationPolicy"); !policy.empty()) out.propagation = policy;
  if (out.grace_seconds && *out.grace_seconds < 0) out.grace_seconds = 1;
  if (!out.propagation.empty() && out.propagation != "Orphan" && out.propagation != "Background" &&
      out.propagation != "Foreground") {
    return fail(ErrorCode::invalid,
                fmt::format("DeleteOptions is invalid: propagationPolicy: Unsupported value: \"{}\": "
                            "supported values: \"Foreground\", \"Background\", \"Orphan\"",
                            out.propagation));
  }
  return out;
}

}  // namespace weft::standalone
