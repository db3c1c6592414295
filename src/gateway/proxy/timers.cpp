#include "gateway/proxy/timers.h"

#include <algorithm>
#include <bit>

namespace weft::gateway {

void Timer::clear() {
  deadline_ = 0;
  unlink();
}

void Timer::unlink() {
  if (!back_) return;
  *back_ = next_;
  if (next_) next_->back_ = back_;
  back_ = nullptr;
  next_ = nullptr;
}

void TimerWheel::link(Timer& timer, uint64_t deadline) {
  timer.unlink();
  timer.linked_for_ = deadline;
  uint64_t at = std::max((deadline + kTick - 1) / kTick, tick_ + 1) % kSlots;
  timer.next_ = slots_[at];
  if (timer.next_) timer.next_->back_ = &timer.next_;
  timer.back_ = &slots_[at];
  slots_[at] = &timer;
  used_[at / 64] |= uint64_t{1} << (at % 64);
}

void TimerWheel::set(Timer& timer, uint64_t deadline) {
  timer.deadline_ = std::max<uint64_t>(deadline, 1);
  // A later deadline is seen when the earlier one is due.
  if (!timer.back_ || timer.deadline_ < timer.linked_for_) link(timer, timer.deadline_);
}

void TimerWheel::advance(uint64_t now) {
  uint64_t until = now / kTick;
  // After a long sleep each slot is looked at once.
  uint64_t from = tick_ + 1;
  if (until > kSlots && from + kSlots < until + 1) from = until + 1 - kSlots;
  for (uint64_t tick = from; tick <= until; ++tick) {
    tick_ = tick;
    uint64_t at = tick % kSlots;
    uint64_t bit = uint64_t{1} << (at % 64);
    if (!(used_[at / 64] & bit)) continue;
    used_[at / 64] &= ~bit;
    Timer* due = slots_[at];
    slots_[at] = nullptr;
    if (due) due->back_ = &due;
    while (due) {
      Timer& timer = *due;
      timer.unlink();
      if (timer.deadline_ == 0) continue;
      if (timer.deadline_ > now) {
        link(timer, timer.deadline_);
        continue;
      }
      timer.deadline_ = 0;
      timer.owner_.on_timer(timer);
    }
  }
  tick_ = std::max(tick_, until);
}

int TimerWheel::wait(uint64_t now) const {
  uint64_t first = tick_ + 1;
  for (uint64_t step = 0; step < kSlots;) {
    uint64_t at = (first + step) % kSlots;
    uint64_t word = used_[at / 64] >> (at % 64);
    if (word == 0) {
      step += 64 - at % 64;
      continue;
    }
    step += static_cast<uint64_t>(std::countr_zero(word));
    uint64_t due = (first + step) * kTick;
    return due <= now ? 0 : static_cast<int>(due - now);
  }
  return -1;
}

}  // namespace weft::gateway
