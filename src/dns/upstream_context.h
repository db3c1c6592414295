#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "dns/codec.h"
#include "dns/poller.h"
#include "dns/timer_queue.h"

namespace weft::dns {

/// The questions that a server has asked upstreams, of all its threads: where the same one comes in, a
/// server that it asks, directly or not, asks it. Keeps the last of each source port; no locks.
class OwnQuestions {
 public:
  OwnQuestions();
  void note(uint16_t source_port, uint16_t id) {
    asked_[source_port].store(kAsked | id, std::memory_order_relaxed);
  }
  void forget(uint16_t source_port) { asked_[source_port].store(0, std::memory_order_relaxed); }
  bool contains(uint16_t source_port, uint16_t id) const {
    return asked_[source_port].load(std::memory_order_relaxed) == (kAsked | id);
  }
  /// A name below `domain` that nobody else asks for: who gets a question for it has been asked by this
  /// server, through however many others.
  Name loop_probe(const Name& domain) const;
  bool is_loop_probe(const Name& name) const;

 private:
  static constexpr uint32_t kAsked = 1U << 16;
  std::array<std::atomic<uint32_t>, 65536> asked_{};
  std::string probe_label_;
};

/// Random bits that cannot be guessed, fetched many at a time.
class RandomBits {
 public:
  uint16_t next16();
  /// Each letter in upper or lower case by chance ("0x20").
  Name shuffle_case(const Name& name);

 private:
  std::array<uint16_t, 128> pool_;  // 256 bytes: never cut short and never interrupted
  size_t left_ = 0;
};

/// What the upstreams of one thread share.
struct UpstreamContext {
  Poller& poller;
  TimerQueue& timers;
  OwnQuestions& own;
  RandomBits random{};
  std::vector<uint8_t> buffer = std::vector<uint8_t>(kMaxMessage);  ///< scratch
};

}  // namespace weft::dns
