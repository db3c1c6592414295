#pragma once

#include <memory>
#include <string>

#include "dns/upstream_stream.h"

namespace weft::dns {

/// A question to one upstream; destroyed: nobody waits for the answer any more.
class UpstreamTry {
 public:
  virtual ~UpstreamTry() = default;
};

/// One upstream, as one thread knows it: asks it, learns what it can do, and watches whether it is there.
///
/// By UDP each question has a socket, so a random source port, a random id, and random upper and lower case
/// ("0x20"); what does not match all three is no answer (RFC 5452). An answer that is truncated, or in
/// another case, is asked for again over TCP; an upstream that changes the case there too, or has no TCP, is
/// asked as it is from then on, and one that does not know EDNS without it.
///
/// One that stays silent is suspect from then on, and asked for the root's name servers every
/// `Forward::health_check` until it answers anything; after `max_fails` of these without an answer it is
/// down.
class UpstreamClient {
 public:
  enum class Health { well, suspect, down };
  /// The verified response; empty: there will be none. May destroy the try.
  using Done = std::function<void(std::span<const uint8_t>)>;

  UpstreamClient(UpstreamContext& context, const Upstream& upstream, const Forward& forward,
                 UpstreamCounters& counters);
  ~UpstreamClient();

  /// Null when it cannot be asked at all; `done` is never called from in here. Silence is no answer after
  /// `Forward::timeout`.
  std::unique_ptr<UpstreamTry> ask(const UpstreamQuestion& question, Done done);

  Health health() const { return health_; }
  /// When it answered last, whatever the question.
  Poller::Clock::time_point heard() const { return heard_; }
  /// There was no answer when there should have been.
  void suspect();
  /// It is not needed any more: no health checks.
  void retire();

 private:
  class Try;
  std::unique_ptr<UpstreamTry> start(const UpstreamQuestion& question, std::chrono::milliseconds patience,
                                     Done done);
  void on_end(Poller::Clock::time_point asked, std::span<const uint8_t> message);
  void probe();
  void on_probe_timer();
  void on_probe_failed();

  UpstreamContext& context_;
  const Upstream upstream_;
  const std::chrono::milliseconds timeout_, health_check_;
  const int max_fails_;
  const bool stream_only_;
  UpstreamCounters& counters_;
  UpstreamStream stream_;
  bool keeps_case_ = true, knows_edns_ = true;
  Health health_ = Health::well;
  bool retired_ = false;
  bool probing_ = false;  ///< a health check has no answer yet
  int fails_ = 0;
  Poller::Clock::time_point heard_{};
  TimerQueue::Timer probe_timer_;
  std::unique_ptr<UpstreamTry> probe_;
};

}  // namespace weft::dns
