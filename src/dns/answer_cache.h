#pragma once

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "dns/counters.h"
#include "dns/poller.h"
#include "dns/stored_answer.h"

namespace weft::dns {

/// Answers of upstreams, for all threads of a server. One for all, as a name that one thread has asked for is
/// then known to the others, and the caps mean what they say; a thread holds the lock of a part for the
/// microsecond that copying an answer takes. What was used longest ago makes room. Cluster names never get
/// here: they are answered before an upstream is thought of.
class AnswerCache {
 public:
  using Clock = Poller::Clock;

  explicit AnswerCache(const CacheOptions& options);

  enum class Found {
    nothing,
    fresh,    ///< it was written
    expired,  ///< it is there for when no upstream answers; written if that was asked for
  };
  struct Lookup {
    Found found = Found::nothing;
    size_t size = 0;  ///< bytes written
    bool negative = false;
    bool prefetch = false;  ///< it is wanted often and ends soon: whoever gets this is to ask anew
  };
  /// Writes the answer to `asked`, as `query` and `form` want it (but for the age, which is the cache's).
  /// No allocation.
  Lookup find(const UpstreamQuestion& asked, const Query& query, AnswerForm form, bool take_expired,
              Clock::time_point now, std::span<uint8_t> out);

  /// Keeps an answer for `answer.keep`, and as long as it may be served stale. An error never replaces an
  /// answer that could still be served. How many had to make room.
  size_t put(const UpstreamQuestion& asked, const StoredAnswer& answer, Clock::time_point now);

  size_t positive() const { return counts_[0].load(std::memory_order_relaxed); }
  size_t negative() const { return counts_[1].load(std::memory_order_relaxed); }

 private:
  struct Entry {
    uint64_t hash = 0;
    bool dnssec_ok = false, checking_disabled = false;
    StoredAnswer answer;
    Clock::time_point stored, expires, last_hit;
    int hits = 0;
    bool prefetching = false;
  };
  using Entries = std::list<Entry>;
  struct SameHash {
    size_t operator()(uint64_t hash) const { return hash; }
  };
  struct Part {
    std::mutex mutex;
    std::array<Entries, 2> entries;  ///< positive, negative; what was used last first
    std::array<size_t, 2> bytes{};
    std::unordered_multimap<uint64_t, Entries::iterator, SameHash> index;
  };

  Part& part_of(uint64_t hash) { return *parts_[(hash >> 32) % parts_.size()]; }
  static bool matches(const Entry& entry, const UpstreamQuestion& asked);
  static Entry* find_entry(Part& part, uint64_t hash, const UpstreamQuestion& asked);
  void remove(Part& part, Entries::iterator entry);
  size_t make_room(Part& part, bool negative);
  bool wants_prefetch(Entry& entry, Clock::time_point now) const;

  const CacheOptions options_;
  const uint64_t seed_;  ///< so that nobody can choose names that collide
  std::vector<std::unique_ptr<Part>> parts_;
  std::array<size_t, 2> caps_;  ///< of a part
  std::array<std::atomic<size_t>, 2> counts_{};
};

}  // namespace weft::dns
