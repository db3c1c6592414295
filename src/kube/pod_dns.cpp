#include "kube/pod_dns.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

namespace weft::kube {

namespace {

constexpr size_t kMaxNameservers = 3;
constexpr size_t kMaxSearches = 32;
constexpr size_t kMaxSearchText = 2048;
constexpr size_t kMaxHostname = 63;
constexpr size_t kMaxKernelName = 64;

void append_new(std::vector<std::string>& list, const std::vector<std::string>& more) {
  for (const auto& item : more) {
    if (std::ranges::find(list, item) == list.end()) list.push_back(item);
  }
}

std::string option_name(const std::string& option) { return option.substr(0, option.find(':')); }

void merge_config(ResolvConf& conf, const PodDNSConfig& config) {
  append_new(conf.nameservers, config.nameservers);
  append_new(conf.searches, config.searches);
  for (const auto& option : config.options) {
    std::erase_if(conf.options, [&](const auto& old) { return option_name(old) == option.name; });
    conf.options.push_back(option.value && !option.value->empty() ? option.name + ":" + *option.value
                                                                  : option.name);
  }
}

void apply_limits(PodDns& dns) {
  auto& servers = dns.conf.nameservers;
  if (servers.size() > kMaxNameservers) {
    servers.resize(kMaxNameservers);
    dns.warnings.push_back(fmt::format(
        "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line "
        "is: {}",
        fmt::join(servers, " ")));
  }
  auto& searches = dns.conf.searches;
  size_t before = searches.size();
  if (searches.size() > kMaxSearches) searches.resize(kMaxSearches);
  while (fmt::format("{}", fmt::join(searches, " ")).size() > kMaxSearchText) searches.pop_back();
  if (searches.size() < before) {
    dns.warnings.push_back(
        fmt::format("Search Line limits were exceeded, some search paths have been omitted, the applied "
                    "search line is: {}",
                    fmt::join(searches, " ")));
  }
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find_first_of("#;")));
    std::string keyword, word;
    words >> keyword;
    if (keyword == "nameserver" && words >> word) conf.nameservers.push_back(word);
    // The last search or domain line wins (resolv.conf(5)).
    if (keyword == "search" || keyword == "domain") conf.searches.clear();
    while (words >> word) {
      if (keyword == "search" || keyword == "domain") conf.searches.push_back(word);
      if (keyword == "options") conf.options.push_back(word);
    }
  }
  return conf;
}

std::string write_resolv_conf(const ResolvConf& conf) {
  std::string out;
  if (!conf.searches.empty()) out += fmt::format("search {}\n", fmt::join(conf.searches, " "));
  for (const auto& server : conf.nameservers) out += fmt::format("nameserver {}\n", server);
  if (!conf.options.empty()) out += fmt::format("options {}\n", fmt::join(conf.options, " "));
  return out;
}

PodDns pod_dns(const Pod& pod, const ClusterDns& cluster, const ResolvConf& node) {
  PodDns dns;
  const auto& policy = pod.spec.dnsPolicy;
  bool first = policy.empty() || policy == "ClusterFirst";
  if ((first && !pod.spec.hostNetwork) || policy == "ClusterFirstWithHostNet") {
    dns.conf.nameservers = cluster.addresses;
    dns.conf.searches = {fmt::format("{}.svc.{}", pod.metadata.namespace_, cluster.domain),
                         "svc." + cluster.domain, cluster.domain};
    append_new(dns.conf.searches, node.searches);
    dns.conf.options = {"ndots:5"};
  } else if (policy != "None") {
    dns.conf = node;
  }
  if (pod.spec.dnsConfig) merge_config(dns.conf, *pod.spec.dnsConfig);
  apply_limits(dns);
  return dns;
}

Expected<PodName> pod_name(const Pod& pod, const std::string& domain) {
  PodName name;
  name.hostname = pod.spec.hostname.empty() ? pod.metadata.name : pod.spec.hostname;
  if (name.hostname.size() > kMaxHostname) {
    name.hostname.resize(kMaxHostname);
    while (!name.hostname.empty() && (name.hostname.back() == '-' || name.hostname.back() == '.'))
      name.hostname.pop_back();
  }
  if (!pod.spec.subdomain.empty())
    name.fqdn =
        fmt::format("{}.{}.{}.svc.{}", name.hostname, pod.spec.subdomain, pod.metadata.namespace_, domain);
  bool as_fqdn = pod.spec.setHostnameAsFQDN.value_or(false) && !name.fqdn.empty();
  name.kernel = as_fqdn ? name.fqdn : name.hostname;
  if (name.kernel.size() > kMaxKernelName)
    return fail(
        ErrorCode::invalid,
        fmt::format("failed to construct FQDN from pod hostname and cluster domain, FQDN {} is too long ({} "
                    "characters is the max, {} characters requested)",
                    name.kernel, kMaxKernelName, name.kernel.size()));
  return name;
}

}  // namespace weft::kube
