#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/meta.h"

namespace weft::kube {

/// A parsed label selector: all requirements must hold. An empty one matches everything.
class Selector {
 public:
  /// The string form of list and watch: "a=b,c!=d,e in (f,g),h notin (i),j,!k,l>3".
  static Expected<Selector> parse(std::string_view text);
  /// The object form. An invalid operator or an In without values is ErrorCode::invalid.
  static Expected<Selector> from(const LabelSelector& selector);
  /// The map form of Service.spec.selector.
  static Selector from(const StringMap& labels);

  bool matches(const StringMap& labels) const;
  bool matches(const json::object& labels) const;
  bool empty() const { return requirements_.empty(); }
  std::string str() const;

 private:
  friend class SelectorParser;
  enum class Op { in, not_in, exists, not_exists, greater, less };
  struct Requirement {
    std::string key;
    Op op;
    std::vector<std::string> values;
  };
  template <class Lookup>
  bool matches_with(const Lookup& lookup) const;
  std::vector<Requirement> requirements_;
};

/// A parsed field selector: "metadata.name=x,status.phase!=Running". Which fields a kind supports is the
/// server's business; the value of an absent field is "".
class FieldSelector {
 public:
  struct Term {
    std::string path;
    bool equal;
    std::string value;
  };
  static Expected<FieldSelector> parse(std::string_view text);
  bool matches(const json::value& object) const;
  const std::vector<Term>& terms() const { return terms_; }

 private:
  std::vector<Term> terms_;
};

}  // namespace weft::kube
