#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <unordered_map>

#include "base/ip.h"
#include "kube/base64.h"
#include "kube/codec.h"
#include "kube/meta.h"
#include "kube/time.h"
#include "standalone/apimachinery/crd.h"
#include "standalone/apimachinery/crd_schema.h"
#include "standalone/apimachinery/validation.h"

namespace weft::standalone {

using kube::Schema;
using Type = Schema::Type;

namespace {

constexpr size_t kMaxPatterns = 10000;

std::string type_name(Type type) {
  switch (type) {
    case Type::object:
    case Type::map:
      return "object";
    case Type::array:
      return "array";
    case Type::string:
      return "string";
    case Type::integer:
      return "integer";
    case Type::number:
      return "number";
    case Type::boolean:
      return "boolean";
    case Type::int_or_string:
      return "integer,string";
    case Type::any:
      break;
  }
  return "any";
}

std::string type_of(const json::value& value) {
  if (value.is_null()) return "null";
  if (value.is_object()) return "object";
  if (value.is_array()) return "array";
  if (value.is_string()) return "string";
  if (value.is_bool()) return "boolean";
  return value.is_double() ? "number" : "integer";
}

bool is_integer(const json::value& value) {
  return value.is_int64() || value.is_uint64() ||
         (value.is_double() && std::trunc(value.get_double()) == value.get_double());
}

bool fits(const json::value& value, const Schema& schema) {
  switch (schema.type) {
    case Type::any:
      return true;
    case Type::object:
    case Type::map:
      return value.is_object();
    case Type::array:
      return value.is_array();
    case Type::string:
      return value.is_string();
    case Type::integer:
      return is_integer(value);
    case Type::number:
      return value.is_number();
    case Type::boolean:
      return value.is_bool();
    case Type::int_or_string:
      return is_integer(value) || value.is_string();
  }
  return true;
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

double number_of(const json::value& value) { return value.is_number() ? value.to_number<double>() : 0; }

/// Whether a text has the form that its format asks for; unknown formats ask for nothing.
bool has_format(std::string_view text, std::string_view format) {
  if (format == "date-time") return kube::parse_time(text).has_value();
  if (format == "byte") return kube::decode_base64(text).has_value();
  if (format == "ipv4" || format == "ipv6") {
    auto ip = IpAddr::parse(text);
    return ip && ip->is_v4() == (format == "ipv4");
  }
  if (format == "cidr") return IpPrefix::parse(text).has_value();
  return true;
}

/// Looks at one value; one of these a path.
class Checker {
 public:
  Checker(const std::string& path, FieldErrors& errors) : path_(path), errors_(errors) {}

  void check(const json::value& value, const Schema& schema) {
    if (value.is_null() && schema.nullable) return;
    if (!fits(value, schema)) {
      auto type = type_of(value);
      errors_.push_back(wrong_type(
          path_, type, in_body(fmt::format("must be of type {}: \"{}\"", type_name(schema.type), type))));
      return;
    }
    if (!schema.enum_values.empty() &&
        std::ranges::find(schema.enum_values, value) == schema.enum_values.end()) {
      std::vector<std::string> choices;
      for (const auto& choice : schema.enum_values) {
        choices.push_back(choice.is_string() ? std::string(choice.get_string()) : json::serialize(choice));
      }
      errors_.push_back(not_supported(path_, value, choices));
    }
    if (value.is_string()) text(value.get_string(), schema);
    if (value.is_number()) number(value, schema);
    if (value.is_array()) list(value.get_array(), schema);
    if (value.is_object()) object(value.get_object(), schema);
    if (schema.rules.is_object()) combinations(value, schema.rules);
  }

 private:
  std::string in_body(std::string_view what) const { return fmt::format("{} in body {}", path_, what); }
  void complain(const json::value& value, std::string_view what) {
    errors_.push_back(invalid(path_, value, in_body(what)));
  }
  static const json::value* rule(const Schema& schema, std::string_view name) {
    return kube::member(schema.rules, name);
  }

  void text(const json::string& value, const Schema& schema) {
    if (!schema.format.empty() && !has_format(value, schema.format)) {
      complain(value, fmt::format("must be of type {}: \"{}\"", schema.format, std::string_view(value)));
    }
    if (!schema.rules.is_object()) return;
    if (const auto* min = rule(schema, "minLength"); min && characters(value) < number_of(*min)) {
      complain(value, fmt::format("should be at least {} chars long", number_of(*min)));
    }
    if (const auto* max = rule(schema, "maxLength"); max && characters(value) > number_of(*max)) {
      errors_.push_back(too_long(path_, static_cast<size_t>(number_of(*max))));
    }
    const auto* pattern = rule(schema, "pattern");
    const auto* expression = pattern ? pattern->if_string() : nullptr;
    if (expression && !pattern_matches(std::string(*expression), value).value_or(true)) {
      complain(value, fmt::format("should match '{}'", std::string_view(*expression)));
    }
  }

  void number(const json::value& value, const Schema& schema) {
    if (!schema.rules.is_object()) return;
    double number = number_of(value);
    auto exclusive = [&](std::string_view name) {
      const auto* flag = rule(schema, name);
      return flag && flag->is_bool() && flag->get_bool();
    };
    if (const auto* min = rule(schema, "minimum")) {
      bool above = exclusive("exclusiveMinimum");
      if (number < number_of(*min) || (above && number == number_of(*min))) {
        complain(value,
                 fmt::format("should be greater than {}{}", above ? "" : "or equal to ", number_of(*min)));
      }
    }
    if (const auto* max = rule(schema, "maximum")) {
      bool below = exclusive("exclusiveMaximum");
      if (number > number_of(*max) || (below && number == number_of(*max))) {
        complain(value,
                 fmt::format("should be less than {}{}", below ? "" : "or equal to ", number_of(*max)));
      }
    }
    if (const auto* step = rule(schema, "multipleOf"); step && number_of(*step) > 0) {
      if (std::fmod(number, number_of(*step)) != 0) {
        complain(value, fmt::format("should be a multiple of {}", number_of(*step)));
      }
    }
  }

  void list(const json::array& value, const Schema& schema) {
    if (const auto* min = rule(schema, "minItems");
        min && static_cast<double>(value.size()) < number_of(*min)) {
      complain(static_cast<int64_t>(value.size()),
               fmt::format("should have at least {} items", number_of(*min)));
    }
    if (const auto* max = rule(schema, "maxItems");
        max && static_cast<double>(value.size()) > number_of(*max)) {
      errors_.push_back(too_many(path_, value.size(), static_cast<size_t>(number_of(*max))));
      return;
    }
    const auto* unique = rule(schema, "uniqueItems");
    if (unique && unique->is_bool() && unique->get_bool() && has_twins(value)) {
      complain(value, "shouldn't contain duplicates");
    }
    check_keys(value, schema);
    if (!schema.items) return;
    for (size_t i = 0; i < value.size(); ++i) Checker(item(path_, i), errors_).check(value[i], *schema.items);
  }

  static bool has_twins(const json::array& value) {
    for (size_t i = 0; i < value.size(); ++i) {
      if (std::find(value.begin() + static_cast<ptrdiff_t>(i) + 1, value.end(), value[i]) != value.end())
        return true;
    }
    return false;
  }

  /// Elements of sets and keyed lists are unique.
  void check_keys(const json::array& value, const Schema& schema) {
    if (schema.list_type == Schema::ListType::atomic) return;
    std::unordered_map<std::string, size_t> seen;
    for (size_t i = 0; i < value.size(); ++i) {
      json::value key = value[i];
      if (schema.list_type == Schema::ListType::map) {
        json::object keys;
        for (const auto& name : schema.list_keys) {
          if (const auto* part = kube::member(value[i], name)) keys[name] = *part;
        }
        key = std::move(keys);
      }
      if (!seen.emplace(json::serialize(key), i).second) errors_.push_back(duplicate(item(path_, i), key));
    }
  }

  void object(const json::object& value, const Schema& schema) {
    for (const auto& field : schema.fields) {
      if (field.required && !value.contains(field.name))
        errors_.push_back(required(child(path_, field.name)));
    }
    auto size = static_cast<double>(value.size());
    if (const auto* min = rule(schema, "minProperties"); min && size < number_of(*min)) {
      complain(static_cast<int64_t>(size),
               fmt::format("should have at least {} properties", number_of(*min)));
    }
    if (const auto* max = rule(schema, "maxProperties"); max && size > number_of(*max)) {
      errors_.push_back(too_many(path_, value.size(), static_cast<size_t>(number_of(*max))));
    }
    for (const auto& [key, element] : value) {
      if (schema.type == Type::map && schema.items) {
        Checker(child(path_, key), errors_).check(element, *schema.items);
      } else if (const auto* field = schema.find(key)) {
        // metadata has rules of its own.
        if (path_.empty() && key == "metadata") continue;
        Checker(child(path_, key), errors_).check(element, *field->schema);
      }
    }
    if (schema.embedded_resource) embedded(value);
  }

  void embedded(const json::object& value) {
    for (const char* key : {"apiVersion", "kind"}) {
      const auto* text = value.if_contains(key);
      if (!text || !text->is_string() || text->get_string().empty()) {
        errors_.push_back(required(child(path_, key), "must not be empty"));
      }
    }
  }

  bool holds(const json::value& value, const json::value& props) const {
    FieldErrors broken;
    auto schema = rules_schema(props);
    if (schema) Checker(path_, broken).check(value, *schema);
    return broken.empty();
  }

  void combinations(const json::value& value, const json::value& rules) {
    auto count = [&](std::string_view name) -> std::optional<std::pair<size_t, size_t>> {
      const auto* all = kube::member(rules, name);
      const auto* schemas = all ? all->if_array() : nullptr;
      if (!schemas) return std::nullopt;
      auto valid =
          std::ranges::count_if(*schemas, [&](const json::value& props) { return holds(value, props); });
      return std::pair(static_cast<size_t>(valid), schemas->size());
    };
    auto quoted = fmt::format("\"{}\"", path_);
    if (auto one = count("oneOf"); one && one->first != 1) {
      errors_.push_back(
          invalid(path_, value,
                  fmt::format("{} must validate one and only one schema (oneOf). {}", quoted,
                              one->first == 0 ? "Found none valid"
                                              : fmt::format("Found {} valid alternatives", one->first))));
    }
    if (auto any = count("anyOf"); any && any->first == 0) {
      errors_.push_back(
          invalid(path_, value, fmt::format("{} must validate at least one schema (anyOf)", quoted)));
    }
    if (auto all = count("allOf"); all && all->first != all->second) {
      errors_.push_back(
          invalid(path_, value, fmt::format("{} must validate all the schemas (allOf)", quoted)));
    }
    if (const auto* none = kube::member(rules, "not"); none && holds(value, *none)) {
      errors_.push_back(invalid(path_, value, fmt::format("{} must not validate the schema (not)", quoted)));
    }
  }

  const std::string path_;
  FieldErrors& errors_;
};

}  // namespace

std::optional<bool> pattern_matches(const std::string& pattern, std::string_view text) {
  // Compiling is dear beside matching, and the patterns of a few kinds come again and again.
  static std::mutex mutex;
  static std::unordered_map<std::string, std::unique_ptr<RE2>> compiled;
  std::lock_guard lock(mutex);
  auto at = compiled.find(pattern);
  if (at == compiled.end()) {
    if (compiled.size() >= kMaxPatterns) compiled.clear();
    RE2::Options options(RE2::Quiet);
    options.set_max_mem(1 << 20);
    at = compiled.emplace(pattern, std::make_unique<RE2>(pattern, options)).first;
  }
  if (!at->second->ok()) return std::nullopt;
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *at->second);
}

FieldErrors validate_by_schema(const json::value& value, const Schema& schema, const std::string& path) {
  FieldErrors errors;
  Checker(path, errors).check(value, schema);
  return errors;
}

}  // namespace weft::standalone
