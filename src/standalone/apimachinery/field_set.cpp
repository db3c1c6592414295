#include "standalone/apimachinery/field_set.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::standalone {
namespace {

std::string quoted(const json::value& value) { return json::serialize(value); }

std::string print_edge(const std::string& edge) {
  if (edge.starts_with("f:")) return "." + edge.substr(2);
  boost::system::error_code error;
  auto value = json::parse(edge.substr(2), error);
  if (error) return "[" + edge + "]";
  if (edge.starts_with("v:")) return fmt::format("[={}]", quoted(value));
  const auto* keys = value.if_object();
  if (!keys) return "[" + edge + "]";
  std::string out;
  for (const auto& [key, part] : *keys) {
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", std::string_view(key), quoted(part));
  }
  return "[" + out + "]";
}

}  // namespace

FieldSet FieldSet::from_json(const json::value& fields_v1) {
  FieldSet out;
  const auto* object = fields_v1.if_object();
  if (!object) return out;
  for (const auto& [edge, value] : *object) {
    if (edge == ".") {
      out.member_ = true;
      continue;
    }
    auto& below = out.children_[std::string(edge)];
    below = from_json(value);
    // A leaf stands for itself.
    if (below.children_.empty()) below.member_ = true;
  }
  return out;
}

json::object FieldSet::to_json() const {
  json::object out;
  if (member_ && !children_.empty()) out["."] = json::object();
  for (const auto& [edge, below] : children_) out[edge] = below.to_json();
  return out;
}

const FieldSet* FieldSet::child(const std::string& edge) const {
  auto at = children_.find(edge);
  return at == children_.end() ? nullptr : &at->second;
}

void FieldSet::drop_empty() {
  std::erase_if(children_, [](const auto& pair) { return pair.second.empty(); });
}

FieldSet FieldSet::unite(const FieldSet& other) const {
  FieldSet out = *this;
  out.member_ |= other.member_;
  for (const auto& [edge, below] : other.children_) out.children_[edge] = out.children_[edge].unite(below);
  return out;
}

FieldSet FieldSet::intersect(const FieldSet& other) const {
  FieldSet out;
  out.member_ = member_ && other.member_;
  for (const auto& [edge, below] : children_) {
    if (const auto* theirs = other.child(edge)) out.children_[edge] = below.intersect(*theirs);
  }
  out.drop_empty();
  return out;
}

FieldSet FieldSet::without(const FieldSet& other) const {
  FieldSet out;
  out.member_ = member_ && !other.member_;
  for (const auto& [edge, below] : children_) {
    const auto* theirs = other.child(edge);
    out.children_[edge] = theirs ? below.without(*theirs) : below;
  }
  out.drop_empty();
  return out;
}

void FieldSet::collect_paths(const std::string& prefix, std::vector<std::string>& out) const {
  if (member_) out.push_back(prefix);
  for (const auto& [edge, below] : children_) below.collect_paths(prefix + print_edge(edge), out);
}

std::vector<std::string> FieldSet::paths() const {
  std::vector<std::string> out;
  collect_paths({}, out);
  return out;
}

}  // namespace weft::standalone
