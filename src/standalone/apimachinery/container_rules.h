#pragma once

#include <set>
#include <string>

#include "kube/pod.h"
#include "standalone/apimachinery/field_error.h"

/// The rules of a pod's containers and volumes.
namespace weft::standalone {

/// Fills `names` with those of the volumes.
void check_volumes(FieldErrors& errors, const std::string& path, const std::vector<kube::Volume>& volumes,
                   std::set<std::string>& names);

/// All containers of a pod whose spec is at `path`.
void check_containers(FieldErrors& errors, const std::string& path, const kube::PodSpec& spec,
                      const std::set<std::string>& volumes);

}  // namespace weft::standalone
