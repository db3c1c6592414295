#include "standalone/apimachinery/openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "kube/apps.h"
#include "kube/codec.h"
#include "kube/meta.h"
#include "standalone/apimachinery/openapi_schema.h"

namespace weft::standalone {

namespace {

constexpr const char* kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

struct GroupVersion {
  std::string group;
  std::string version;
  bool operator==(const GroupVersion&) const = default;

  std::string path() const {
    return group.empty() ? "api/" + version : fmt::format("apis/{}/{}", group, version);
  }
};

json::object gvk_of(std::string_view group, std::string_view version, std::string_view kind) {
  return {{"group", group}, {"kind", kind}, {"version", version}};
}

json::object gvk_of(const kube::ResourceInfo& info) { return gvk_of(info.group, info.version, info.kind); }

json::object parameter(OpenApiVersion version, std::string_view name, std::string_view in,
                       std::string_view type, std::string_view doc) {
  json::object out{{"name", name}, {"in", in}, {"description", doc}};
  if (in == "path") out["required"] = true;
  if (version == OpenApiVersion::v3) {
    out["schema"] = json::object{{"type", type}, {"uniqueItems", true}};
  } else {
    out["type"] = type;
    out["uniqueItems"] = true;
  }
  return out;
}

/// The operations of one path, in either version of OpenAPI.
class PathWriter {
 public:
  PathWriter(OpenApiVersion version, const ApiKind& kind) : version_(version), kind_(kind) {}

  json::object collection() {
    json::object out;
    out["get"] = operation("list", "list", list_ref(), watch_parameters(), false);
    out["post"] = operation("create", "post", kind_.schema->ref_name, write_parameters(), true);
    out["delete"] =
        operation("delete", "deletecollection", std::string(kMeta) + "Status", watch_parameters(), false);
    out["parameters"] = shared_parameters(false);
    return out;
  }

  json::object object(std::string_view subresource) {
    const auto ref = subresource == "scale" ? "io.k8s.api.autoscaling.v1.Scale" : kind_.schema->ref_name;
    json::object out;
    out["get"] = operation("read", "get", ref, {}, false);
    out["put"] = operation("replace", "put", ref, write_parameters(), true);
    auto patching = write_parameters();
    patching.push_back(parameter(version_, "force", "query", "boolean",
                                 "Takes fields over from other managers; for apply patches only."));
    out["patch"] = operation("patch", "patch", ref, std::move(patching), true);
    if (subresource.empty()) {
      auto deleting = json::array{
          dry_run(),
          parameter(version_, "gracePeriodSeconds", "query", "integer",
                    "Seconds until the object shall be gone."),
          parameter(version_, "propagationPolicy", "query", "string", "Orphan, Background or Foreground.")};
      out["delete"] =
          operation("delete", "delete", std::string(kMeta) + "Status", std::move(deleting), false);
    }
    out["parameters"] = shared_parameters(true);
    return out;
  }

 private:
  std::string list_ref() const { return kind_.schema->ref_name + "List"; }

  json::value dry_run() const {
    return parameter(version_, "dryRun", "query", "string", "All: nothing is stored.");
  }

  json::array write_parameters() const {
    return {
        dry_run(),
        parameter(version_, "fieldManager", "query", "string", "The name of who or what makes the change."),
        parameter(version_, "fieldValidation", "query", "string",
                  "What to do about unknown and duplicate fields: Ignore, Warn or Strict.")};
  }

  json::array watch_parameters() const {
    json::array out;
    for (auto [name, type, doc] : {std::tuple{"allowWatchBookmarks", "boolean", "Asks for bookmarks."},
                                   {"continue", "string", "The token of the next page."},
                                   {"fieldSelector", "string", "Only objects with these field values."},
                                   {"labelSelector", "string", "Only objects with these labels."},
                                   {"limit", "integer", "The most objects of one page."},
                                   {"resourceVersion", "string", "The version to start from."},
                                   {"resourceVersionMatch", "string", "How resourceVersion is meant."},
                                   {"sendInitialEvents", "boolean", "A watch starts with what is there."},
                                   {"timeoutSeconds", "integer", "When the call ends."},
                                   {"watch", "boolean", "Sends changes as they happen."}}) {
      out.push_back(parameter(version_, name, "query", type, doc));
    }
    return out;
  }

  json::array shared_parameters(bool with_name) const {
    json::array out;
    if (with_name) out.push_back(parameter(version_, "name", "path", "string", "The name of the object."));
    if (kind_.resource.namespaced) {
      out.push_back(parameter(version_, "namespace", "path", "string", "The namespace of the object."));
    }
    out.push_back(parameter(version_, "pretty", "query", "string", "Indents the answer."));
    return out;
  }

  json::object content(std::string_view ref, const std::vector<std::string_view>& types) const {
    json::object out;
    for (auto type : types) out[type] = json::object{{"schema", reference_to(version_, ref)}};
    return out;
  }

