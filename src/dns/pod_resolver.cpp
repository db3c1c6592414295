#include "dns/pod_resolver.h"

#include <algorithm>
#include <charconv>

namespace weft::dns {
namespace {

constexpr size_t kMaxSearches = 32;
constexpr int kClusterNdots = 5, kMaxNdots = 15;

}  // namespace

PodResolver resolver_of(const kube::Pod& pod, std::string_view zone) {
  PodResolver out;
  const std::string& policy = pod.spec.dnsPolicy;
  const bool cluster = policy == "ClusterFirstWithHostNet" ||
                       ((policy.empty() || policy == "ClusterFirst") && !pod.spec.hostNetwork);
  if (cluster) {
    const std::string base(zone);
    out.searches = {pod.metadata.namespace_ + ".svc." + base, "svc." + base, base};
    out.ndots = kClusterNdots;
  }
  out.of_node = !cluster && policy != "None";
  if (!pod.spec.dnsConfig) return out;
  for (const auto& search : pod.spec.dnsConfig->searches) {
    if (std::ranges::find(out.searches, search) == out.searches.end()) out.searches.push_back(search);
  }
  if (out.searches.size() > kMaxSearches) out.searches.resize(kMaxSearches);
  for (const auto& option : pod.spec.dnsConfig->options) {
    int ndots = 0;
    if (option.name != "ndots" || !option.value) continue;
    auto [end, error] =
        std::from_chars(option.value->data(), option.value->data() + option.value->size(), ndots);
    if (error == std::errc() && ndots >= 0) out.ndots = std::min(ndots, kMaxNdots);
  }
  return out;
}

std::vector<WalkStep> walk_of(std::string_view name, const PodResolver& resolver) {
  std::vector<WalkStep> out;
  auto add = [&](const std::string& text, const std::string& search) {
    auto parsed = Name::parse(text);
    if (parsed && !parsed->is_root()) out.push_back({*parsed, search});
  };
  const std::string asked(name);
  if (name.ends_with('.')) {
    add(asked, "");
    return out;
  }
  const bool first = std::ranges::count(name, '.') >= resolver.ndots;
  if (first) add(asked, "");
  for (const auto& search : resolver.searches) add(asked + "." + search, search);
  if (!first) add(asked, "");
  return out;
}

}  // namespace weft::dns
