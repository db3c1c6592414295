#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dns/client_limits.h"
#include "dns/counters.h"
#include "dns/socket_filter.h"

namespace weft::dns {

/// Keeps room in the buffers of a thread's UDP sockets while somebody floods it. A buffer that is full loses
/// everybody's questions before anyone knows whose they are; so the kernel is told to take only some of the
/// client's that sends most, fewer as long as the buffers are not nearly empty, and more again when they have
/// been for a while. Also tells in the log who was limited. Not thread-safe.
class FloodGuard {
 public:
  using Clock = ClientLimits::Clock;
  /// `name`: what a client is called in the log.
  FloodGuard(ClientLimits& clients, Counters& counters, std::function<std::string(const Client&)> name)
      : clients_(clients), counters_(counters), name_(std::move(name)) {}

  struct Socket {
    int fd = -1;
    bool v4 = true;
    uint32_t dropped = 0;  ///< by the kernel, when it was looked at last
  };
  /// These and no others; to be told when they change.
  void guard(std::vector<Socket> sockets);

  /// After each round of the thread; most calls do nothing. `limited`: false when nobody is to be limited.
  void look(Clock::time_point now, bool limited);
  /// When `look` has something to do even if nobody asks.
  Clock::time_point next_deadline() const;

  const std::vector<Thinned>& thinned() const { return thinned_; }

 private:
  /// Of the sockets, since the last look.
  struct Fill {
    uint64_t dropped = 0;
    double most = 0;  ///< the part of a buffer that was in use
  };
  void add_fill();
  void note_dropped(uint64_t count);
  void thin(Clock::time_point now, const Fill& fill);
  void tighten(Clock::time_point now, const Fill& fill);
  void relax(Clock::time_point now);
  void attach();
  void tell(Clock::time_point now);

  ClientLimits& clients_;
  Counters& counters_;
  std::function<std::string(const Client&)> name_;
  std::vector<Socket> sockets_;
  Fill fill_;
  std::vector<Thinned> thinned_;
  Clock::time_point next_look_{}, tighten_at_{}, relax_at_{}, relaxed_{};
  Clock::duration calm_{};             ///< so long before more is taken
  Clock::time_point several_until_{};  ///< who is alone takes from nobody
  bool counting_ = false;              ///< what each client asks is counted since the last look
  Clock::time_point next_tell_{}, told_{};
};

}  // namespace weft::dns