  json::object operation(std::string_view verb, std::string_view action, std::string_view ref,
                         json::array parameters, bool has_body) {
    const auto& info = kind_.resource;
    json::object out{
        {"description", fmt::format("{} {}", verb, info.kind)},
        {"operationId", fmt::format("{}{}{}{}{}", verb, info.group, info.version, info.kind, ++count_)},
        {"x-kubernetes-action", action},
        {"x-kubernetes-group-version-kind", gvk_of(info)}};
    bool patch = action == "patch";
    auto body_ref = patch ? std::string(kMeta) + "Patch" : std::string(ref);
    if (version_ == OpenApiVersion::v3) {
      json::object ok{{"description", "OK"}};
      ok["content"] = content(ref, {"application/json", "application/yaml"});
      out["responses"] = json::object{{"200", std::move(ok)}};
      if (has_body) {
        std::vector<std::string_view> types{"application/json", "application/yaml"};
        if (patch)
          types = {"application/json-patch+json", "application/merge-patch+json",
                   "application/apply-patch+yaml"};
        // kubectl apply sends this form to whoever knows it.
        if (patch && !kind_.custom) types.emplace_back("application/strategic-merge-patch+json");
        out["requestBody"] = json::object{{"required", true}, {"content", content(body_ref, types)}};
      }
    } else {
      out["responses"] =
          json::object{{"200", json::object{{"description", "OK"}, {"schema", reference_to(version_, ref)}}}};
      if (has_body) {
        parameters.push_back(json::object{{"name", "body"},
                                          {"in", "body"},
                                          {"required", true},
                                          {"schema", reference_to(version_, body_ref)}});
      }
    }
    if (!parameters.empty()) out["parameters"] = std::move(parameters);
    return out;
  }

  OpenApiVersion version_;
  const ApiKind& kind_;
  int count_ = 0;
};

/// All that a document has of one kind.
class DocumentWriter {
 public:
  explicit DocumentWriter(OpenApiVersion version) : version_(version), definitions_(version) {
    definitions_.add(kube::schema_of<kube::ListMeta>());
    definitions_.add(kube::schema_of<kube::Status>());
    definitions_.add_raw(std::string(kMeta) + "Patch",
                         json::object{{"type", "object"},
                                      {"description",
                                       "A change to an object, in one of the forms "
                                       "of the request's Content-Type."}});
  }

  void add(const ApiKind& kind) {
    const auto& info = kind.resource;
    const auto& ref = kind.schema->ref_name;
    definitions_.add(kind.schema);
    definitions_.mark(ref, gvk_of(info));
    add_list(kind);
    if (kind.has_scale) {
      definitions_.add(kube::schema_of<kube::Scale>());
      definitions_.mark("io.k8s.api.autoscaling.v1.Scale", gvk_of("autoscaling", "v1", "Scale"));
    }
    PathWriter writer(version_, kind);
    auto base = "/" + GroupVersion{info.group, info.version}.path();
    auto within = base + (info.namespaced ? "/namespaces/{namespace}/" : "/") + info.plural;
    paths_[within] = writer.collection();
    paths_[within + "/{name}"] = writer.object("");
    if (kind.has_status) paths_[within + "/{name}/status"] = writer.object("status");
    if (kind.has_scale) paths_[within + "/{name}/scale"] = writer.object("scale");
  }

  json::object paths() { return sorted(std::move(paths_)); }
  json::object definitions() { return definitions_.take(); }

 private:
  static json::object sorted(std::map<std::string, json::object> all) {
    json::object out;
    for (auto& [key, value] : all) out[key] = std::move(value);
    return out;
  }

  void add_list(const ApiKind& kind) {
    const auto& ref = kind.schema->ref_name;
    json::object properties{
        {"apiVersion", json::object{{"type", "string"}}},
        {"items", json::object{{"type", "array"}, {"items", reference_to(version_, ref)}}},
        {"kind", json::object{{"type", "string"}}},
        {"metadata", reference_to(version_, std::string(kMeta) + "ListMeta")}};
    auto info = kind.resource;
    info.kind += "List";
    definitions_.add_raw(ref + "List",
                         json::object{{"description", fmt::format("A list of {}.", kind.resource.kind)},
                                      {"type", "object"},
                                      {"required", json::array{"items"}},
                                      {"properties", std::move(properties)}});
    definitions_.mark(ref + "List", gvk_of(info));
  }

  OpenApiVersion version_;
  Definitions definitions_;
  std::map<std::string, json::object> paths_;
};

json::object document_info() { return {{"title", "Kubernetes"}, {"version", "v1.34.0"}}; }

}  // namespace

json::object openapi_v3(const std::vector<ApiKind>& kinds, std::string_view group, std::string_view version) {
  DocumentWriter writer(OpenApiVersion::v3);
  for (const auto& kind : kinds) {
    if (kind.resource.group == group && kind.resource.version == version) writer.add(kind);
  }
  json::object out{{"openapi", "3.0.0"}, {"info", document_info()}};
  out["paths"] = writer.paths();
  out["components"] = json::object{{"schemas", writer.definitions()}};
  return out;
}

json::object openapi_v3_index(const std::vector<ApiKind>& kinds) {
  std::map<std::string, GroupVersion> versions;
  for (const auto& kind : kinds) {
    GroupVersion gv{kind.resource.group, kind.resource.version};
    versions.emplace(gv.path(), gv);
  }
  json::object paths;
  for (const auto& [path, gv] : versions) {
    auto text = json::serialize(openapi_v3(kinds, gv.group, gv.version));
    paths[path] = json::object{{"serverRelativeURL", fmt::format("/openapi/v3/{}?hash={:016X}", path,
                                                                 std::hash<std::string>{}(text))}};
  }
  return {{"paths", std::move(paths)}};
}

json::object openapi_v2(const std::vector<ApiKind>& kinds) {
  DocumentWriter writer(OpenApiVersion::v2);
  for (const auto& kind : kinds) writer.add(kind);
  json::object out{{"swagger", "2.0"}, {"info", document_info()}};
  out["paths"] = writer.paths();
  out["definitions"] = writer.definitions();
  return out;
}

std::string openapi_v2_protobuf() {
  // Fields with a length below 128: number, wire type 2 (bytes), length.
  auto field = [](char number, std::string_view bytes) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} +
           std::string(bytes);
  };
  const json::value info = document_info();
  return field(1, "2.0") +
         field(2, field(1, kube::string_at(info, "title")) + field(2, kube::string_at(info, "version")));
}

}  // namespace weft::standalone
