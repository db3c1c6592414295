#pragma once

#include <re2/re2.h>

#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "dns/config.h"

namespace weft::dns {

/// What a question is answered as.
struct Rewritten {
  Name name;
  bool answer_auto = true;  ///< of all rules that were used
  size_t rule = 0;          ///< the last of them
};

/// The rewrite rules of a configuration, compiled. Pure; many threads may use one.
class Rewriter {
 public:
  /// Says which rule is wrong, and how.
  static Expected<Rewriter> compile(const std::vector<Rewrite>& rules);
  bool empty() const { return rules_.empty(); }

  /// Rules are looked at in order, each at what the one before has made; nothing when none matches, or when
  /// what it makes is no name. Names are compared, and made, in lower case; a label with a dot in it has no
  /// text and is left alone.
  std::optional<Rewritten> apply(const Name& name) const;

 private:
  struct Rule {
    Rewrite rule;
    std::unique_ptr<RE2> pattern;  ///< of `regex`
  };
  std::vector<Rule> rules_;
};

}  // namespace weft::dns
