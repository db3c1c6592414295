#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "kube/yaml.h"
#include "trace/machinery.h"

/// Where `weft trace` has its objects from.
namespace weft::cmd {

struct TraceSource {
  std::vector<std::string> files;  ///< files and folders of manifests; empty: a cluster
  std::string cluster = "weft";    ///< that `weft up` made, on this machine
  std::string kubeconfig;          ///< of another one; "": that one's
};

/// Objects, and what has to be known of their cluster.
struct TraceObjects {
  std::vector<kube::YamlDocument> documents;
  trace::Machinery machinery;
  std::vector<std::string> notes;  ///< what could not be read
};
Expected<TraceObjects> read_objects(const TraceSource& source);

}  // namespace weft::cmd
