#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "base/error.h"

namespace weft::gateway {

/// Whether an expression of a match can be used: RE2's syntax, and a program of at most a mebibyte. The plan
/// refuses what this refuses; the message is for the author of the expression.
Expected<void> check_regex(const std::string& pattern);

/// Compiled expressions, each kept once for as long as somebody uses it. Not for several threads.
class RegexCache {
 public:
  /// nullptr for one that check_regex refuses.
  std::shared_ptr<const re2::RE2> get(const std::string& pattern);
  void purge();

 private:
  std::unordered_map<std::string, std::weak_ptr<const re2::RE2>> known_;
};

}  // namespace weft::gateway
