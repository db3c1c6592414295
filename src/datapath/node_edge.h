#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/ip.h"
#include "datapath/dns_layout.h"
#include "datapath/edge_layout.h"
#include "datapath/map.h"
#include "datapath/pod_policy.h"
#include "datapath/service_socket.h"

namespace weft::datapath {

/// An address range and what is there: WEFT_PREFIX_….
using EdgePrefix = std::pair<IpPrefix, uint32_t>;

/// What pods' links answer themselves. Not pinned: each agent begins with empty maps, and what links still
/// have of the one before is out of date within a second (weft_dns_server).
struct DnsMaps {
  HashMap<weft_dns_name, weft_dns_record> names;
  ArrayMap<weft_dns_server> server;
  RawMap counters;

  /// Sums over all CPUs, by weft_dns_counter.
  Expected<std::array<uint64_t, WEFT_DNS_COUNTERS>> answers() const;
};

/// The node edge's programs and maps. Maps are pinned under `bpf_dir`/edge; the programs stay on the links
/// when this object or its process goes. Works in the network namespace of the thread that calls.
class NodeEdge {
 public:
  struct Options {
    std::string bpf_dir;
    uint32_t flows = 524'288;  ///< entries of the translation table: two a connection
  };
  /// Opens the pinned maps or makes them, and loads the programs on the Service maps of `services` and the
  /// policy maps of `policy`. Does not attach.
  static Expected<NodeEdge> open(const Options& options, const ServiceSocket& services,
                                 const PodPolicy& policy);

  Expected<void> configure(const weft_edge& settings);
  /// By difference: what is not named is removed.
  Expected<void> set_prefixes(std::span<const EdgePrefix> prefixes);
  /// Puts the node edge's programs on both directions of a link, or replaces those of an earlier agent, each
  /// at once. Idempotent.
  Expected<void> attach(int link);
  /// The same on the node's end of a pod's link: for what a pod sends to Services past its sockets, and for
  /// its policies. The pod must be known to those: else nothing passes.
  Expected<void> attach_pod(int link);
  /// Puts the edge's XDP program on a link, in the driver. Needs `attach` too, which does what it leaves.
  /// Fails where the driver has no XDP, and where somebody else's program is.
  Expected<void> attach_xdp(int link);

  /// Sums over all CPUs, by weft_edge_counter.
  Expected<std::array<uint64_t, WEFT_EDGE_COUNTERS>> counters() const;
  /// Who is behind the address and port that a pod of this node has as its peer's, in host order; nothing: it
  /// is not translated.
  std::optional<std::pair<IpAddr, uint16_t>> behind(std::pair<IpAddr, uint16_t> pod,
                                                    std::pair<IpAddr, uint16_t> peer, uint8_t protocol) const;
  /// Entries of the translation table; two a connection.
  const HashMap<weft_tuple, weft_nat>& flows() const { return flows_; }
  const DnsMaps& dns() const { return dns_; }

 private:
  struct Programs;
  NodeEdge() = default;
  std::shared_ptr<Programs> programs_;
  HashMap<weft_tuple, weft_nat> flows_;
  HashMap<weft_prefix_key, uint32_t> prefixes_;
  DnsMaps dns_;
};

}  // namespace weft::datapath
