#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "datapath/map.h"
#include "datapath/policy_layout.h"

struct ring_buffer;

namespace weft::datapath {

/// The maps of pods' policies, pinned under `bpf_dir`/policy in a folder named after their layout: what is
/// decided from them stays in force when this object or its process goes. NodeEdge's programs look into them.
/// Copies are handles on the same maps. policy_layout.h says what is in them, and map.h how to read all of it
/// back and to write many entries at once. `exhausted` when a map is full.
class PodPolicy {
 public:
  using Identities = HashMap<weft_prefix_key, uint32_t>;
  using Verdicts = HashMap<weft_verdict_key, weft_verdict>;
  using Pods = HashMap<uint32_t, weft_policy_pod>;
  using Links = HashMap<uint32_t, weft_policy_link>;  ///< an array of WEFT_POLICY_LINKS
  using Flows = HashMap<weft_policy_flow_key, weft_policy_flow>;
  using Young = HashMap<uint32_t, weft_policy_young>;  ///< an array of WEFT_YOUNG_PLACES

  /// Most entries that the maps can have.
  struct Sizes {
    uint32_t identities = 524'288;
    uint32_t verdicts = 1'048'576;
  };
  /// Opens the pinned maps or makes them; those of other layouts go. `sizes` must be those with which they
  /// were made.
  static Expected<PodPolicy> open(const std::string& bpf_dir, const Sizes& sizes = kSizes);
  static const Sizes kSizes;
  /// Opens the pinned maps, of whatever sizes, to look at them; not_found if those of this layout are not
  /// there.
  static Expected<PodPolicy> find(const std::string& bpf_dir);

  const Identities& identities() const { return identities_; }
  const Verdicts& verdicts() const { return verdicts_; }
  /// By the index of the node's end of a pod's link. For reading: set_pod and erase_pod write.
  const Pods& pods() const { return pods_; }
  const Flows& flows() const { return flows_; }
  /// TCP connections that began lately are here alone.
  const Young& young() const { return young_; }

  /// To be called after changes of identities, verdicts and pods: connections that were decided before are
  /// decided anew. One process at a time may.
  Expected<void> raise_revision() const;
  Expected<void> set_pod(uint32_t link, const weft_policy_pod& pod) const;
  /// What is of a link without a pod is dropped.
  Expected<void> erase_pod(uint32_t link) const;
  /// A link's pod as the programs see it.
  Expected<std::optional<weft_policy_pod>> pod_at(uint32_t link) const;
  /// Pods of these links without an entry get one by which all may pass, as no policy selects them.
  Expected<void> introduce(std::span<const int> links) const;
  /// Removes the pods of links that this namespace does not have any more.
  Expected<void> forget_gone_links() const;
  /// Sums over all CPUs, by weft_policy_counter.
  Expected<std::array<uint64_t, WEFT_POLICY_COUNTERS>> counters() const;

  /// Where the maps are pinned, for programs that use them.
  const std::string& map_folder() const { return folder_; }

 private:
  PodPolicy() = default;
  Expected<void> withdraw(uint32_t link) const;
  std::string folder_;
  Identities identities_;
  Verdicts verdicts_;
  Pods pods_;
  Links links_;
  Flows flows_;
  Young young_;
  ArrayMap<weft_policy> settings_;
  RawMap counters_;
};

/// Reads what the programs report. What one reader has read no other gets.
class PolicyEvents {
 public:
  using Handler = std::function<void(const weft_policy_event&)>;
  static Expected<PolicyEvents> open(const PodPolicy& policy, Handler handler);

  /// Readable while there are events.
  int poll_fd() const;
  /// Calls the handler for each event that is there; how many.
  Expected<size_t> read();

 private:
  struct Free {
    void operator()(ring_buffer* ring) const;
  };
  PolicyEvents() = default;
  std::unique_ptr<Handler> handler_;  ///< at an address that stays
  std::unique_ptr<ring_buffer, Free> ring_;
};

}  // namespace weft::datapath
