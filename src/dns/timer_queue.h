#pragma once

#include <functional>
#include <set>
#include <utility>

#include "dns/poller.h"

namespace weft::dns {

/// Deadlines of one thread.
class TimerQueue {
 public:
  using Clock = Poller::Clock;

  /// Runs its function once at a time that may be moved. Destroyed: never.
  class Timer {
   public:
    Timer(TimerQueue& queue, std::function<void()> run) : queue_(queue), run_(std::move(run)) {}
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void at(Clock::time_point when);
    void cancel();
    bool is_set() const { return when_ != Clock::time_point{}; }

   private:
    friend TimerQueue;
    TimerQueue& queue_;
    std::function<void()> run_;
    Clock::time_point when_{};
  };

  Clock::time_point next_deadline() const {
    return timers_.empty() ? Clock::time_point::max() : timers_.begin()->first;
  }
  void expire(Clock::time_point now);

 private:
  std::set<std::pair<Clock::time_point, Timer*>> timers_;
};

}  // namespace weft::dns
