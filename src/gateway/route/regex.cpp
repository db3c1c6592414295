#include "gateway/route/regex.h"

namespace weft::gateway {
namespace {

re2::RE2::Options options() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  options.set_never_capture(true);
  return options;
}

}  // namespace

Expected<void> check_regex(const std::string& pattern) {
  re2::RE2 regex(pattern, options());
  if (regex.ok()) return {};
  return fail(ErrorCode::invalid,
              "\"" + pattern + "\" is not a regular expression that RE2 takes: " + regex.error());
}

std::shared_ptr<const re2::RE2> RegexCache::get(const std::string& pattern) {
  std::weak_ptr<const re2::RE2>& known = known_[pattern];
  if (auto regex = known.lock()) return regex;
  auto regex = std::make_shared<const re2::RE2>(pattern, options());
  if (!regex->ok()) return nullptr;
  known = regex;
  return regex;
}

void RegexCache::purge() {
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace weft::gateway
