#include "base/pod_alias.h"

namespace weft {
namespace {

constexpr std::string_view kPrefix = "weft-pod/";
constexpr size_t kMaxSize = 255;  ///< IFALIASZ without its zero byte

}  // namespace

std::string to_text(const PodAlias& alias) {
  auto out = std::string(kPrefix) + alias.id;
  if (alias.namespace_.empty() || out.size() + 1 + alias.namespace_.size() > kMaxSize) return out;
  return out + " " + alias.namespace_;
}

std::optional<PodAlias> parse_pod_alias(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  auto space = text.find(' ');
  if (space == std::string_view::npos) return PodAlias{std::string(text), {}};
  return PodAlias{std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

}  // namespace weft
