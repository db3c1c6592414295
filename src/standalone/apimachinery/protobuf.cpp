#include "standalone/apimachinery/protobuf.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "kube/base64.h"
#include "kube/time.h"
#include "standalone/apimachinery/protobuf_tables.h"

namespace weft::standalone {
namespace {

constexpr int kMaxDepth = 64;
constexpr uint64_t kMaxNumber = (1 << 29) - 1;  // of a field, as protobuf has it
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

enum class WireType : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// One field as it is on the wire.
struct Wire {
  uint32_t number = 0;
  WireType type = WireType::bytes;
  uint64_t integer = 0;
  std::string_view bytes;
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
    if (!key || *key >> 3 == 0 || *key >> 3 > kMaxNumber) return std::nullopt;
    Wire out{.number = static_cast<uint32_t>(*key >> 3), .type = static_cast<WireType>(*key & 7)};
    switch (out.type) {
      case WireType::varint: {
        auto value = varint();
        if (!value) return std::nullopt;
        out.integer = *value;
        return out;
      }
      case WireType::fixed64:
        return fixed(out, 8);
      case WireType::bytes: {
        auto size = varint();
        if (!size || *size > rest_.size()) return std::nullopt;
        out.bytes = rest_.substr(0, *size);
        rest_.remove_prefix(*size);
        return out;
      }
      case WireType::fixed32:
        return fixed(out, 4);
    }
    return std::nullopt;
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

/// The fields 1, 2, … of a small message whose meaning is known here; `forms` has a letter for each: b for
/// bytes, i for an integer, ? for any. The last of those that are there more than once counts.
using SmallMessage = std::array<std::optional<Wire>, 4>;

Expected<SmallMessage> small_message(std::string_view bytes, std::string_view forms, std::string_view where) {
  SmallMessage out;
  for (Reader reader(bytes); !reader.done();) {
    auto wire = reader.next();
    if (!wire) return malformed(where);
    if (wire->number > forms.size()) continue;
    char form = forms[wire->number - 1];
    if (form != '?' && wire->type != (form == 'b' ? WireType::bytes : WireType::varint))
      return malformed(where);
    out[wire->number - 1] = *wire;
  }
  return out;
}

std::string_view bytes_of(const std::optional<Wire>& wire) { return wire ? wire->bytes : std::string_view(); }
int64_t integer_of(const std::optional<Wire>& wire) { return wire ? static_cast<int64_t>(wire->integer) : 0; }

/// How many bytes the character at the begin of `text` takes; 0 when it is not UTF-8 (RFC 3629, section 4).
size_t character_size(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  // No overlong forms, no surrogates, nothing above U+10FFFF.
  int low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  int high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return size;
}

/// Text as JSON can have it.
Expected<json::string> text_of(std::string_view bytes, std::string_view where) {
  for (auto rest = bytes; !rest.empty();) {
    auto size = character_size(rest);
    if (size == 0) return malformed(fmt::format("{} is not UTF-8", where));
    rest.remove_prefix(size);
  }
  return json::string(bytes);
}

Expected<json::value> embedded_json(std::string_view type, std::string_view bytes) {
  WEFT_TRY(auto fields, small_message(bytes, "b", type));
  if (bytes_of(fields[0]).empty()) return nullptr;
  boost::system::error_code bad;
  json::parse_options options;
  options.max_depth = kMaxDepth;
  auto value = json::parse(fields[0]->bytes, bad, {}, options);
  if (bad) return malformed(type);
  return value;
}

Expected<json::value> time_of(std::string_view type, std::string_view bytes) {
  WEFT_TRY(auto fields, small_message(bytes, "ii", type));
  // A time that is not set is written as an empty message.
  if (!fields[0]) return nullptr;
  int64_t seconds = integer_of(fields[0]), nanos = integer_of(fields[1]);
  // The years 1 to 9999, which RFC 3339 can write.
  if (seconds < -62135596800 || seconds > 253402300799 || nanos < 0 || nanos > 999999999)
    return malformed(type);
  kube::TimePoint when{std::chrono::seconds(seconds)};
  if (type == "meta.v1.Time") return json::value(kube::format_time(when));
  return json::value(kube::format_micro_time(when + std::chrono::microseconds(nanos / 1000)));
}

/// Types that JSON writes in a way of their own; null for one that is absent.
Expected<json::value> special(std::string_view type, std::string_view bytes) {
  if (type == "resource.Quantity") {
    WEFT_TRY(auto fields, small_message(bytes, "b", type));
    if (bytes_of(fields[0]).empty()) return json::value("0");
    return text_of(fields[0]->bytes, type);
  }
  if (type == "intstr.IntOrString") {
    WEFT_TRY(auto fields, small_message(bytes, "iib", type));
    auto which = integer_of(fields[0]);
    if (which != 0 && which != 1) return malformed(type);
    if (which == 1) return text_of(bytes_of(fields[2]), type);
    return json::value(static_cast<int32_t>(integer_of(fields[1])));
  }
  if (type == "meta.v1.FieldsV1" || type == "runtime.RawExtension") return embedded_json(type, bytes);
  return time_of(type, bytes);
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
  Expected<json::value> value(const Field& field, const Wire& wire) {
    char scalar = field.type.size() == 1 ? field.type[0] : '\0';
    auto expected = scalar == 'b' || scalar == 'i' ? WireType::varint
                    : scalar == 'd'                ? WireType::fixed64
                                                   : WireType::bytes;
    if (wire.type != expected) return malformed(field.name);
    switch (scalar) {
      case 's':
        return text_of(wire.bytes, field.name);
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
    if (is_special(field.type)) return special(field.type, wire.bytes);
    json::object out;
    WEFT_CHECK(message(field.type, wire.bytes, out));
    return out;
  }

  Expected<void> add(const Field& field, const Wire& wire, json::object& out) {
    if (field.form == '[') return add_element(field, wire, out);
    if (field.form == '{') return add_entry(field, wire, out);
    if (field.form == '<') {
      if (wire.type != WireType::bytes) return malformed(field.name);
      return message(field.type, wire.bytes, out);
    }
    WEFT_TRY(auto one, value(field, wire));
    if (field.form == '*' ? !one.is_null() : !is_empty(one)) out[field.name] = std::move(one);
    return {};
  }

  Expected<void> add_element(const Field& field, const Wire& wire, json::object& out) {
    auto& list = out[field.name];
    if (!list.is_array()) list.emplace_array();
    if (field.type == "i" && wire.type == WireType::bytes) {
      for (Reader packed(wire.bytes); !packed.done();) {
        auto number = packed.varint();
        if (!number) return malformed(field.name);
        list.get_array().emplace_back(static_cast<int64_t>(*number));
      }
      return {};
    }
    WEFT_TRY(auto one, value(field, wire));
    list.get_array().push_back(std::move(one));
    return {};
  }

  Expected<void> add_entry(const Field& field, const Wire& wire, json::object& out) {
    if (wire.type != WireType::bytes) return malformed(field.name);
    WEFT_TRY(auto entry, small_message(wire.bytes, "b?", field.name));
    WEFT_TRY(auto key, text_of(bytes_of(entry[0]), field.name));
    // An absent value is an empty one.
    WEFT_TRY(auto one, value(field, entry[1].value_or(Wire{})));
    auto& map = out[field.name];
    if (!map.is_object()) map.emplace_object();
    map.get_object()[key] = std::move(one);
    return {};
  }

  int depth_ = 0;
};

/// The table's name for a kind: core.v1.Pod for Pod in v1, networking.v1.Ingress for Ingress in
/// networking.k8s.io/v1; "" for a group that is none of Kubernetes' own.
std::string table_name(std::string_view version, std::string_view kind) {
  // DeleteOptions are sent as of whatever group is deleted from.
  if (kind == "DeleteOptions") return "meta.v1.DeleteOptions";
  if (version.find('/') == std::string_view::npos) return fmt::format("core.{}.{}", version, kind);
  auto group = take(version, '/');
  auto first = take(group, '.');
  if (!group.empty() && group != "k8s.io") return "";
  return fmt::format("{}.{}.{}", first, version, kind);
}

/// Whether the text can stand in an error's line.
bool is_name(std::string_view text) {
  constexpr size_t kLongest = 320;  // a group and a version
  return !text.empty() && text.size() <= kLongest &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

Expected<json::value> decode_protobuf(std::string_view body) {
  if (!body.starts_with(kMagic)) return malformed("it does not begin with \"k8s\\0\"");
  WEFT_TRY(auto unknown, small_message(body.substr(kMagic.size()), "bb", "runtime.Unknown"));
  WEFT_TRY(auto type_meta, small_message(bytes_of(unknown[0]), "bb", "runtime.TypeMeta"));
  auto version = bytes_of(type_meta[0]), kind = bytes_of(type_meta[1]);
  if (!is_name(version) || !is_name(kind)) return malformed("it says no apiVersion and kind");
  auto type = table_name(version, kind);
  if (!tables().contains(type)) {
    return fail(ErrorCode::bad_request,
                fmt::format("protobuf bodies of kind {} in {} are not read; send JSON", kind, version));
  }
  json::object out{{"kind", kind}, {"apiVersion", version}};
  Decoder decoder;
  WEFT_CHECK(decoder.message(type, bytes_of(unknown[1]), out));
  return out;
}

}  // namespace weft::standalone
