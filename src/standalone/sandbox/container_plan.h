#pragma once

#include <string>
#include <vector>

#include "standalone/sandbox/container_spec.h"
#include "standalone/sandbox/image.h"
#include "standalone/sandbox/pod_files.h"
#include "standalone/sandbox/pod_host.h"

namespace weft::standalone::sandbox {

/// What a container's pod gives it.
struct ContainerSetting {
  PodFacts facts;
  const NodeContext& node;
  const kube::PodName& name;
  std::string netns;  ///< name in /run/netns; "": the node's
  std::string dir;    ///< the pod's folder: etc/ has resolv.conf, hosts and hostname
};

/// The process of one container: namespaces, files, user, environment with what container runtimes add
/// (PATH, HOSTNAME, HOME), and for weft/echo who it is and where it listens.
ContainerSpec plan_container(const ContainerSetting& setting, const kube::Container& container,
                             const Environment& declared, const Command& command,
                             std::vector<MountSpec> mounts);

}  // namespace weft::standalone::sandbox
