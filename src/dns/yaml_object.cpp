#include "dns/yaml_object.h"

#include <algorithm>

namespace weft::dns {

YamlObject::YamlObject(const kube::YamlDocument& document, ConfigProblems& problems, const json::value& value,
                       std::string path)
    : document_(document), problems_(problems), object_(value.if_object()), path_(std::move(path)) {
  if (!object_) error_at(path_, "has to be an object with keys");
}

YamlObject::~YamlObject() {
  if (!object_) return;
  for (const auto& [key, value] : *object_) {
    if (std::ranges::find(known_, std::string_view(key)) != known_.end()) continue;
    error(key, fmt::format("there is no such key; here may be {}", fmt::join(known_, ", ")));
  }
}

std::string YamlObject::path_of(std::string_view key) const {
  std::string path = path_;
  kube::append_key(path, key);
  return path;
}

void YamlObject::error(std::string_view key, std::string_view what) { error_at(path_of(key), what); }

void YamlObject::error_at(const std::string& path, std::string_view what) {
  problems_.error(document_.file, document_.line_of(path),
                  path.empty() ? std::string(what) : fmt::format("{}: {}", path, what));
}

const json::value* YamlObject::get(std::string_view key) {
  known_.push_back(key);
  if (!object_) return nullptr;
  const auto* value = object_->if_contains(key);
  return value && !value->is_null() ? value : nullptr;
}

bool YamlObject::has(std::string_view key) { return get(key) != nullptr; }

bool YamlObject::read(std::string_view key, std::string& out) {
  const auto* value = get(key);
  if (!value) return false;
  const auto* text = value->if_string();
  if (!text) {
    error(key, "has to be a text; put it into quotes");
    return false;
  }
  out.assign(text->data(), text->size());
  return true;
}

bool YamlObject::read(std::string_view key, bool& out) {
  const auto* value = get(key);
  if (!value) return false;
  if (!value->is_bool()) {
    error(key, "has to be true or false");
    return false;
  }
  out = value->get_bool();
  return true;
}

bool YamlObject::read(std::string_view key, std::chrono::milliseconds& out) {
  const auto* value = get(key);
  if (!value) return false;
  const auto* text = value->if_string();
  auto duration = text ? parse_duration(std::string_view(*text)) : std::nullopt;
  if (!duration) {
    error(key, "has to be a duration like 500ms, 2s or 1h30m");
    return false;
  }
  out = *duration;
  return true;
}

bool YamlObject::read(std::string_view key, std::chrono::seconds& out) {
  std::chrono::milliseconds exact{};
  if (!read(key, exact)) return false;
  out = std::chrono::duration_cast<std::chrono::seconds>(exact);
  if (out == exact) return true;
  error(key, "has to be whole seconds, like 2s");
  return false;
}

bool YamlObject::read(std::string_view key, Name& out) {
  std::string text;
  if (!read(key, text)) return false;
  auto name = parse_domain(text);
  if (!name) error(key, name.error().message);
  if (name) out = *name;
  return name.has_value();
}

bool YamlObject::read(std::string_view key, std::vector<Name>& out) {
  out.clear();
  texts(key, [&](const std::string& text, const std::string& path) {
    auto name = parse_domain(text);
    if (!name) return error_at(path, name.error().message);
    out.push_back(*name);
  });
  return !out.empty();
}

bool YamlObject::read(std::string_view key, std::vector<IpPrefix>& out) {
  out.clear();
  texts(key, [&](const std::string& text, const std::string& path) {
    auto prefix = IpPrefix::parse(text);
    if (!prefix) return error_at(path, fmt::format("\"{}\": no prefix like 10.96.0.0/16", text));
    out.push_back(*prefix);
  });
  return !out.empty();
}

bool YamlObject::read_number(std::string_view key, uint64_t& out, uint64_t most) {
  const auto* value = get(key);
  if (!value) return false;
  if (value->is_int64() && value->get_int64() >= 0)
    out = static_cast<uint64_t>(value->get_int64());
  else if (value->is_uint64())
    out = value->get_uint64();
  else
    out = most + 1;
  if (out <= most) return true;
  error(key, fmt::format("has to be a whole number from 0 to {}", most));
  return false;
}

void YamlObject::object(std::string_view key, const std::function<void(YamlObject&)>& read) {
  const auto* value = get(key);
  if (!value) return;
  YamlObject inner(document_, problems_, *value, path_of(key));
  if (inner.object_) read(inner);
}

const json::array* YamlObject::list(std::string_view key) {
  const auto* value = get(key);
  if (!value) return nullptr;
  if (!value->is_array()) error(key, "has to be a list");
  return value->if_array();
}

void YamlObject::texts_or_objects(std::string_view key,
                                  const std::function<void(const std::string&, const std::string&)>& text,
                                  const std::function<void(YamlObject&)>& object) {
  const auto* elements = list(key);
  for (size_t i = 0; elements && i < elements->size(); ++i) {
    const auto& element = (*elements)[i];
    std::string path = path_of(key);
    kube::append_index(path, i);
    if (const auto* word = element.if_string(); word && text) {
      text({word->data(), word->size()}, path);
    } else if (object) {
      YamlObject inner(document_, problems_, element, path);
      if (inner.object_) object(inner);
    } else {
      error_at(path, "has to be a text");
    }
  }
}

void YamlObject::objects(std::string_view key, const std::function<void(YamlObject&)>& read) {
  texts_or_objects(key, nullptr, read);
}

void YamlObject::texts(std::string_view key,
                       const std::function<void(const std::string&, const std::string&)>& read) {
  texts_or_objects(key, read, nullptr);
}

}  // namespace weft::dns
