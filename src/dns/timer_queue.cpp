#include "dns/timer_queue.h"

namespace weft::dns {

void TimerQueue::Timer::at(Clock::time_point when) {
  cancel();
  when_ = when;
  queue_.timers_.emplace(when, this);
}

void TimerQueue::Timer::cancel() {
  if (!is_set()) return;
  queue_.timers_.erase({when_, this});
  when_ = {};
}

void TimerQueue::expire(Clock::time_point now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Timer* timer = timers_.begin()->second;
    timer->cancel();
    // It may destroy the timer, and with it the function that runs.
    auto run = timer->run_;
    run();
  }
}

}  // namespace weft::dns
