#pragma once

#include <string>
#include <vector>

#include "kube/pod.h"
#include "kube/pod_dns.h"

namespace weft::standalone::sandbox {

/// The text of the pod's /etc/hosts.
std::string pod_hosts(const kube::Pod& pod, const kube::PodName& name,
                      const std::vector<std::string>& addresses);

}  // namespace weft::standalone::sandbox
