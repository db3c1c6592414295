#pragma once

#include <boost/describe.hpp>
#include <boost/mp11/algorithm.hpp>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "kube/codec.h"
#include "kube/meta.h"
#include "kube/resource.h"

/// The machinery behind codec.h, for the files that describe types. A type is described once, with
/// WEFT_DESCRIBE: its members (Boost.Describe) and what the API knows about them beyond their C++ type. From
/// that a table of fields is made (TypeInfo); decode, encode and Schema are ordinary functions over the
/// table, so that a type costs little to compile.
namespace weft::kube::reflect {

/// Where a reader stands in an object; it is put into words only when something is wrong.
struct Place {
  const Place* parent = nullptr;
  std::string_view key = {};  ///< of a member
  size_t index = 0;           ///< of a list's element
  bool is_index = false;
};

/// What is wrong with a value, with its path before it.
std::string complaint(const Place& place, std::string_view what);

/// How values of one C++ type are read, written and shaped.
struct Codec {
  /// False when the value does not fit; `error` then says where and why.
  bool (*read)(const json::value& value, void* out, const Place& place, std::string& error);
  json::value (*write)(const void* object);
  bool (*empty)(const void* object);
  SchemaPtr (*schema)();
};

/// What a description says about a field beyond its C++ type.
class FieldMeta {
 public:
  enum class Format { none, time, micro_time, quantity, bytes };

  explicit FieldMeta(std::string_view json_name) : name(json_name) {}

  FieldMeta& doc(std::string_view text) { return doc_text = text, *this; }
  FieldMeta& required() { return is_required = true, *this; }
  /// Written even when it is empty, 0 or false.
  FieldMeta& keep_empty() { return keep = true, *this; }
  FieldMeta& time() { return format = Format::time, *this; }
  FieldMeta& micro_time() { return format = Format::micro_time, *this; }
  /// A quantity (or a map of them): a JSON number is read as its text.
  FieldMeta& quantity() { return format = Format::quantity, *this; }
  /// base64.
  FieldMeta& bytes() { return format = Format::bytes, *this; }
  /// The shape (shapes.h) of a field that is kept as JSON, or of its elements. A name that is no member is
  /// known to the schema alone and lives in `unknown`.
  FieldMeta& shape(std::string_view type) { return shape_name = type, *this; }
  FieldMeta& one_of(std::initializer_list<std::string_view> values) { return choices = values, *this; }
  FieldMeta& list_map(std::initializer_list<std::string_view> keys) {
    list_type = Schema::ListType::map;
    return list_keys = keys, *this;
  }
  FieldMeta& list_set() { return list_type = Schema::ListType::set, *this; }
  /// patchStrategy merge; the key is "" for a list of plain values.
  FieldMeta& merge(std::string_view key) { return merges = true, merge_key = key, *this; }
  FieldMeta& retain_keys() { return retains_keys = true, *this; }
  FieldMeta& atomic() { return map_atomic = true, *this; }
  FieldMeta& fallback(json::value value) { return default_value = std::move(value), *this; }

  std::string_view name;
  std::string_view doc_text;
  bool is_required = false;
  bool keep = false;
  Format format = Format::none;
  std::string_view shape_name;
  std::vector<std::string_view> choices;
  Schema::ListType list_type = Schema::ListType::atomic;
  std::vector<std::string_view> list_keys;
  bool merges = false;
  std::string_view merge_key;
  bool retains_keys = false;
  bool map_atomic = false;
  std::optional<json::value> default_value;
};

struct FieldInfo {
  FieldMeta meta;
  size_t offset = 0;             ///< from the start of the object
  const Codec* codec = nullptr;  ///< nullptr: known to the schema alone
};

/// A described type as a table.
struct TypeInfo {
  std::string_view ref;  ///< OpenAPI definition name
  std::string_view doc;
  const ResourceInfo* resource = nullptr;                              ///< of a kind
  std::vector<FieldInfo> fields;                                       ///< in the order they are written
  std::vector<std::pair<std::string_view, const FieldInfo*>> by_name;  ///< members, sorted
  size_t unknown_offset = 0;

