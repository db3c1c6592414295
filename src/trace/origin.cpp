#include "trace/origin.h"

#include <fmt/core.h>

namespace weft::trace {
namespace {

constexpr const char* kAssumed = "assumed";

}  // namespace

std::string key_of(std::string_view namespace_, std::string_view name) {
  std::string out(namespace_);
  if (!out.empty()) out += '/';
  return out += name;
}

std::string ObjectRef::str() const {
  return kind + " " + key_of(namespace_, name) + (part.empty() ? "" : " " + part);
}

void Origins::written(const std::string& kind, const std::string& key, const kube::YamlDocument& document) {
  known_[kind + "/" + key] = {.document = &document, .from = {}};
}

void Origins::made(const std::string& kind, const std::string& key, const std::string& of_kind,
                   const std::string& of_key) {
  Origin origin{.document = nullptr, .from = of_kind + " " + of_key};
  if (auto at = known_.find(of_kind + "/" + of_key); at != known_.end())
    origin.document = at->second.document;
  known_[kind + "/" + key] = std::move(origin);
}

void Origins::assumed(const std::string& kind, const std::string& key) {
  known_[kind + "/" + key] = {.document = nullptr, .from = kAssumed};
}

bool Origins::is_assumed(const std::string& kind, const std::string& key) const {
  auto at = known_.find(kind + "/" + key);
  return at != known_.end() && at->second.from == kAssumed;
}

ObjectRef Origins::find(const std::string& kind, const std::string& key, const std::string& part) const {
  ObjectRef out;
  out.kind = kind;
  out.part = part;
  auto slash = key.find('/');
  if (slash != key.npos) out.namespace_ = key.substr(0, slash);
  out.name = slash == key.npos ? key : key.substr(slash + 1);
  auto at = known_.find(kind + "/" + key);
  if (at == known_.end()) return out;
  out.origin = at->second.from;
  if (const auto* document = at->second.document) {
    out.file = document->file;
    out.line = out.origin.empty() && !part.empty() ? document->line_of(part) : document->line;
  }
  return out;
}

std::string place_of(const ObjectRef& object) {
  if (!object.file.empty())
    return fmt::format(" ({}:{}{})", object.file, object.line,
                       object.origin.empty() ? "" : ", of " + object.origin);
  return object.origin.empty() ? "" : fmt::format(" ({})", object.origin);
}

json::object to_json(const ObjectRef& object) {
  json::object out{{"kind", object.kind}, {"name", object.name}};
  if (!object.namespace_.empty()) out["namespace"] = object.namespace_;
  if (!object.part.empty()) out["part"] = object.part;
  if (!object.file.empty()) {
    out["file"] = object.file;
    out["line"] = object.line;
  }
  if (!object.origin.empty()) out["origin"] = object.origin;
  return out;
}

}  // namespace weft::trace
