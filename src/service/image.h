#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "datapath/prefix_key.h"
#include "datapath/service_socket.h"

inline bool operator==(const weft_frontend_key& a, const weft_frontend_key& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}
inline bool operator==(const weft_frontend& a, const weft_frontend& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}
template <>
struct std::hash<weft_frontend_key> {
  size_t operator()(const weft_frontend_key& key) const noexcept {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&key), sizeof(key)});
  }
};

namespace weft::service {

/// `port` in host order, 0 with protocol 0 for the whole address.
weft_frontend_key frontend_key(const IpAddr& addr, uint16_t port, uint8_t protocol);
using datapath::addr_of;

/// What a backend is, apart from its number.
struct Address {
  std::array<uint8_t, 16> addr{};  ///< IPv4 as v4-mapped
  uint16_t port = 0;               ///< network order
  uint16_t flags = 0;              ///< WEFT_BACKEND_…

  bool same_place(const Address& other) const { return addr == other.addr && port == other.port; }
};

/// The Service maps as they are in the kernel, plus the changes that are staged but not yet written. The only
/// writer of the maps; it writes in an order that leaves every frontend usable at every moment:
/// backends, slots, Maglev tables, the filter, frontends, then what nothing refers to any more.
class Image {
 public:
  struct Slot {
    uint64_t id = 0;  ///< 0: nothing usable here
    Address address;
  };
  /// The slots a set is to have, and how it gets there with the fewest writes.
  struct SetChange {
    uint32_t set = 0;
    std::vector<Slot> slots;                ///< afterwards; new backends have id 0 until staged
    std::vector<uint32_t> written;          ///< slots whose content changes
    std::vector<uint32_t> backend_written;  ///< slots whose backend is new or has new flags
    std::vector<uint64_t> dropped;          ///< backends no longer in the set
    size_t new_backends = 0;
    size_t new_slots = 0;
  };

  /// Reads everything that is there.
  static Expected<Image> load(datapath::ServiceMaps maps);

  const weft_frontend* frontend(const weft_frontend_key& key) const;
  const std::unordered_map<weft_frontend_key, weft_frontend>& frontends() const { return frontends_; }
  const std::unordered_map<uint32_t, std::vector<Slot>>& sets() const { return sets_; }
  size_t slot_count() const { return slot_count_; }
  size_t backend_count() const { return backend_count_; }
  uint64_t writes() const { return writes_; }

  /// A number that no set has had before.
  uint32_t new_set() { return ids_.next_set++; }
  /// Slots keep their backends where they can; a backend keeps its number.
  SetChange difference(uint32_t set, std::span<const Address> desired) const;
  /// exhausted if the maps have no room for that many more entries, staged ones included.
  Expected<void> require_room(size_t frontends, size_t slots, size_t backends) const;
  /// Whether a set may have a table of that size, beside `others` that are to be staged with it.
  bool has_room_for_maglev(uint32_t set, size_t size, size_t others) const;
  /// What is staged removes entries.
  bool frees() const;

  /// At most once a set between two commits.
  void stage(SetChange change);
  /// A Maglev table over the slots that the set has by now; empty: it needs none.
  void stage_maglev(uint32_t set, const std::vector<uint16_t>& table);
  /// The ranges of clients that a frontend admits; none when it does not tell them apart.
  void stage_sources(const weft_frontend_key& key, std::span<const IpPrefix> ranges);
  void stage_frontend(const weft_frontend_key& key, const weft_frontend& value);
  void stage_frontend_removal(const weft_frontend_key& key);
  void stage_set_removal(uint32_t set);
  /// Backends that no slot refers to: left by an engine killed between two writes.
  void stage_orphan_removal();

  /// Writes what is staged. After a failure the image may differ from the kernel: load it again.
  Expected<void> commit();

 private:
  struct Staged {
    std::vector<uint64_t> backend_keys;
    std::vector<weft_backend> backends;
    std::vector<weft_slot_key> slot_keys;
    std::vector<uint64_t> slots;
    std::vector<weft_maglev_key> maglev_keys;
    std::vector<weft_maglev> maglev;
    std::vector<weft_source_key> sources;
    std::vector<weft_frontend_key> frontend_keys;
    std::vector<weft_frontend> frontends;
    std::vector<uint32_t> set_words, cleared_words;  ///< of the filter
    std::vector<weft_frontend_key> gone_frontends;
    std::vector<weft_source_key> gone_sources;
    std::vector<weft_maglev_key> gone_maglev;
    std::vector<weft_slot_key> gone_slots;
    std::vector<uint64_t> gone_backends;
  };
  Expected<void> persist_ids();
  Expected<void> repair_filter();
  void count_key(const weft_frontend_key& key, int change);
  Expected<void> write_filter(std::vector<uint32_t> words);
  void read_maglev(const std::vector<std::pair<weft_maglev_key, weft_maglev>>& chunks);
  void read_slots(std::vector<std::pair<weft_slot_key, uint64_t>> slots,
                  const std::vector<std::pair<uint64_t, weft_backend>>& backends);

  datapath::ServiceMaps maps_;
  std::unordered_map<weft_frontend_key, weft_frontend> frontends_;
  std::unordered_map<uint32_t, std::vector<Slot>> sets_;
  std::unordered_map<uint32_t, std::vector<uint16_t>> maglev_;  ///< whole chunks
  std::unordered_map<weft_frontend_key, std::vector<weft_source_key>> sources_;
  std::unordered_map<uint32_t, uint32_t> keys_at_;  ///< frontends by their key's hash
  std::vector<uint64_t> filter_ = std::vector<uint64_t>(WEFT_FILTER_WORDS);  ///< the bits of the hashes above
  std::vector<uint64_t> orphans_;
  Staged staged_;
  weft_ids ids_{};            ///< next to be given out
  weft_ids persisted_ids_{};  ///< what the kernel's copy says: never behind the above once written
  size_t maglev_count_ = 0;   ///< chunks, as staged
  size_t slot_count_ = 0;     ///< with staged additions, without staged removals until they are written
  size_t backend_count_ = 0;
  uint64_t writes_ = 0;
};

}  // namespace weft::service
