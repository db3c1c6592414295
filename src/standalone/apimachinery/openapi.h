#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kube/json.h"
#include "kube/resource.h"
#include "kube/schema.h"

namespace weft::standalone {

/// A kind as it is served, for documentation.
struct ApiKind {
  kube::ResourceInfo resource;
  kube::SchemaPtr schema;  ///< its ref_name is the definition's name
  bool has_status = false;
  bool has_scale = false;
  bool custom = false;  ///< from a CustomResourceDefinition: no strategic merge patches
};

/// GET /openapi/v3: the documents there are: {"paths": {"api/v1": {"serverRelativeURL":
/// "/openapi/v3/api/v1?hash=…"}}}. The hash changes with the document.
json::object openapi_v3_index(const std::vector<ApiKind>& kinds);

/// GET /openapi/v3/api/v1 or /openapi/v3/apis/GROUP/VERSION: components and paths of the kinds of one group
/// and version. The other kinds are ignored; `kinds` may be all there are.
json::object openapi_v3(const std::vector<ApiKind>& kinds, std::string_view group, std::string_view version);

/// GET /openapi/v2: all kinds in one Swagger 2.0 document (JSON).
json::object openapi_v2(const std::vector<ApiKind>& kinds);

/// As clients ask for it, and as it is sent: what they say is no media type of RFC 2045.
inline constexpr std::string_view kOpenApiV2Accept =
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
inline constexpr const char* kOpenApiV2Type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The same document in protobuf, without any kinds. kubectl asks for it when it is to apply a kind that
/// version 3 does not have, and then says that there is no such kind. Kinds are described in JSON.
std::string openapi_v2_protobuf();

}  // namespace weft::standalone
