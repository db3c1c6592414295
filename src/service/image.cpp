#include "service/image.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>

namespace weft::service {
namespace {

/// Numbers are set aside in the kernel this many at a time, so that a change need not write them.
constexpr uint32_t kIdReserve = 4096;

/// What a chunk that an earlier engine did not write is taken to hold: no table has it.
constexpr uint16_t kUnknownSlot = UINT16_MAX;

struct PlaceHash {
  size_t operator()(const Address& a) const noexcept {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(&a), sizeof(a.addr) + sizeof(a.port)});
  }
};
struct SamePlace {
  bool operator()(const Address& a, const Address& b) const noexcept { return a.same_place(b); }
};

weft_backend backend_value(uint32_t set, const Address& address) {
  weft_backend value{};
  std::copy(address.addr.begin(), address.addr.end(), value.addr);
  value.port = address.port;
  value.flags = address.flags;
  value.set = set;
  return value;
}

Address address_of(const weft_backend& value) {
  Address address{.port = value.port, .flags = value.flags};
  std::copy(std::begin(value.addr), std::end(value.addr), address.addr.begin());
  return address;
}

weft_source_key source_key(const weft_frontend_key& frontend, const IpPrefix& range) {
  weft_source_key key{};
  key.frontend = frontend;
  auto bytes = range.base().mapped();
  std::copy(bytes.begin(), bytes.end(), key.client);
  key.length = WEFT_SOURCE_LENGTH + static_cast<uint32_t>(range.length + (range.addr.is_v4() ? 96 : 0));
  return key;
}

size_t chunks_of(size_t table) { return (table + WEFT_MAGLEV_CHUNK - 1) / WEFT_MAGLEV_CHUNK; }

}  // namespace

weft_frontend_key frontend_key(const IpAddr& addr, uint16_t port, uint8_t protocol) {
  weft_frontend_key key{};
  auto bytes = addr.mapped();
  std::copy(bytes.begin(), bytes.end(), key.addr);
  key.port = htons(port);
  key.protocol = protocol;
  return key;
}

Expected<Image> Image::load(datapath::ServiceMaps maps) {
  Image image;
  image.maps_ = std::move(maps);
  WEFT_TRY(auto frontends, image.maps_.frontends.read_all());
  WEFT_TRY(auto slots, image.maps_.slots.read_all());
  WEFT_TRY(auto backends, image.maps_.backends.read_all());
  WEFT_TRY(auto chunks, image.maps_.maglev.read_all());
  WEFT_TRY(auto sources, image.maps_.sources.read_all());
  for (const auto& [key, value] : sources) image.sources_[key.frontend].push_back(key);
  WEFT_TRY(image.ids_, image.maps_.ids.get());
  image.ids_.next_backend = std::max<uint64_t>(image.ids_.next_backend, 1);
  image.ids_.next_set = std::max<uint32_t>(image.ids_.next_set, 1);
  image.persisted_ids_ = image.ids_;
  image.frontends_.reserve(frontends.size());
  for (auto& [key, value] : frontends) image.frontends_.emplace(key, value);
  WEFT_CHECK(image.repair_filter());
  image.slot_count_ = slots.size();
  image.backend_count_ = backends.size();
  image.read_slots(std::move(slots), backends);
  image.read_maglev(chunks);
  return image;
}

void Image::read_maglev(const std::vector<std::pair<weft_maglev_key, weft_maglev>>& chunks) {
  for (const auto& [key, chunk] : chunks) {
    auto& table = maglev_[key.set];
    size_t begin = size_t{key.chunk} * WEFT_MAGLEV_CHUNK;
    if (table.size() < begin + WEFT_MAGLEV_CHUNK) table.resize(begin + WEFT_MAGLEV_CHUNK, kUnknownSlot);
    std::copy(std::begin(chunk.slot), std::end(chunk.slot), table.begin() + static_cast<ptrdiff_t>(begin));
  }
  for (const auto& [set, table] : maglev_) maglev_count_ += chunks_of(table.size());
}

