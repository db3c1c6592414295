#include "standalone/apimachinery/protobuf.h"

#include <fmt/core.h>

#include <bit>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

#include "kube/base64.h"
#include "kube/time.h"
#include "standalone/apimachinery/protobuf_tables.h"

namespace weft::standalone {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::string_view kMagic("k8s\0", 4);

struct Field {
  std::string_view name;
  std::string_view type;
  char form = 0;  ///< as protobuf_tables.h has it
};
using Message = std::unordered_map<uint32_t, Field>;
using Tables = std::unordered_map<std::string_view, Message>;

std::string_view take(std::string_view& text, char end) {
  auto at = text.find(end);
  auto out = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return out;
}

const Tables& tables() {
  static const Tables all = [] {
    Tables out;
    for (auto rest = kProtobufTables; !rest.empty();) {
      auto line = take(rest, '\n');
      auto& message = out[take(line, ' ')];
      while (!line.empty()) {
        auto entry = take(line, ' ');
        uint32_t number = 0;
        auto digits = take(entry, '=');
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
        Field field{.name = take(entry, ':'), .type = entry};
        if (std::string_view("[{*<").find(entry[0]) != std::string_view::npos) {
          field.form = entry[0];
          field.type.remove_prefix(1);
        }
        message[number] = field;
      }
    }
    return out;
  }();
  return all;
}

/// One field as it is on the wire.
struct Wire {
  uint32_t number = 0;
  uint64_t integer = 0;
  std::string_view bytes;
  bool has_bytes = false;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool done() const { return rest_.empty(); }

  std::optional<uint64_t> varint() {
    uint64_t out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return std::nullopt;
      auto byte = static_cast<uint8_t>(rest_[0]);
      rest_.remove_prefix(1);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return out;
    }
    return std::nullopt;
  }

  std::optional<Wire> next() {
    auto key = varint();
    if (!key) return std::nullopt;
    Wire out{.number = static_cast<uint32_t>(*key >> 3)};
    switch (*key & 7) {
      case 0: {
        auto value = varint();
        if (!value) return std::nullopt;
        out.integer = *value;
        return out;
      }
      case 1:
        return fixed(out, 8);
      case 2: {
        auto size = varint();
        if (!size || *size > rest_.size()) return std::nullopt;
        out.bytes = rest_.substr(0, *size);
        out.has_bytes = true;
        rest_.remove_prefix(*size);
        return out;
      }
      case 5:
        return fixed(out, 4);
      default:
        return std::nullopt;
    }
  }

 private:
  std::optional<Wire> fixed(Wire out, size_t size) {
    if (rest_.size() < size) return std::nullopt;
    for (size_t i = 0; i < size; ++i)
      out.integer |= static_cast<uint64_t>(static_cast<uint8_t>(rest_[i])) << (8 * i);
    rest_.remove_prefix(size);
    return out;
  }

  std::string_view rest_;
};

std::unexpected<Error> malformed(std::string_view where) {
  return fail(ErrorCode::bad_request, fmt::format("the body is no well-formed protobuf message: {}", where));
}

/// The fields of a small message whose meaning is known here.
Expected<std::map<uint32_t, Wire>> all_fields(std::string_view bytes, std::string_view where) {
  std::map<uint32_t, Wire> out;
  for (Reader reader(bytes); !reader.done();) {
    auto wire = reader.next();
    if (!wire) return malformed(where);
    out[wire->number] = *wire;
  }
  return out;
}

json::value string_of(std::string_view bytes) { return json::value(bytes); }

/// Types that JSON writes in a way of their own; null for one that is absent.
Expected<json::value> special(std::string_view type, std::string_view bytes) {
  WEFT_TRY(auto fields, all_fields(bytes, type));
  if (type == "resource.Quantity") return fields.contains(1) ? string_of(fields[1].bytes) : json::value("0");
  if (type == "intstr.IntOrString") {
    if (fields[1].integer == 1) return string_of(fields[3].bytes);
    return json::value(static_cast<int64_t>(static_cast<int32_t>(fields[2].integer)));
  }
  if (type == "meta.v1.FieldsV1" || type == "runtime.RawExtension") {
    boost::system::error_code bad;
    json::parse_options options;
    options.max_depth = kMaxDepth;
    auto value = json::parse(fields[1].bytes, bad, {}, options);
    if (bad) return malformed(type);
    return value;
  }
  if (!fields.contains(1)) return nullptr;
  auto seconds = static_cast<int64_t>(fields[1].integer);
  // The years 1 to 9999, which RFC 3339 can write.
  if (seconds < -62135596800 || seconds > 253402300799) return malformed(type);
  kube::TimePoint when{std::chrono::seconds(seconds)};
  auto nanos = static_cast<int32_t>(fields[2].integer);
  if (type == "meta.v1.Time") return json::value(kube::format_time(when));
  return json::value(kube::format_micro_time(when + std::chrono::microseconds(nanos / 1000)));
}

