#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "datapath/map.h"
#include "datapath/service_layout.h"

namespace weft::datapath {

/// Most entries of the maps that grow with the cluster. Memory is taken by entry, not in advance.
struct ServiceMapSizes {
  uint32_t frontends = 131'072;
  uint32_t slots = 524'288;
  uint32_t backends = 524'288;
  uint32_t maglev = 524'288;  ///< chunks of tables
  bool operator==(const ServiceMapSizes&) const = default;
};

/// The maps of the socket load balancer. Copyable handles; see service_layout.h for what is in them.
struct ServiceMaps {
  HashMap<weft_frontend_key, weft_frontend> frontends;
  HashMap<weft_slot_key, uint64_t> slots;
  HashMap<uint64_t, weft_backend> backends;
  HashMap<weft_maglev_key, weft_maglev> maglev;
  HashMap<weft_source_key, uint32_t> sources;
  HashMap<uint32_t, uint64_t> filter;  ///< an array of WEFT_FILTER_WORDS
  ArrayMap<weft_node> node;
  ArrayMap<weft_ids> ids;
  HashMap<uint64_t, weft_peer> udp_peers;  ///< connected UDP sockets by cookie
  HashMap<uint64_t, weft_local_pod> local_pods;
};

/// The socket load balancer's programs and maps, pinned under `bpf_dir`/service: maps in a folder named after
/// their layout and sizes, the links of the programs beside it. They go on when this object or its process
/// goes.
class ServiceSocket {
 public:
  /// Opens the pinned maps or makes them, and loads the programs. Does not attach them.
  static Expected<ServiceSocket> open(const std::string& bpf_dir, const ServiceMapSizes& sizes);

  ServiceMaps& maps() { return maps_; }
  /// Where the maps are pinned, for other programs that use them.
  std::string map_folder() const { return folder_ + "/" + layout_; }
  const ServiceMapSizes& sizes() const { return sizes_; }
  /// A pod of this node, by the path of its network namespace: what it sends to itself by a Service leaves
  /// it, and its sockets are looked on at (SocketEvents).
  Expected<void> add_pod(const std::string& netns, std::span<const IpAddr> addresses) const;
  /// Programs of this layout and these sizes are attached already.
  bool attached() const { return attached_; }

  /// Attaches the programs to a cgroup, or replaces running ones whose code or maps differ, one by one and
  /// without a moment in which none runs. Then removes maps of other layouts and sizes. Idempotent.
  Expected<void> attach(const std::string& cgroup_path);

 private:
  struct Programs;
  ServiceSocket() = default;
  ServiceMaps maps_;
  ServiceMapSizes sizes_;
  std::string folder_;  ///< bpf_dir/service
  std::string layout_;  ///< the name of the folder of the maps
  bool attached_ = false;
  std::shared_ptr<Programs> programs_;
};

/// The maps that `ServiceSocket` pinned under `bpf_dir`, for reading. not_found if there are none.
Expected<ServiceMaps> open_service_maps(const std::string& bpf_dir);

}  // namespace weft::datapath