/// An engine that was killed may have left bits of frontends that are not there any more.
Expected<void> Image::repair_filter() {
  for (const auto& [key, value] : frontends_) count_key(key, 1);
  staged_.set_words.clear();
  WEFT_TRY(auto words, maps_.filter.read_all());
  std::vector<uint32_t> wrong;
  for (auto [word, bits] : words) {
    if (bits != filter_[word]) wrong.push_back(word);
  }
  return write_filter(std::move(wrong));
}

Expected<void> Image::write_filter(std::vector<uint32_t> words) {
  std::ranges::sort(words);
  words.erase(std::ranges::unique(words).begin(), words.end());
  std::vector<uint64_t> bits(words.size());
  std::ranges::transform(words, bits.begin(), [this](uint32_t word) { return filter_[word]; });
  return maps_.filter.update_all(words, bits);
}

/// A bit is there before the first frontend that it stands for.
void Image::count_key(const weft_frontend_key& key, int change) {
  uint32_t hash = weft_frontend_hash(&key), word = hash / 64;
  uint64_t bit = uint64_t{1} << (hash % 64);
  auto& count = keys_at_[hash];
  count += static_cast<uint32_t>(change);
  if (count == 0) {
    keys_at_.erase(hash);
    filter_[word] &= ~bit;
    staged_.cleared_words.push_back(word);
  } else if ((filter_[word] & bit) == 0) {
    filter_[word] |= bit;
    staged_.set_words.push_back(word);
  }
}

/// An engine that was killed may have left a backend in two slots or in none.
void Image::read_slots(std::vector<std::pair<weft_slot_key, uint64_t>> slots,
                       const std::vector<std::pair<uint64_t, weft_backend>>& backends) {
  std::unordered_map<uint64_t, const weft_backend*> unused;
  unused.reserve(backends.size());
  for (const auto& [id, backend] : backends) unused.emplace(id, &backend);
  for (const auto& [key, id] : slots) {
    auto& set = sets_[key.set];
    if (set.size() <= key.slot) set.resize(key.slot + 1);
    auto backend = unused.find(id);
    if (backend == unused.end() || backend->second->set != key.set) continue;
    set[key.slot] = {id, address_of(*backend->second)};
    unused.erase(backend);
  }
  for (const auto& [id, backend] : unused) orphans_.push_back(id);
}

const weft_frontend* Image::frontend(const weft_frontend_key& key) const {
  auto it = frontends_.find(key);
  return it == frontends_.end() ? nullptr : &it->second;
}

Image::SetChange Image::difference(uint32_t set, std::span<const Address> desired) const {
  static const std::vector<Slot> kNone;
  auto found = sets_.find(set);
  const auto& old = found == sets_.end() ? kNone : found->second;
  SetChange change{.set = set, .slots = old};
  auto& slots = change.slots;
  std::unordered_set<Address, PlaceHash, SamePlace> missing(desired.begin(), desired.end());

  std::vector<uint32_t> holes;
  for (uint32_t i = 0; i < slots.size(); ++i) {
    auto wanted = slots[i].id != 0 ? missing.find(slots[i].address) : missing.end();
    if (wanted == missing.end()) {
      if (slots[i].id != 0) change.dropped.push_back(slots[i].id);
      holes.push_back(i);
      continue;
    }
    if (wanted->flags != slots[i].address.flags) {
      slots[i].address.flags = wanted->flags;
      change.backend_written.push_back(i);
    }
    missing.erase(wanted);
  }
  // New backends go into the holes, then behind the last slot; holes that remain are filled from the end.
  auto hole = holes.begin();
  for (const auto& address : desired) {
    if (!missing.contains(address)) continue;
    uint32_t at = hole != holes.end() ? *hole++ : static_cast<uint32_t>(slots.size());
    if (at == slots.size()) slots.emplace_back();
    slots[at] = {0, address};
    change.written.push_back(at);
    change.backend_written.push_back(at);
    ++change.new_backends;
  }
  std::vector<uint32_t> left(hole, holes.end());
  for (size_t i = 0; i < left.size(); ++i) {
    while (left.size() > i && left.back() == slots.size() - 1) {
      left.pop_back();
      slots.pop_back();
    }
    if (i >= left.size()) break;
    slots[left[i]] = slots.back();
    slots.pop_back();
    std::replace(change.backend_written.begin(), change.backend_written.end(),
                 static_cast<uint32_t>(slots.size()), left[i]);
    change.written.push_back(left[i]);
  }
  change.new_slots = slots.size() > old.size() ? slots.size() - old.size() : 0;
  return change;
}

