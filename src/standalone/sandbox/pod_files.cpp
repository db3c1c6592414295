#include "standalone/sandbox/pod_files.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace weft::standalone::sandbox {

std::string pod_hosts(const kube::Pod& pod, const kube::PodName& name,
                      const std::vector<std::string>& addresses) {
  std::string out =
      "# Kubernetes-managed hosts file.\n"
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::\tip6-localnet\n"
      "fe00::\tip6-mcastprefix\n"
      "fe00::1\tip6-allnodes\n"
      "fe00::2\tip6-allrouters\n";
  for (const auto& address : addresses) {
    out += name.fqdn.empty() ? fmt::format("{}\t{}\n", address, name.hostname)
                             : fmt::format("{}\t{}\t{}\n", address, name.fqdn, name.hostname);
  }
  if (pod.spec.hostAliases.empty()) return out;
  out += "\n# Entries added by HostAliases.\n";
  for (const auto& alias : pod.spec.hostAliases)
    out += fmt::format("{}\t{}\n", alias.ip, fmt::join(alias.hostnames, "\t"));
  return out;
}

}  // namespace weft::standalone::sandbox
