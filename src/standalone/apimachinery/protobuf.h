#pragma once

#include <string_view>

#include "base/error.h"
#include "kube/json.h"

namespace weft::standalone {

/// A body of application/vnd.kubernetes.protobuf (k8s.io/apimachinery's runtime.Unknown behind the bytes
/// "k8s\0") as the JSON that the same client would have sent. Fields that the tables do not know are left
/// out. bad_request for what is malformed, or of a kind that is not in the tables (protobuf_tables.h).
Expected<json::value> decode_protobuf(std::string_view body);

}  // namespace weft::standalone
