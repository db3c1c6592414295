#include "dns/answer_cache.h"

#include <sys/random.h>

#include <algorithm>
#include <cstdlib>

namespace weft::dns {
namespace {

constexpr size_t kParts = 8;
constexpr size_t kWorthParts = 256;  // entries, below which one part is exact and good enough
/// On average: a few huge answers do not make the cap in entries a multiple of the memory it stands for.
constexpr size_t kBytesAnEntry = 1024;

uint64_t random_seed() {
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) < 0) std::abort();
  return seed;
}

}  // namespace

AnswerCache::AnswerCache(const CacheOptions& options) : options_(options), seed_(random_seed()) {
  const size_t parts = std::max(options.positive, options.negative) < kWorthParts ? 1 : kParts;
  for (size_t i = 0; i < parts; ++i) parts_.push_back(std::make_unique<Part>());
  caps_ = {(options.positive + parts - 1) / parts, (options.negative + parts - 1) / parts};
}

bool AnswerCache::matches(const Entry& entry, const UpstreamQuestion& asked) {
  // The question stands right behind the header and is never compressed.
  std::span<const uint8_t> question = std::span(entry.answer.message).subspan(kHeaderSize);
  const size_t size = asked.name.size();
  if (question.size() < size + 4 || !asked.name.equals(question.first(size))) return false;
  const auto type = Type{static_cast<uint16_t>(question[size] << 8 | question[size + 1])};
  return type == asked.type && entry.dnssec_ok == asked.dnssec_ok &&
         entry.checking_disabled == asked.checking_disabled;
}

AnswerCache::Entry* AnswerCache::find_entry(Part& part, uint64_t hash, const UpstreamQuestion& asked) {
  auto [from, to] = part.index.equal_range(hash);
  for (auto it = from; it != to; ++it) {
    if (!matches(*it->second, asked)) continue;
    Entries& entries = part.entries[it->second->answer.negative];
    entries.splice(entries.begin(), entries, it->second);
    return &*it->second;
  }
  return nullptr;
}

bool AnswerCache::wants_prefetch(Entry& entry, Clock::time_point now) const {
  if (options_.prefetch_hits <= 0) return false;
  if (now - entry.last_hit > options_.prefetch_within) entry.hits = 0;
  entry.last_hit = now;
  ++entry.hits;
  const auto left = entry.expires - now;
  const auto whole = entry.expires - entry.stored;
  if (entry.prefetching || entry.hits < options_.prefetch_hits ||
      left * 100 > whole * options_.prefetch_percent)
    return false;
  return entry.prefetching = true;
}

AnswerCache::Lookup AnswerCache::find(const UpstreamQuestion& asked, const Query& query, AnswerForm form,
                                      bool take_expired, Clock::time_point now, std::span<uint8_t> out) {
  const uint64_t hash = hash_of(asked, seed_);
  Part& part = part_of(hash);
  std::lock_guard lock(part.mutex);
  Entry* entry = find_entry(part, hash, asked);
  if (!entry) return {};
  Lookup lookup{.negative = entry->answer.negative};
  const bool fresh = now < entry->expires;
  if (!fresh && (now >= entry->expires + options_.serve_stale || entry->answer.rcode == Rcode::servfail))
    return {};
  lookup.found = fresh ? Found::fresh : Found::expired;
  if (!fresh && !take_expired) return lookup;
  form.stale = !fresh;
  // `now` is when a round of events began: others may have stored it since.
  const auto age = std::chrono::floor<std::chrono::seconds>(now - entry->stored).count();
  form.age = static_cast<uint32_t>(std::max<int64_t>(age, 0));
  lookup.size = write_stored(entry->answer, query, asked.name, form, out);
  lookup.prefetch = fresh && wants_prefetch(*entry, now);
  return lookup;
}

void AnswerCache::remove(Part& part, Entries::iterator entry) {
  const bool negative = entry->answer.negative;
  auto [from, to] = part.index.equal_range(entry->hash);
  part.index.erase(std::find_if(from, to, [&](const auto& item) { return item.second == entry; }));
  part.bytes[negative] -= entry->answer.message.size();
  part.entries[negative].erase(entry);
  counts_[negative].fetch_sub(1, std::memory_order_relaxed);
}

size_t AnswerCache::make_room(Part& part, bool negative) {
  Entries& entries = part.entries[negative];
  const size_t cap = caps_[negative];
  size_t evicted = 0;
  for (; !entries.empty() && (entries.size() > cap || part.bytes[negative] > cap * kBytesAnEntry); ++evicted)
    remove(part, std::prev(entries.end()));
  return evicted;
}

size_t AnswerCache::put(const UpstreamQuestion& asked, const StoredAnswer& answer, Clock::time_point now) {
  if (answer.keep <= std::chrono::seconds(0)) return 0;
  Entry fresh{.hash = hash_of(asked, seed_),
              .dnssec_ok = asked.dnssec_ok,
              .checking_disabled = asked.checking_disabled,
              .answer = answer,
              .stored = now,
              .expires = now + answer.keep,
              .last_hit = now};
  Part& part = part_of(fresh.hash);
  std::lock_guard lock(part.mutex);
  if (Entry* old = find_entry(part, fresh.hash, asked)) {
    const bool useful = now < old->expires + options_.serve_stale && old->answer.rcode != Rcode::servfail;
    if (answer.rcode == Rcode::servfail && useful) return 0;
    fresh.hits = old->hits;
    fresh.last_hit = old->last_hit;
    remove(part, part.entries[old->answer.negative].begin());
  }
  Entries& entries = part.entries[answer.negative];
  part.bytes[answer.negative] += fresh.answer.message.size();
  entries.push_front(std::move(fresh));
  part.index.emplace(entries.front().hash, entries.begin());
  counts_[answer.negative].fetch_add(1, std::memory_order_relaxed);
  return make_room(part, answer.negative);
}

}  // namespace weft::dns