  const FieldInfo* find(std::string_view name) const;
};

/// The table of a described type; WEFT_DESCRIBE defines it.
template <class T>
const TypeInfo& type_info();

bool read_object(const TypeInfo& type, const json::value& value, void* out, const Place& place,
                 std::string& error);
json::object write_object(const TypeInfo& type, const void* object);
bool empty_object(const TypeInfo& type, const void* object);
SchemaPtr build_schema(const TypeInfo& type);
bool wrong_type(const Place& place, std::string_view wanted, const json::value& got, std::string& error);
SchemaPtr array_of(SchemaPtr items);
SchemaPtr map_of(SchemaPtr values);

extern const Codec kString, kBool, kInt32, kInt64, kDouble, kJson, kIntOrString;

/// The four functions of a codec for optionals, lists, maps and described types.
template <class T>
struct Structure;
template <class T>
inline constexpr Codec kCodec = {Structure<T>::read, Structure<T>::write, Structure<T>::empty,
                                 Structure<T>::schema};

/// The codec of a member's type.
template <class T>
constexpr const Codec& codec_of() {
  if constexpr (std::is_same_v<T, std::string>)
    return kString;
  else if constexpr (std::is_same_v<T, bool>)
    return kBool;
  else if constexpr (std::is_same_v<T, int32_t>)
    return kInt32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return kInt64;
  else if constexpr (std::is_same_v<T, double>)
    return kDouble;
  else if constexpr (std::is_same_v<T, json::value>)
    return kJson;
  else if constexpr (std::is_same_v<T, IntOrString>)
    return kIntOrString;
  else
    return kCodec<T>;
}

template <class T>
struct Structure<std::optional<T>> {
  static bool read(const json::value& value, void* out, const Place& place, std::string& error) {
    return codec_of<T>().read(value, &static_cast<std::optional<T>*>(out)->emplace(), place, error);
  }
  static json::value write(const void* object) {
    return codec_of<T>().write(&**static_cast<const std::optional<T>*>(object));
  }
  static bool empty(const void* object) { return !static_cast<const std::optional<T>*>(object)->has_value(); }
  static SchemaPtr schema() { return codec_of<T>().schema(); }
};

template <class T>
struct Structure<std::vector<T>> {
  static bool read(const json::value& value, void* out, const Place& place, std::string& error) {
    if (!value.is_array()) return wrong_type(place, "a list", value, error);
    auto& list = *static_cast<std::vector<T>*>(out);
    list.clear();
    list.reserve(value.get_array().size());
    for (const auto& element : value.get_array()) {
      list.emplace_back();
      if (element.is_null()) continue;
      if (!codec_of<T>().read(element, &list.back(), {&place, {}, list.size() - 1, true}, error))
        return false;
    }
    return true;
  }
  static json::value write(const void* object) {
    const auto& list = *static_cast<const std::vector<T>*>(object);
    json::array out;
    out.reserve(list.size());
    for (const auto& element : list) out.push_back(codec_of<T>().write(&element));
    return out;
  }
  static bool empty(const void* object) { return static_cast<const std::vector<T>*>(object)->empty(); }
  static SchemaPtr schema() { return array_of(codec_of<T>().schema()); }
};

template <class T>
struct Structure<std::map<std::string, T>> {
  using Map = std::map<std::string, T>;
  static bool read(const json::value& value, void* out, const Place& place, std::string& error) {
    if (!value.is_object()) return wrong_type(place, "an object", value, error);
    auto& map = *static_cast<Map*>(out);
    map.clear();
    for (const auto& [key, element] : value.get_object()) {
      T& slot = map[std::string(key)];
      if (element.is_null()) continue;
      if (!codec_of<T>().read(element, &slot, {&place, key}, error)) return false;
    }
    return true;
  }
  static json::value write(const void* object) {
    const auto& map = *static_cast<const Map*>(object);
    json::object out;
    out.reserve(map.size());
    for (const auto& [key, element] : map) out.emplace(key, codec_of<T>().write(&element));
    return out;
  }
  static bool empty(const void* object) { return static_cast<const Map*>(object)->empty(); }
  static SchemaPtr schema() { return map_of(codec_of<T>().schema()); }
};

template <class T>
  requires std::is_base_of_v<Described, T>
struct Structure<T> {
  static bool read(const json::value& value, void* out, const Place& place, std::string& error) {
    return read_object(type_info<T>(), value, out, place, error);
  }
  static json::value write(const void* object) { return write_object(type_info<T>(), object); }
  static bool empty(const void* object) { return empty_object(type_info<T>(), object); }
  static SchemaPtr schema() { return schema_of<T>(); }
};

/// Completes a table: pairs members with what is said about them, in the members' order.
TypeInfo make_type_info(std::string_view ref, std::string_view doc, std::vector<FieldInfo> members,
                        std::vector<FieldMeta> said);

template <class T>
TypeInfo describe(std::string_view ref, std::string_view doc, std::vector<FieldMeta> said) {
  static const T sample{};
  auto offset = [](const auto& part) {
    return static_cast<size_t>(reinterpret_cast<const char*>(&part) - reinterpret_cast<const char*>(&sample));
  };
  std::vector<FieldInfo> members;
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
      [&](auto member) {
        const auto& part = sample.*member.pointer;
        members.push_back(
            {FieldMeta(member.name), offset(part), &codec_of<std::remove_cvref_t<decltype(part)>>()});
      });
  TypeInfo info = make_type_info(ref, doc, std::move(members), std::move(said));
  info.unknown_offset = offset(sample.unknown);
  return info;
}

