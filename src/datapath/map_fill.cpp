#include "datapath/map_fill.h"

#include <bpf/bpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "base/fd.h"

namespace weft::datapath {
namespace fs = std::filesystem;
namespace {

constexpr uint32_t kBatch = 4096;

/// By key alone: for tries, which older kernels do not read in batches, and for large values.
uint64_t count_by_key(int fd, const bpf_map_info& info) {
  std::vector<std::byte> key(info.key_size), next(info.key_size);
  uint64_t entries = 0;
  // One that is removed under our hands begins anew; a map cannot have more than it holds.
  while (entries < info.max_entries &&
         bpf_map_get_next_key(fd, entries == 0 ? nullptr : key.data(), next.data()) == 0) {
    key.swap(next);
    ++entries;
  }
  return entries;
}

std::optional<uint64_t> count_by_batch(int fd, const bpf_map_info& info) {
  uint32_t size = kBatch;
  std::vector<std::byte> position(std::max<size_t>(info.key_size, sizeof(uint32_t)));
  std::vector<std::byte> keys, values;
  uint64_t entries = 0;
  for (bool first = true;;) {
    keys.resize(size_t{size} * info.key_size);
    values.resize(size_t{size} * info.value_size);
    uint32_t count = size;
    int rc = bpf_map_lookup_batch(fd, first ? nullptr : position.data(), position.data(), keys.data(),
                                  values.data(), &count, nullptr);
    int err = rc < 0 ? errno : 0;
    if (err == ENOSPC) {  // one bucket holds more than the buffer
      size *= 2;
      continue;
    }
    if (err != 0 && err != ENOENT) return std::nullopt;
    entries += count;
    first = false;
    if (err == ENOENT) return entries;
  }
}

std::optional<MapFill> read_one(const std::string& path, std::string name) {
  Fd fd(bpf_obj_get(path.c_str()));
  if (!fd) return std::nullopt;  // gone meanwhile
  bpf_map_info info{};
  uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) < 0) return std::nullopt;
  bool hash = info.type == BPF_MAP_TYPE_HASH || info.type == BPF_MAP_TYPE_LRU_HASH;
  if (!hash && info.type != BPF_MAP_TYPE_LPM_TRIE) return std::nullopt;
  constexpr uint32_t kLargeValue = 128;
  auto entries = hash && info.value_size <= kLargeValue ? count_by_batch(fd.get(), info) : std::nullopt;
  return MapFill{std::move(name), entries ? *entries : count_by_key(fd.get(), info), info.max_entries,
                 info.type == BPF_MAP_TYPE_LRU_HASH};
}

}  // namespace

Expected<std::vector<MapFill>> read_map_fill(const std::string& bpf_dir) {
  std::vector<MapFill> out;
  std::error_code error;
  fs::directory_iterator parts(bpf_dir, error);
  if (error) return fail(ErrorCode::not_found, fmt::format("{}: {}", bpf_dir, error.message()));
  for (const auto& part : parts) {
    for (const auto& layout : fs::directory_iterator(part.path(), error)) {
      // Beside the maps' folder are the links of programs.
      if (!layout.path().filename().string().starts_with('v')) continue;
      for (const auto& pin : fs::directory_iterator(layout.path(), error)) {
        auto name = part.path().filename().string() + "/" + pin.path().filename().string();
        if (auto fill = read_one(pin.path().string(), std::move(name))) out.push_back(std::move(*fill));
      }
    }
  }
  std::ranges::sort(out, {}, &MapFill::name);
  return out;
}

}  // namespace weft::datapath
