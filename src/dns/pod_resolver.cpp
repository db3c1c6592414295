#include "dns/pod_resolver.h"

#include <algorithm>
#include <charconv>

namespace weft::dns {
namespace {

constexpr std::string_view kNdots = "ndots:";
constexpr int kMaxNdots = 15;

}  // namespace

PodResolver resolver_of(const kube::Pod& pod, std::string_view zone) {
  const std::string& policy = pod.spec.dnsPolicy;
  const bool cluster = policy == "ClusterFirstWithHostNet" ||
                       ((policy.empty() || policy == "ClusterFirst") && !pod.spec.hostNetwork);
  auto out = resolver_of(kube::pod_dns(pod, {.addresses = {}, .domain = std::string(zone)}, {}).conf);
  out.of_node = !cluster && policy != "None";
  return out;
}

PodResolver resolver_of(const kube::ResolvConf& conf) {
  PodResolver out{.searches = conf.searches};
  for (const std::string& option : conf.options) {
    int ndots = 0;
    if (!option.starts_with(kNdots)) continue;
    auto [end, error] = std::from_chars(option.data() + kNdots.size(), option.data() + option.size(), ndots);
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
