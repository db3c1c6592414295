#include "service/heartbeat.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/fnv.h"

namespace weft::service {
namespace {

constexpr std::string_view kMagic = "weft";
constexpr uint8_t kVersion = 1;
constexpr uint8_t kReady = 1, kKnowsYou = 2;

}  // namespace

HeartbeatPacket encode(const Heartbeat& heartbeat) {
  HeartbeatPacket out{};
  std::ranges::copy(kMagic, out.begin());
  out[4] = kVersion;
  out[5] = static_cast<uint8_t>((heartbeat.ready ? kReady : 0) | (heartbeat.knows_you ? kKnowsYou : 0));
  for (size_t i = 0; i < 8; ++i) out[6 + i] = static_cast<uint8_t>(heartbeat.node >> (56 - 8 * i));
  return out;
}

std::optional<Heartbeat> parse_heartbeat(std::span<const uint8_t> datagram) {
  if (datagram.size() != HeartbeatPacket{}.size()) return std::nullopt;
  if (std::memcmp(datagram.data(), kMagic.data(), kMagic.size()) != 0 || datagram[4] != kVersion)
    return std::nullopt;
  if ((datagram[5] & ~(kReady | kKnowsYou)) != 0) return std::nullopt;
  Heartbeat out{.ready = (datagram[5] & kReady) != 0, .knows_you = (datagram[5] & kKnowsYou) != 0};
  for (uint8_t byte : datagram.subspan(6)) out.node = out.node << 8 | byte;
  return out;
}

uint64_t node_hash(std::string_view name) { return fnv1a(name); }

void Liveness::begin(Time now) {
  for (auto& [name, record] : records_) record = {};
  begun_ = since_ = now;
  ready_ = was_known_ = false;
  standing_ = Standing::listening;
}

void Liveness::set_peer(const std::string& name, Peer peer) {
  if (name == self_) return;
  forget_addresses(name);
  for (const auto& addr : peer.addresses) by_address_.insert_or_assign(addr, name);
  peers_.insert_or_assign(name, std::move(peer));
  records_.try_emplace(name);
}

void Liveness::forget_addresses(const std::string& peer) {
  auto it = peers_.find(peer);
  if (it == peers_.end()) return;
  for (const auto& addr : it->second.addresses) {
    auto entry = by_address_.find(addr);
    if (entry != by_address_.end() && entry->second == peer) by_address_.erase(entry);
  }
}

void Liveness::remove_peer(const std::string& name) {
  forget_addresses(name);
  peers_.erase(name);
  records_.erase(name);
}

bool Liveness::heard(const IpAddr& from, const Heartbeat& heartbeat, Time now) {
  auto peer = by_address_.find(from);
  if (peer == by_address_.end() || heartbeat.node != node_hash(peer->second)) return false;
  auto& record = records_.at(peer->second);
  record.last = now;
  if (heartbeat.ready) record.last_ready = now;
  if (heartbeat.knows_you && !ready_) was_known_ = true;
  return (heartbeat.ready && !record.alive) || standing_ != Standing::in_charge;
}

/// A peer that is dead is so until it is ready: then it has listened to who there is.
bool Liveness::lives(const Record& record, Time now) const {
  if (!record.last || !record.last_ready || now - *record.last >= kTimeout) return false;
  return now - *record.last_ready < (record.alive ? kGrace : kTimeout);
}

bool Liveness::hears_nobody(Time now) const {
  size_t expected = 0;
  std::optional<Time> newest, second;
  for (const auto& [name, record] : records_) {
    expected += peers_.at(name).expected ? 1 : 0;
    if (!record.last) continue;
    if (!newest || *record.last > *newest) {
      second = std::exchange(newest, record.last);
    } else if (!second || *record.last > *second) {
      second = record.last;
    }
  }
  if (newest && now - *newest < kTimeout) return false;
  const bool last_went_alone = newest && (!second || *newest - *second >= kTimeout);
  return expected >= 2 && !last_went_alone;
}

std::vector<std::pair<std::string, bool>> Liveness::advance(Self self, Time now) {
  std::vector<std::pair<std::string, bool>> changes;
  for (auto& [name, record] : records_) {
    bool alive = lives(record, now);
    if (std::exchange(record.alive, alive) != alive) changes.emplace_back(name, alive);
  }
  prepared_ = self.prepared;
  const bool cut = !self.carrier || hears_nobody(now);
  if (cut) {
    since_ = now;
    ready_ = was_known_ = false;
    standing_ = self.carrier ? Standing::hears_nobody : Standing::no_carrier;
    if (self.carrier && now - begun_ < kTimeout) standing_ = Standing::listening;
    return changes;
  }
  if (!ready_ && prepared_ && now - since_ >= kTimeout) {
    ready_ = true;
    ready_at_ = now;
  }
  standing_ = ready_ && now - ready_at_ >= kSettle ? Standing::in_charge : Standing::listening;
  return changes;
}

bool Liveness::is_alive(const std::string& peer) const {
  auto it = records_.find(peer);
  return it != records_.end() && it->second.alive;
}

Heartbeat Liveness::message_for(const std::string& peer) const {
  return {.node = node_hash(self_), .ready = ready_, .knows_you = is_alive(peer)};
}

Liveness::Time Liveness::next(Time now) const {
  Time out = now + kTimeout;
  for (const auto& [name, record] : records_) {
    if (!record.alive) continue;
    out = std::min({out, *record.last + kTimeout, *record.last_ready + kGrace});
  }
  if (standing_ == Standing::listening && ready_) out = std::min(out, ready_at_ + kSettle);
  if (standing_ == Standing::listening && !ready_ && prepared_) out = std::min(out, since_ + kTimeout);
  return std::max(out, now);
}

std::string_view describe(Liveness::Standing standing) {
  switch (standing) {
    case Liveness::Standing::no_carrier:
      return "no uplink has a carrier: cut off, announcing nothing";
    case Liveness::Standing::hears_nobody:
      return "no other node is heard: cut off, announcing nothing";
    case Liveness::Standing::listening:
      return "listening to who else announces";
    case Liveness::Standing::in_charge:
      return "ready to announce";
  }
  return "";
}

}  // namespace weft::service
