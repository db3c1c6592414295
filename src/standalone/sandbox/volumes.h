#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "kube/pod.h"
#include "standalone/sandbox/container_spec.h"
#include "standalone/sandbox/env.h"

namespace weft::standalone::sandbox {

struct VolumeFile {
  std::string bytes;
  mode_t mode = 0644;
  bool operator==(const VolumeFile&) const = default;
};
/// Relative path to content.
using VolumeFiles = std::map<std::string, VolumeFile>;

/// A volume whose content Kubernetes objects give (configMap, secret, downwardAPI, projected).
bool is_object_volume(const kube::Volume& volume);
/// Its files. `not_found`: a ConfigMap, Secret or key that is not there (yet) and not optional.
Expected<VolumeFiles> object_volume_files(const kube::Volume& volume, const PodFacts& facts,
                                          const ConfigSource& source);

/// Makes `folder` hold exactly `files`, all at once for whoever reads: a new folder is filled beside the old
/// one and the link ..data is moved to it; names are links through ..data. Nothing is touched when nothing
/// changed.
Expected<void> write_object_volume(const std::string& folder, const VolumeFiles& files);

/// Makes the other kinds of volume (emptyDir, hostPath) ready and returns the folder or file of the host
/// that they are; `folder` is where an emptyDir is made. `not_found` for a hostPath that is not as its type
/// asks, `invalid` for a kind that needs a storage system.
Expected<std::string> prepare_plain_volume(const kube::Volume& volume, const std::string& folder);

/// The bind mounts of one container. `sources`: volume name to its folder of the host. Makes the folder of
/// a subPath.
Expected<std::vector<MountSpec>> container_mounts(const kube::Container& container,
                                                  const std::map<std::string, std::string>& sources,
                                                  const Environment& environment);

}  // namespace weft::standalone::sandbox
