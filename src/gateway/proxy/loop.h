#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "gateway/proxy/timers.h"

namespace weft::gateway {

/// Somebody who waits for a file descriptor.
class Pollable {
 public:
  /// EPOLL… bits.
  virtual void on_events(uint32_t events) = 0;

 protected:
  ~Pollable() = default;
};

/// Somebody who wants to be called once more before the loop sleeps: to write what has gathered, to go on
/// reading.
class Deferred {
 public:
  virtual void on_deferred() = 0;

 protected:
  ~Deferred() = default;

 private:
  friend class Loop;
  bool queued_ = false;
};

/// A worker's event loop: one thread, one epoll descriptor. Everything but post() and stop() is for that
/// thread (or, before run(), for whoever owns the loop).
class Loop {
 public:
  static Expected<std::unique_ptr<Loop>> create();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  /// Until stop().
  void run();
  void stop();
  /// Runs `job` on the loop's thread; may be called on any.
  void post(std::function<void()> job);

  /// Edge-triggered, for reading and writing and the peer's half-close; ends when the descriptor is closed.
  [[nodiscard]] bool watch(int fd, Pollable& who);
  /// Level-triggered, for reading: of listening sockets.
  [[nodiscard]] bool watch_level(int fd, Pollable& who);
  void unwatch(int fd);
  /// Calls who.on_deferred() in this turn, after what runs now has returned; once, however often it is asked
  /// for.
  void defer(Deferred& who);
  /// The same when all events of this turn have been looked at: for who gathers what many of them bring.
  void defer_last(Deferred& who);
  void forget(Deferred& who);
  /// Destroys `object` at the end of the turn, when no event can be on its way to it.
  template <class T>
  void dispose(std::unique_ptr<T> object) {
    disposed_.emplace_back(object.release(), [](void* p) { delete static_cast<T*>(p); });
  }

  /// Milliseconds of a clock that only goes forward, as of the start of this turn.
  uint64_t now() const { return now_; }
  void set_timer(Timer& timer, uint64_t milliseconds) { timers_.set(timer, now_ + milliseconds); }
  /// Where bytes are read to that are worked on at once: between the read and the return to the loop nobody
  /// else reads.
  std::span<char> scratch() { return {scratch_.get(), kScratch}; }

 private:
  static constexpr size_t kScratch = size_t{64} << 10;
  Loop() = default;
  void turn();
  void run_deferred();
  void run_posted();

  Fd epoll_;
  Fd wake_;
  uint64_t now_ = 0;
  TimerWheel timers_;
  std::unique_ptr<char[]> scratch_;
  std::vector<Deferred*> deferred_;
  std::vector<Deferred*> last_;
  std::vector<std::unique_ptr<void, void (*)(void*)>> disposed_;
  std::atomic<bool> stopped_ = false;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace weft::gateway
