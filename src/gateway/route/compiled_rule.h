#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/http/message.h"
#include "gateway/route/regex.h"
#include "gateway/route/shares.h"

namespace weft::gateway {

/// A header or query parameter that has to be there.
struct Condition {
  std::string name;
  std::string value;                      ///< unless there is `regex`
  std::shared_ptr<const re2::RE2> regex;  ///< matches the whole value

  bool takes(std::string_view text) const;
};

/// A Match without its path, which the path index has looked at before.
struct CompiledMatch {
  const Match* match = nullptr;
  std::string path;                            ///< in normal form; of a prefix without the slash at its end
  std::shared_ptr<const re2::RE2> path_regex;  ///< of PathKind::regex
  std::vector<Condition> headers;
  std::vector<Condition> query;

  /// Whether method, headers and query of the request match; if not and `why_not` is given it says why.
  bool takes(const RequestHead& request, Arena& arena, std::string* why_not = nullptr) const;
};

/// A rule and what is worked out of it once. The same object for as long as the rule is the same, so that
/// what was shared out goes on where it was.
struct CompiledRule {
  CompiledRule(std::shared_ptr<const Rule> of, RegexCache& regexes);

  /// The backends that get a copy of a request that goes to rule->backends[backend].
  std::vector<std::string_view> mirrored_to(size_t backend) const;

  std::shared_ptr<const Rule> rule;
  std::vector<CompiledMatch> matches;  ///< without those whose expressions are not valid
  Shares shares;                       ///< over rule->backends

 private:
  /// For each of rule->filters.mirrors, then for each of its backends'. Nearly every rule has none, for which
  /// a deque would take half a KiB.
  std::list<Portion> mirrors_;
};

}  // namespace weft::gateway