inline FieldMeta field(std::string_view json_name) { return FieldMeta(json_name); }

}  // namespace weft::kube::reflect

/// codec.h for a described type. In namespace weft::kube.
#define WEFT_INSTANTIATE(T)                                                         \
  template <>                                                                       \
  Expected<T> decode<T>(const json::value& value) {                                 \
    T out;                                                                          \
    std::string error;                                                              \
    if (!reflect::read_object(reflect::type_info<T>(), value, &out, {}, error))     \
      return fail(ErrorCode::invalid, std::move(error));                            \
    return out;                                                                     \
  }                                                                                 \
  template <>                                                                       \
  json::object encode<T>(const T& object) {                                         \
    return reflect::write_object(reflect::type_info<T>(), &object);                 \
  }                                                                                 \
  template <>                                                                       \
  const SchemaPtr& schema_of<T>() {                                                 \
    static const SchemaPtr schema = reflect::build_schema(reflect::type_info<T>()); \
    return schema;                                                                  \
  }

/// WEFT_DESCRIBE(ServicePort, "io.k8s.api.core.v1.ServicePort", "what it is", (name, port),
/// field("port").required()) describes a type and instantiates codec.h for it. In namespace weft::kube, after
/// the types it is made of.
#define WEFT_DESCRIBE(T, ref, doc, members, ...)                       \
  BOOST_DESCRIBE_STRUCT(T, (), members)                                \
  template <>                                                          \
  const reflect::TypeInfo& reflect::type_info<T>() {                   \
    static const TypeInfo info = describe<T>(ref, doc, {__VA_ARGS__}); \
    return info;                                                       \
  }                                                                    \
  WEFT_INSTANTIATE(T)

/// The same for a kind; `names` is a ResourceInfo in parentheses: ({.group = "", .version = "v1", …}).
#define WEFT_DESCRIBE_KIND(T, names, ref, doc, members, ...) \
  template <>                                                \
  const ResourceInfo& resource_of<T>() {                     \
    static const ResourceInfo info names;                    \
    return info;                                             \
  }                                                          \
  BOOST_DESCRIBE_STRUCT(T, (), members)                      \
  template <>                                                \
  const reflect::TypeInfo& reflect::type_info<T>() {         \
    static const TypeInfo info = [] {                        \
      TypeInfo made = describe<T>(ref, doc, {__VA_ARGS__});  \
      made.resource = &resource_of<T>();                     \
      return made;                                           \
    }();                                                     \
    return info;                                             \
  }                                                          \
  WEFT_INSTANTIATE(T)
