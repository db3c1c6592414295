#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kube/json.h"
#include "kube/yaml.h"

namespace weft::trace {

/// An object, or a part of one, that had a say.
struct ObjectRef {
  std::string kind;
  std::string namespace_;  ///< empty: of a kind without
  std::string name;
  std::string part;  ///< "spec.rules[0]"; empty: the whole
  std::string file;  ///< empty: it is not from a file
  int line = 0;
  std::string origin;  ///< what made or assumed it, where it is not written as such: "Deployment shop/web"
  bool operator==(const ObjectRef&) const = default;

  /// "Service shop/backend spec.ports[0]", without the place.
  std::string str() const;
};

/// " (FILE:LINE)", or what made it; empty: neither is known.
std::string place_of(const ObjectRef& object);
/// As docs/trace.md has it.
json::object to_json(const ObjectRef& object);

/// "namespace/name", or "name" without one.
std::string key_of(std::string_view namespace_, std::string_view name);

/// Where objects come from.
class Origins {
 public:
  /// The document has to outlive this.
  void written(const std::string& kind, const std::string& key, const kube::YamlDocument& document);
  /// One that is made from another: `of_kind` and `of_key` name that one, whose place it has.
  void made(const std::string& kind, const std::string& key, const std::string& of_kind,
            const std::string& of_key);
  /// One that every cluster of the kind is taken to have.
  void assumed(const std::string& kind, const std::string& key);
  bool is_assumed(const std::string& kind, const std::string& key) const;

  /// `key`: "namespace/name", or "name".
  ObjectRef find(const std::string& kind, const std::string& key, const std::string& part = {}) const;

 private:
  struct Origin {
    const kube::YamlDocument* document = nullptr;
    std::string from;  ///< as ObjectRef::origin
  };
  std::map<std::string, Origin> known_;  ///< by "kind/key"
};

}  // namespace weft::trace
