#include "standalone/apiserver/representation.h"

#include <fmt/core.h>

#include "kube/time.h"
#include "standalone/apiserver/registry.h"

namespace weft::standalone {
namespace {

constexpr const char* kMetaVersion = "meta.k8s.io/v1";

json::object list_metadata(const ListHead& head) {
  json::object out{{"resourceVersion", std::to_string(head.version)}};
  if (!head.continue_token.empty()) out["continue"] = head.continue_token;
  if (head.remaining) out["remainingItemCount"] = *head.remaining;
  return out;
}

}  // namespace

ApiResponse json_response(const json::value& value, int status) {
  return {.status = status, .body = json::serialize(value) + "\n"};
}

ApiResponse failure_response(const ApiFailure& failure) {
  return json_response(make_status(failure), http_status(failure.error.code));
}

ApiResult<Representation> Representation::choose(const ServedKindPtr& kind, const ApiRequest& request) {
  auto accept = parse_accept(request.accept);
  if (!accept.acceptable || accept.form == Accept::Form::discovery) {
    return fail(ErrorCode::not_acceptable,
                "only the following media types are accepted: application/json, also as a Table, "
                "PartialObjectMetadata "
                "or PartialObjectMetadataList of meta.k8s.io/v1");
  }
  Representation out;
  out.kind_ = kind;
  out.form_ = accept.form;
  auto include = request.param("includeObject");
  if (include == "None") out.include_ = IncludeObject::none;
  if (include == "Object") out.include_ = IncludeObject::object;
  return out;
}

json::object Representation::metadata_only(const json::value& object) const {
  const auto* metadata = kube::member(object, "metadata");
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", kMetaVersion},
          {"metadata", metadata ? *metadata : json::value(json::object())}};
}

std::string Representation::text_of(const ObjectPtr& object, bool with_columns) const {
  switch (form_) {
    case Accept::Form::table: {
      ListHead head{.version = object->version};
      return json::serialize(make_table(kind_->info, kind_->columns, {&object->value}, list_metadata(head),
                                        include_, kube::now_point(), with_columns));
    }
    case Accept::Form::partial_metadata:
    case Accept::Form::partial_metadata_list:
      return json::serialize(metadata_only(object->value));
    default:
      return object->text;
  }
}

ApiResponse Representation::object(const ObjectPtr& object, int status) const {
  auto text = text_of(object, true);
  text += '\n';
  return {.status = status, .body = std::move(text)};
}

ApiResponse Representation::list(const std::vector<ObjectPtr>& objects, const ListHead& head) const {
  if (form_ == Accept::Form::table) {
    std::vector<const json::value*> values;
    values.reserve(objects.size());
    for (const auto& object : objects) values.push_back(&object->value);
    return json_response(
        make_table(kind_->info, kind_->columns, values, list_metadata(head), include_, kube::now_point()));
  }
  bool partial = form_ == Accept::Form::partial_metadata || form_ == Accept::Form::partial_metadata_list;
  std::string body =
      fmt::format(R"({{"kind":"{}","apiVersion":"{}","metadata":{},"items":[)",
                  partial ? "PartialObjectMetadataList" : kind_->list_kind,
                  partial ? kMetaVersion : kind_->info.api_version(), json::serialize(list_metadata(head)));
  bool first = true;
  for (const auto& object : objects) {
    if (!first) body += ',';
    first = false;
    body += partial ? json::serialize(metadata_only(object->value)) : object->text;
  }
  body += "]}\n";
  return {.body = std::move(body)};
}

std::string Representation::event(std::string_view type, const ObjectPtr& object, bool first) const {
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, text_of(object, first));
}

std::string Representation::bookmark(uint64_t version, bool initial_events_end) const {
  json::object metadata{{"resourceVersion", std::to_string(version)}};
  if (initial_events_end) metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
  json::object object{{"kind", kind_->info.kind}, {"apiVersion", kind_->info.api_version()}};
  if (form_ == Accept::Form::table) {
    object = {{"kind", "Table"},
              {"apiVersion", kMetaVersion},
              {"columnDefinitions", nullptr},
              {"rows", json::array()}};
  } else if (form_ != Accept::Form::plain) {
    object = {{"kind", "PartialObjectMetadata"}, {"apiVersion", kMetaVersion}};
  } else if (!kind_->custom) {
    // Typed decoders want these objects even when they are empty.
    object["spec"] = json::object();
    object["status"] = json::object();
    for (const char* key : {"spec", "status"}) {
      if (!kind_->schema->find(key)) object.erase(key);
    }
  }
  object["metadata"] = std::move(metadata);
  return json::serialize(json::object{{"type", "BOOKMARK"}, {"object", std::move(object)}}) + "\n";
}

}  // namespace weft::standalone
