#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace weft::dns {

/// A thin epoll loop for one thread (the DNS hot path: one system call wakes it, no callbacks are allocated).
class Poller {
 public:
  using Clock = std::chrono::steady_clock;
  class Handler {
   public:
    virtual ~Handler() = default;
    /// `events`: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP; level triggered.
    virtual void on_ready(uint32_t events) = 0;
  };

  static Expected<std::unique_ptr<Poller>> make();

  /// Without ownership; false (and errno) on failure. Change what is waited for with `modify`.
  bool add(int fd, uint32_t events, Handler* handler);
  void modify(int fd, uint32_t events, Handler* handler);
  /// Before the descriptor is closed. Events of it that are already waiting are forgotten.
  void remove(int fd, Handler* handler);
  /// Keeps an object alive until the current round of events is over: for handlers that end themselves.
  void bury(std::shared_ptr<Handler> handler) { graveyard_.push_back(std::move(handler)); }

  /// Waits at most until `deadline` and handles what is ready.
  void run_once(Clock::time_point deadline);
  /// The time at which the current round began.
  Clock::time_point now() const { return now_; }

 private:
  struct Ready {
    Handler* handler;
    uint32_t events;
  };
  explicit Poller(Fd epoll) : epoll_(std::move(epoll)) {}

  Fd epoll_;
  Clock::time_point now_ = Clock::now();
  std::vector<Ready> ready_;
  std::vector<std::shared_ptr<Handler>> graveyard_;
};

}  // namespace weft::dns
