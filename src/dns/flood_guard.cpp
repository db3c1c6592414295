#include "dns/flood_guard.h"

#include <algorithm>

#include "base/log.h"

namespace weft::dns {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookEach = 100ms;
constexpr auto kCountFirst = 20ms;  ///< it shows soon who it is
constexpr auto kTellEach = 10s;
constexpr auto kSeveralLasts = 5s;  ///< how long somebody else counts who has asked
constexpr uint32_t kFirst = 16;     ///< one in so many is taken first; what fits is found from there
constexpr uint32_t kMost = 65'536;
constexpr uint64_t kMuch = 8;  ///< who asks less than one in so many is not who is one too many
constexpr size_t kTold = 5;    ///< clients, at a time

}  // namespace

void FloodGuard::guard(std::vector<Socket> sockets) {
  sockets_ = std::move(sockets);
  (void)take_fill();
  if (!thinned_.empty()) attach();
}

FloodGuard::Clock::time_point FloodGuard::next_deadline() const {
  if (!thinned_.empty()) return next_look_;
  return clients_.has_refused() ? next_tell_ : Clock::time_point::max();
}

void FloodGuard::look(Clock::time_point now, bool limited) {
  if (now < next_look_) return;
  next_look_ = now + kLookEach;
  const Fill fill = take_fill();
  note_dropped(fill.dropped);
  // With a filter, what is dropped says nothing of room.
  const bool crowded = limited && (thinned_.empty() ? fill.dropped > 0 : fill.full);
  if (!limited && !thinned_.empty()) {
    thinned_.clear();
    attach();
  }
  // What is on the way to be full is told of in time for limits that cost nobody an answer who asks little.
  if (limited && (fill.full || crowded || !thinned_.empty())) {
    clients_.note_overload(now);
    thin(now, crowded);
  } else {
    counting_ = false;
  }
  if (clients_.has_refused() && now >= next_tell_) tell(now);
}

FloodGuard::Fill FloodGuard::take_fill() {
  Fill out;
  for (Socket& socket : sockets_) {
    auto fill = fill_of(socket.fd);
    if (!fill) continue;
    out.dropped += fill->dropped - socket.dropped;
    socket.dropped = fill->dropped;
    out.full = out.full || fill->used > fill->size / 2;
  }
  return out;
}

void FloodGuard::note_dropped(uint64_t count) {
  if (thinned_.empty()) return counters_.overflowed.add(count);
  counters_.client_limited.add(count);
  uint64_t shares = 0;
  for (const Thinned& one : thinned_) shares += one.one_in;
  for (const Thinned& one : thinned_) clients_.note_refused(one.client, count * one.one_in / shares);
}

/// While it is crowded half as much is taken of who uses most of what there is; else more and more of all.
void FloodGuard::thin(Clock::time_point now, bool crowded) {
  const auto busiest = clients_.take_busiest();
  if (!std::exchange(counting_, true)) {
    next_look_ = now + kCountFirst;
    return;
  }
  if (busiest.of > busiest.asked) several_until_ = now + kSeveralLasts;
  if (!crowded) {
    for (Thinned& one : thinned_) one.one_in -= std::max(1U, one.one_in / 5);
    std::erase_if(thinned_, [](const Thinned& one) { return one.one_in <= 1; });
  } else if (now < several_until_ && busiest.asked > busiest.of / kMuch) {
    auto known = std::ranges::find(thinned_, busiest.client, &Thinned::client);
    if (known != thinned_.end())
      known->one_in = std::min(known->one_in * 2, kMost);
    else if (thinned_.size() < kMaxThinned)
      thinned_.push_back({busiest.client, kFirst});
  } else {
    return;
  }
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
