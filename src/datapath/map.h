#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace weft::datapath {

/// A BPF map's descriptor and the bpf(2) calls on it, on untyped entries.
class RawMap {
 public:
  RawMap() = default;
  RawMap(Fd fd, std::string name, uint32_t key_size, uint32_t value_size, uint32_t max_entries);

  /// False: no such key.
  Expected<bool> lookup(const void* key, void* value) const;
  Expected<void> update(const void* key, const void* value) const;
  /// False: there was none.
  Expected<bool> erase(const void* key) const;
  /// `count` keys and values, each one after the other. In one call where the kernel has batches.
  Expected<void> update_all(const void* keys, const void* values, size_t count) const;
  /// Those that are not there do not matter.
  Expected<void> erase_all(const void* keys, size_t count) const;
  /// Appends all entries; those that change meanwhile may be missed or seen in either state.
  Expected<void> read_all(std::vector<std::byte>& keys, std::vector<std::byte>& values) const;

  int fd() const { return fd_ ? fd_->get() : -1; }
  const std::string& name() const { return name_; }
  uint32_t key_size() const { return key_size_; }
  uint32_t value_size() const { return value_size_; }
  uint32_t max_entries() const { return max_entries_; }

  /// Opens a pinned map; not_found if nothing is pinned there.
  static Expected<RawMap> open(const std::string& path);
  /// A handle on a map that someone else holds.
  static Expected<RawMap> duplicate(int fd);

 private:
  std::shared_ptr<const Fd> fd_;  ///< shared by copies of the handle
  std::string name_;
  uint32_t key_size_ = 0;
  uint32_t value_size_ = 0;
  uint32_t max_entries_ = 0;
};

/// A hash map of trivially copyable keys and values without padding.
template <class K, class V>
class HashMap {
  static_assert(std::has_unique_object_representations_v<K> && std::is_trivially_copyable_v<V>);

 public:
  HashMap() = default;
  /// invalid if the map's keys or values have another size.
  static Expected<HashMap> of(RawMap raw) {
    if (raw.key_size() != sizeof(K) || raw.value_size() != sizeof(V)) {
      return fail(ErrorCode::invalid, "BPF map " + raw.name() + ": sizes of key or value differ from ours");
    }
    HashMap map;
    map.raw_ = std::move(raw);
    return map;
  }

  Expected<std::optional<V>> lookup(const K& key) const {
    V value;
    WEFT_TRY(bool found, raw_.lookup(&key, &value));
    return found ? std::optional<V>(value) : std::nullopt;
  }
  Expected<void> update(const K& key, const V& value) const { return raw_.update(&key, &value); }
  Expected<bool> erase(const K& key) const { return raw_.erase(&key); }
  Expected<void> update_all(std::span<const K> keys, std::span<const V> values) const {
    return raw_.update_all(keys.data(), values.data(), keys.size());
  }
  Expected<void> erase_all(std::span<const K> keys) const { return raw_.erase_all(keys.data(), keys.size()); }
  Expected<std::vector<std::pair<K, V>>> read_all() const {
    std::vector<std::byte> keys, values;
    WEFT_CHECK(raw_.read_all(keys, values));
    std::vector<std::pair<K, V>> out(keys.size() / sizeof(K));
    for (size_t i = 0; i < out.size(); ++i) {
      std::memcpy(&out[i].first, keys.data() + i * sizeof(K), sizeof(K));
      std::memcpy(&out[i].second, values.data() + i * sizeof(V), sizeof(V));
    }
    return out;
  }
  const RawMap& raw() const { return raw_; }
  uint32_t max_entries() const { return raw_.max_entries(); }

 private:
  RawMap raw_;
};

/// An array map of one value.
template <class V>
class ArrayMap {
 public:
  ArrayMap() = default;
  static Expected<ArrayMap> of(RawMap raw) {
    if (raw.value_size() != sizeof(V)) {
      return fail(ErrorCode::invalid, "BPF map " + raw.name() + ": size of the value differs from ours");
    }
    ArrayMap map;
    map.raw_ = std::move(raw);
    return map;
  }
  Expected<V> get() const {
    uint32_t index = 0;
    V value{};
    WEFT_CHECK(raw_.lookup(&index, &value));
    return value;
  }
  Expected<void> set(const V& value) const {
    uint32_t index = 0;
    return raw_.update(&index, &value);
  }
  const RawMap& raw() const { return raw_; }

 private:
  RawMap raw_;
};

}  // namespace weft::datapath
