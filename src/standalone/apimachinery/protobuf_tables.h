#pragma once

#include <string_view>

namespace weft::standalone {

/// The fields of Kubernetes' protobuf messages, a message a line: "core.v1.Volume 1=name:s
/// 2=volumeSource:<core.v1.VolumeSource". Types: s string, b bool, i integer, d double, y bytes, else a
/// message; before them [ for a list, { for a map with string keys, * for what JSON has also when it is
/// empty, < for a message whose fields stand among the others in JSON.
extern const std::string_view kProtobufTables;

}  // namespace weft::standalone