Expected<void> Image::require_room(size_t frontends, size_t slots, size_t backends) const {
  auto check = [](const datapath::RawMap& map, size_t used, size_t more) -> Expected<void> {
    if (used + more <= map.max_entries()) return {};
    return fail(ErrorCode::exhausted, fmt::format("BPF map {} is full: {} of {} entries used, {} more needed",
                                                  map.name(), used, map.max_entries(), more));
  };
  WEFT_CHECK(check(maps_.frontends.raw(), frontends_.size() + staged_.gone_frontends.size(), frontends));
  WEFT_CHECK(check(maps_.slots.raw(), slot_count_, slots));
  return check(maps_.backends.raw(), backend_count_, backends);
}

bool Image::has_room_for_maglev(uint32_t set, size_t size, size_t others) const {
  auto found = maglev_.find(set);
  size_t had = found == maglev_.end() ? 0 : chunks_of(found->second.size());
  return maglev_count_ + chunks_of(size) + chunks_of(others) <= maps_.maglev.max_entries() + had;
}

bool Image::frees() const {
  return !staged_.gone_frontends.empty() || !staged_.gone_slots.empty() || !staged_.gone_backends.empty();
}

void Image::stage(SetChange change) {
  size_t old_size = sets_.contains(change.set) ? sets_[change.set].size() : 0;
  for (uint32_t i : change.backend_written) {
    auto& slot = change.slots[i];
    if (slot.id == 0) slot.id = ids_.next_backend++;
    staged_.backend_keys.push_back(slot.id);
    staged_.backends.push_back(backend_value(change.set, slot.address));
  }
  for (uint32_t i : change.written) {
    staged_.slot_keys.push_back({change.set, i});
    staged_.slots.push_back(change.slots[i].id);
  }
  for (size_t i = change.slots.size(); i < old_size; ++i) {
    staged_.gone_slots.push_back({change.set, static_cast<uint32_t>(i)});
  }
  staged_.gone_backends.insert(staged_.gone_backends.end(), change.dropped.begin(), change.dropped.end());
  slot_count_ += change.new_slots;
  backend_count_ += change.new_backends;
  if (change.slots.empty()) {
    sets_.erase(change.set);
  } else {
    change.slots.shrink_to_fit();
    sets_[change.set] = std::move(change.slots);
  }
}

void Image::stage_maglev(uint32_t set, const std::vector<uint16_t>& table) {
  auto found = maglev_.find(set);
  if (found == maglev_.end() && table.empty()) return;
  auto& old = found == maglev_.end() ? maglev_[set] : found->second;
  const size_t chunks = chunks_of(table.size());
  maglev_count_ += chunks - chunks_of(old.size());
  for (size_t i = chunks; i * WEFT_MAGLEV_CHUNK < old.size(); ++i)
    staged_.gone_maglev.push_back({set, static_cast<uint32_t>(i)});
  old.resize(chunks * WEFT_MAGLEV_CHUNK, kUnknownSlot);
  for (size_t i = 0; i < chunks; ++i) {
    weft_maglev chunk{};
    auto begin = static_cast<ptrdiff_t>(i * WEFT_MAGLEV_CHUNK);
    auto end = static_cast<ptrdiff_t>(std::min(table.size(), (i + 1) * WEFT_MAGLEV_CHUNK));
    std::copy(table.begin() + begin, table.begin() + end, chunk.slot);
    if (std::equal(std::begin(chunk.slot), std::end(chunk.slot), old.begin() + begin)) continue;
    std::copy(std::begin(chunk.slot), std::end(chunk.slot), old.begin() + begin);
    staged_.maglev_keys.push_back({set, static_cast<uint32_t>(i)});
    staged_.maglev.push_back(chunk);
  }
  if (chunks == 0) maglev_.erase(set);
}

