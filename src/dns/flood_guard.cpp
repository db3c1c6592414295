#include "dns/flood_guard.h"

#include <algorithm>

#include "base/log.h"

namespace weft::dns {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookEach = 20ms;
constexpr auto kStepEach = 100ms;  ///< what a step has done is seen by then
constexpr auto kCalm = 1s, kMostCalm = 30s;
constexpr auto kSoon = 10s;         ///< a flood that goes on by then has not ended
constexpr auto kSeveralLasts = 5s;  ///< how long somebody else counts who has asked
constexpr double kEarly = 0.5;      ///< a buffer that is so full without a filter will be full
constexpr double kCrowded = 0.25;   ///< with one it is not to be fuller
constexpr uint32_t kFirst = 16;     ///< at most one in so many is taken first; what fits is found from there
constexpr uint32_t kMost = 65'536;
constexpr uint64_t kMuch = 8;  ///< who asks less than one in so many is not who is one too many
constexpr auto kTellEach = 10s;
constexpr size_t kTold = 5;  ///< clients, at a time

/// Half of what could be taken, as others want some too: a burst that was a little too much is hardly felt.
uint32_t first_of(uint64_t dropped, uint64_t taken) {
  return static_cast<uint32_t>(std::min<uint64_t>(2 * (1 + dropped / taken), kFirst));
}

}  // namespace

void FloodGuard::guard(std::vector<Socket> sockets) {
  sockets_ = std::move(sockets);
  add_fill();
  fill_ = {};
  if (!thinned_.empty()) attach();
}

FloodGuard::Clock::time_point FloodGuard::next_deadline() const {
  if (!thinned_.empty()) return next_look_;
  return clients_.has_refused() ? next_tell_ : Clock::time_point::max();
}

void FloodGuard::look(Clock::time_point now, bool limited) {
  // A small buffer is full and empty again between two looks.
  if (!thinned_.empty()) add_fill();
  if (now < next_look_) return;
  next_look_ = now + kLookEach;
  if (thinned_.empty()) add_fill();
  const Fill fill = std::exchange(fill_, {});
  note_dropped(fill.dropped);
  if (!limited && !thinned_.empty()) {
    thinned_.clear();
    attach();
  }
  // What is on the way to be full is told of in time for limits that cost nobody an answer who asks little.
  if (limited && (fill.dropped > 0 || fill.most > kEarly || !thinned_.empty())) {
    clients_.note_overload(now);
    thin(now, fill);
  } else {
    counting_ = false;
  }
  if (clients_.has_refused() && now >= next_tell_) tell(now);
}

void FloodGuard::add_fill() {
  for (Socket& socket : sockets_) {
    auto fill = fill_of(socket.fd);
    if (!fill || fill->size == 0) continue;
    fill_.dropped += fill->dropped - socket.dropped;
    socket.dropped = fill->dropped;
    fill_.most = std::max(fill_.most, static_cast<double>(fill->used) / fill->size);
  }
}

void FloodGuard::note_dropped(uint64_t count) {
  uint64_t shares = 0;
  for (const Thinned& one : thinned_) shares += one.one_in;
  if (shares == 0) return counters_.overflowed.add(count);
  counters_.client_limited.add(count);
  for (const Thinned& one : thinned_) clients_.note_refused(one.client, count * one.one_in / shares);
}

void FloodGuard::thin(Clock::time_point now, const Fill& fill) {
  // With a filter, what is dropped says nothing of room.
  const bool crowded = thinned_.empty() ? fill.dropped > 0 : fill.most > kCrowded;
  if (!std::exchange(counting_, true)) {
    (void)clients_.take_busiest();
  } else if (crowded) {
    tighten(now, fill);
  } else if (now >= relax_at_ && !thinned_.empty()) {
    relax(now);
  }
}

/// Half as much is taken of who uses most of what there is.
void FloodGuard::tighten(Clock::time_point now, const Fill& fill) {
  relax_at_ = now + calm_;
  if (now < tighten_at_) return;
  const auto busiest = clients_.take_busiest();
  if (busiest.of > busiest.asked) several_until_ = now + kSeveralLasts;
  if (now >= several_until_ || busiest.asked <= busiest.of / kMuch) return;
  auto known = std::ranges::find(thinned_, busiest.client, &Thinned::client);
  if (known != thinned_.end()) {
    known->one_in = std::min(known->one_in * 2, kMost);
  } else if (thinned_.size() < kMaxThinned) {
    if (thinned_.empty())
      calm_ = now - relaxed_ < kSoon ? std::min<Clock::duration>(calm_ * 2, kMostCalm) : kCalm;
    thinned_.push_back({busiest.client, first_of(fill.dropped, busiest.of)});
  }
  tighten_at_ = now + kStepEach;
  relax_at_ = now + calm_;
  attach();
}

/// More is taken of all.
void FloodGuard::relax(Clock::time_point now) {
  (void)clients_.take_busiest();
  for (Thinned& one : thinned_) one.one_in -= std::max(1U, one.one_in / 5);
  std::erase_if(thinned_, [](const Thinned& one) { return one.one_in <= 1; });
  relax_at_ = now + kStepEach;
  if (thinned_.empty()) relaxed_ = now;
  attach();
}

void FloodGuard::attach() {
  for (const Socket& socket : sockets_) {
    auto attached = attach_filter(socket.fd, thinned_, socket.v4);
    if (!attached) spdlog::warn("who floods cannot be kept out: {}", attached.error().message);
  }
}

void FloodGuard::tell(Clock::time_point now) {
  const auto refused = clients_.take_refused();
  const auto since = told_ == Clock::time_point{} ? kTellEach : now - told_;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::min<Clock::duration>(since, kTellEach));
  for (size_t i = 0; i < std::min(refused.size(), kTold); ++i)
    spdlog::warn("{} asks too much: {} of its questions within {} s were dropped", name_(refused[i].first),
                 refused[i].second, seconds.count());
  if (refused.size() > kTold) spdlog::warn("so do {} more", refused.size() - kTold);
  told_ = now;
  next_tell_ = now + kTellEach;
}

}  // namespace weft::dns
