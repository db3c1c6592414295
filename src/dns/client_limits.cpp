#include "dns/client_limits.h"

#include <algorithm>
#include <functional>

namespace weft::dns {

ClientLimits::Entry& ClientLimits::entry(const Client& client) {
  if (auto at = by_client_.find(client); at != by_client_.end()) {
    entries_.splice(entries_.end(), entries_, at->second);
    return *at->second;
  }
  // Who has a question under way stays; there are fewer of them than there is room.
  for (size_t looked = 0; entries_.size() >= options_.clients && looked < options_.clients; ++looked) {
    if (entries_.front().in_flight > 0) {
      entries_.splice(entries_.end(), entries_, entries_.begin());
      continue;
    }
    by_client_.erase(entries_.front().client);
    entries_.pop_front();
  }
  auto at = entries_.insert(entries_.end(), Entry{.client = client});
  by_client_.emplace(client, at);
  return *at;
}

bool ClientLimits::allow(const Client& client, uint32_t rate, Clock::time_point now) {
  auto& known = entry(client);
  return has_token(known, rate, now) || refuse(known);
}

bool ClientLimits::has_token(Entry& known, uint32_t rate, Clock::time_point now) {
  ++known.asked;
  const double most = rate;
  if (known.counted == Clock::time_point{}) {
    known.tokens = most;
  } else if (now > known.counted) {
    const std::chrono::duration<double> passed = now - known.counted;
    known.tokens = std::min(most, known.tokens + passed.count() * most);
  }
  known.counted = now;
  if (known.tokens < 1) return false;
  known.tokens -= 1;
  return true;
}

std::shared_ptr<ClientLimits::Ticket> ClientLimits::begin(const Client& client) {
  auto& known = entry(client);
  if (known.in_flight >= options_.in_flight) {
    refuse(known);
    return nullptr;
  }
  return std::make_shared<Ticket>(known.in_flight);
}

ClientLimits::Busiest ClientLimits::take_busiest() {
  Busiest out;
  for (Entry& one : entries_) {
    out.of += one.asked;
    if (one.asked > out.asked) {
      out.client = one.client;
      out.asked = one.asked;
    }
    one.asked = 0;
  }
  return out;
}

std::vector<std::pair<Client, uint64_t>> ClientLimits::take_refused() {
  std::vector<std::pair<Client, uint64_t>> out;
  for (Entry& one : entries_) {
    if (one.refused > 0) out.emplace_back(one.client, one.refused);
    one.refused = 0;
  }
  refused_ = false;
  std::ranges::sort(out, std::greater{}, &std::pair<Client, uint64_t>::second);
  return out;
}

}  // namespace weft::dns
