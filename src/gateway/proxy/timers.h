#pragma once

#include <array>
#include <cstdint>

namespace weft::gateway {

class Timer;

class TimerOwner {
 public:
  /// `timer` is no longer set.
  virtual void on_timer(Timer& timer) = 0;

 protected:
  ~TimerOwner() = default;
};

/// A deadline of somebody, part of him: no allocation, and nothing to do when a deadline moves back, which is
/// what most of them do (each request moves its connection's).
class Timer {
 public:
  explicit Timer(TimerOwner& owner) : owner_(owner) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { clear(); }
  bool is_set() const { return deadline_ != 0; }
  void clear();

 private:
  friend class TimerWheel;
  void unlink();

  TimerOwner& owner_;
  uint64_t deadline_ = 0;  ///< 0: not set (it may still be linked)
  uint64_t linked_for_ = 0;
  Timer** back_ = nullptr;  ///< what points to us
  Timer* next_ = nullptr;
};

/// A wheel of 1024 slots of 8 ms. A deadline further away than a turn of the wheel is looked at once a turn.
class TimerWheel {
 public:
  /// Milliseconds on a clock that only goes forward. A timer fires at its deadline or up to 8 ms after.
  void set(Timer& timer, uint64_t deadline);
  /// Fires what is due.
  void advance(uint64_t now);
  /// Milliseconds until there may be something to do; -1: nothing is set.
  int wait(uint64_t now) const;

 private:
  static constexpr uint64_t kSlots = 1024;
  static constexpr uint64_t kTick = 8;
  void link(Timer& timer, uint64_t deadline);

  std::array<Timer*, kSlots> slots_{};
  std::array<uint64_t, kSlots / 64> used_{};  ///< may have bits of slots that have become empty
  uint64_t tick_ = 0;                         ///< the last one that was looked at
};

}  // namespace weft::gateway
