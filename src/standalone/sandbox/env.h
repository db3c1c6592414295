#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kube/config.h"
#include "kube/pod.h"

namespace weft::standalone::sandbox {

/// Replaces "$(NAME)" by what `lookup` gives; an unknown reference stays as it is written, "$$" is a "$"
/// (the rules of container command, args and env).
std::string expand(std::string_view text,
                   const std::function<std::optional<std::string>(const std::string&)>& lookup);

/// What fields of a pod resolve to besides the object itself; the status in the object may be older.
struct PodFacts {
  const kube::Pod* pod = nullptr;
  std::vector<std::string> pod_ips;
  std::vector<std::string> host_ips;
};

/// The value of a fieldRef: metadata.{name,namespace,uid,labels,annotations,labels['K'],annotations['K']},
/// spec.{nodeName,serviceAccountName}, status.{podIP,podIPs,hostIP,hostIPs}. `invalid` for another path.
Expected<std::string> field_value(const PodFacts& facts, const std::string& path);

/// The value of a resourceFieldRef: limits or requests of cpu, memory, ephemeral-storage, divided by
/// `divisor` and rounded up; a limit that is not set is the machine's whole.
Expected<std::string> resource_value(const kube::PodSpec& spec, const kube::Container& self,
                                     const kube::ResourceFieldSelector& ref);

/// How ConfigMaps and Secrets of the pod's namespace are found; null: there is none.
struct ConfigSource {
  std::function<std::shared_ptr<const kube::ConfigMap>(const std::string& name)> config_map;
  std::function<std::shared_ptr<const kube::Secret>(const std::string& name)> secret;
};

using Environment = std::vector<std::pair<std::string, std::string>>;

/// The environment a container declares: envFrom, then env with its references expanded; later values win.
/// `not_found` (a ConfigMap, Secret or key that may still come) is kubelet's CreateContainerConfigError.
Expected<Environment> build_environment(const PodFacts& facts, const kube::Container& container,
                                        const ConfigSource& source);

std::optional<std::string> find_variable(const Environment& environment, const std::string& name);

}  // namespace weft::standalone::sandbox