bool is_special(std::string_view type) {
  return type == "meta.v1.Time" || type == "meta.v1.MicroTime" || type == "resource.Quantity" ||
         type == "intstr.IntOrString" || type == "meta.v1.FieldsV1" || type == "runtime.RawExtension";
}

/// What is left out where it does not count.
bool is_empty(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return true;
    case json::kind::bool_:
      return !value.get_bool();
    case json::kind::int64:
      return value.get_int64() == 0;
    case json::kind::double_:
      return value.get_double() == 0;
    case json::kind::string:
      return value.get_string().empty();
    case json::kind::object:
      return value.get_object().empty();
    case json::kind::array:
      return value.get_array().empty();
    default:
      return false;
  }
}

class Decoder {
 public:
  Expected<void> message(std::string_view type, std::string_view bytes, json::object& out) {
    auto table = tables().find(type);
    if (table == tables().end()) return malformed(type);
    if (++depth_ > kMaxDepth) return malformed("nested too deeply");
    for (Reader reader(bytes); !reader.done();) {
      auto wire = reader.next();
      if (!wire) return malformed(type);
      auto field = table->second.find(wire->number);
      if (field == table->second.end()) continue;
      WEFT_CHECK(add(field->second, *wire, out));
    }
    --depth_;
    return {};
  }

 private:
  Expected<json::value> value(std::string_view type, const Wire& wire) {
    switch (type.size() == 1 ? type[0] : '\0') {
      case 's':
        return string_of(wire.bytes);
      case 'y':
        return json::value(kube::encode_base64(wire.bytes));
      case 'b':
        return json::value(wire.integer != 0);
      case 'i':
        return json::value(static_cast<int64_t>(wire.integer));
      case 'd':
        return json::value(std::bit_cast<double>(wire.integer));
      default:
        break;
    }
    if (!wire.has_bytes) return malformed(type);
    if (is_special(type)) return special(type, wire.bytes);
    json::object out;
    WEFT_CHECK(message(type, wire.bytes, out));
    return out;
  }

  Expected<void> add(const Field& field, const Wire& wire, json::object& out) {
    if (field.form == '<') return message(field.type, wire.bytes, out);
    if (field.form == '[') return add_element(field, wire, out);
    if (field.form == '{') return add_entry(field, wire, out);
    WEFT_TRY(auto one, value(field.type, wire));
    bool counts = field.form == '*' ? !one.is_null() : !is_empty(one) || field.type == "intstr.IntOrString";
    if (counts) out[field.name] = std::move(one);
    return {};
  }

  Expected<void> add_element(const Field& field, const Wire& wire, json::object& out) {
    auto& list = out[field.name];
    if (!list.is_array()) list.emplace_array();
    if (field.type == "i" && wire.has_bytes) {
      for (Reader packed(wire.bytes); !packed.done();) {
        auto number = packed.varint();
        if (!number) return malformed(field.name);
        list.get_array().emplace_back(static_cast<int64_t>(*number));
      }
      return {};
    }
    WEFT_TRY(auto one, value(field.type, wire));
    list.get_array().push_back(std::move(one));
    return {};
  }

  Expected<void> add_entry(const Field& field, const Wire& wire, json::object& out) {
    WEFT_TRY(auto entry, all_fields(wire.bytes, field.name));
    // An absent value is an empty one.
    auto content = entry.contains(2) ? entry[2] : Wire{.has_bytes = true};
    WEFT_TRY(auto one, value(field.type, content));
    auto& map = out[field.name];
    if (!map.is_object()) map.emplace_object();
    map.get_object()[entry[1].bytes] = std::move(one);
    return {};
  }

  int depth_ = 0;
};

}  // namespace

Expected<json::value> decode_protobuf(std::string_view body) {
  if (!body.starts_with(kMagic)) return malformed("it does not begin with \"k8s\\0\"");
  WEFT_TRY(auto unknown, all_fields(body.substr(kMagic.size()), "runtime.Unknown"));
  WEFT_TRY(auto type_meta, all_fields(unknown[1].bytes, "runtime.TypeMeta"));
  std::string_view version = type_meta[1].bytes, kind = type_meta[2].bytes;
  // "apps/v1" is core.v1's neighbour apps.v1; of a long group only its first label is in the tables' names.
  auto slash = version.find('/');
  auto group = slash == std::string_view::npos ? std::string_view("core") : version.substr(0, slash);
  auto type = fmt::format("{}.{}.{}", group.substr(0, group.find('.')),
                          slash == std::string_view::npos ? version : version.substr(slash + 1), kind);
  // DeleteOptions are sent as of whatever group is deleted from.
  if (kind == "DeleteOptions") type = "meta.v1.DeleteOptions";
  if (!tables().contains(type)) {
    return fail(ErrorCode::bad_request,
                fmt::format("protobuf bodies of kind {} in {} are not read; send JSON", kind, version));
  }
  json::object out{{"kind", kind}, {"apiVersion", version}};
  Decoder decoder;
  WEFT_CHECK(decoder.message(type, unknown[2].bytes, out));
  return out;
}

}  // namespace weft::standalone
