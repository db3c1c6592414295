#pragma once

#include <boost/json.hpp>

#include <string>
#include <string_view>

namespace weft {
namespace json = boost::json;
}

namespace weft::kube {

/// The value at a dotted path of object keys ("metadata.name"), or nullptr. Keys that contain dots: use
/// `member`.
const json::value* at_path(const json::value& value, std::string_view path);
/// The member of an object, or nullptr (also when `value` is no object).
const json::value* member(const json::value& value, std::string_view key);
/// The string at a path, or "" when it is absent or no string. The view lives as long as `value`.
std::string_view string_at(const json::value& value, std::string_view path);
/// The object at a path, made (with all on the way to it) when it is not there or is no object.
json::object& object_at(json::object& object, std::string_view path);

/// Field paths as messages show them: "spec.ports[0].port", and "metadata.labels[example.com/a]" for a key
/// that contains a dot or a slash.
void append_key(std::string& path, std::string_view key);
void append_index(std::string& path, size_t index);

}  // namespace weft::kube