void Image::stage_sources(const weft_frontend_key& key, std::span<const IpPrefix> ranges) {
  auto found = sources_.find(key);
  if (found == sources_.end() && ranges.empty()) return;
  std::vector<weft_source_key> wanted;
  for (const auto& range : ranges) wanted.push_back(source_key(key, range));
  static const std::vector<weft_source_key> kNone;
  const auto& old = found == sources_.end() ? kNone : found->second;
  auto is_in = [](const std::vector<weft_source_key>& list, const weft_source_key& one) {
    return std::ranges::any_of(list,
                               [&](const auto& other) { return std::memcmp(&one, &other, sizeof one) == 0; });
  };
  for (const auto& one : wanted) {
    if (!is_in(old, one)) staged_.sources.push_back(one);
  }
  for (const auto& one : old) {
    if (!is_in(wanted, one)) staged_.gone_sources.push_back(one);
  }
  if (wanted.empty()) {
    sources_.erase(key);
  } else {
    sources_[key] = std::move(wanted);
  }
}

void Image::stage_frontend(const weft_frontend_key& key, const weft_frontend& value) {
  auto [it, fresh] = frontends_.try_emplace(key, value);
  if (!fresh && it->second == value) return;
  if (fresh) count_key(key, 1);
  it->second = value;
  std::erase(staged_.gone_frontends, key);  // it went from one Service to another
  staged_.frontend_keys.push_back(key);
  staged_.frontends.push_back(value);
}

void Image::stage_frontend_removal(const weft_frontend_key& key) {
  if (frontends_.erase(key) != 0) {
    count_key(key, -1);
    staged_.gone_frontends.push_back(key);
  }
  stage_sources(key, {});
}

void Image::stage_set_removal(uint32_t set) {
  if (sets_.contains(set)) stage(difference(set, {}));
  stage_maglev(set, {});
}

void Image::stage_orphan_removal() {
  staged_.gone_backends.insert(staged_.gone_backends.end(), orphans_.begin(), orphans_.end());
  orphans_.clear();
}

/// Before a number is used, the kernel's copy must be past it: a later engine starts there.
Expected<void> Image::persist_ids() {
  if (ids_.next_backend <= persisted_ids_.next_backend && ids_.next_set <= persisted_ids_.next_set) return {};
  persisted_ids_ = ids_;
  persisted_ids_.next_backend += kIdReserve;
  persisted_ids_.next_set += kIdReserve;
  return maps_.ids.set(persisted_ids_);
}

Expected<void> Image::commit() {
  Staged now = std::exchange(staged_, {});
  WEFT_CHECK(persist_ids());
  WEFT_CHECK(maps_.backends.update_all(now.backend_keys, now.backends));
  WEFT_CHECK(maps_.slots.update_all(now.slot_keys, now.slots));
  WEFT_CHECK(maps_.maglev.update_all(now.maglev_keys, now.maglev));
  for (const auto& key : now.sources) WEFT_CHECK(maps_.sources.update(key, 1));
  WEFT_CHECK(write_filter(std::move(now.set_words)));
  WEFT_CHECK(maps_.frontends.update_all(now.frontend_keys, now.frontends));
  for (const auto& key : now.gone_frontends) WEFT_CHECK(maps_.frontends.erase(key));
  WEFT_CHECK(write_filter(std::move(now.cleared_words)));
  for (const auto& key : now.gone_sources) WEFT_CHECK(maps_.sources.erase(key));
  for (const auto& key : now.gone_maglev) WEFT_CHECK(maps_.maglev.erase(key));
  for (const auto& key : now.gone_slots) {
    WEFT_TRY(bool there, maps_.slots.erase(key));
    slot_count_ -= there;
  }
  for (uint64_t key : now.gone_backends) {
    WEFT_TRY(bool there, maps_.backends.erase(key));
    backend_count_ -= there;
  }
  writes_ += now.sources.size() + now.gone_sources.size() + now.maglev.size() + now.gone_maglev.size();
  writes_ += now.backends.size() + now.slots.size() + now.frontends.size() + now.gone_frontends.size() +
             now.gone_slots.size() + now.gone_backends.size();
  return {};
}

}  // namespace weft::service
