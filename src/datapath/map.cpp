#include "datapath/map.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace weft::datapath {
namespace {

constexpr uint32_t kBatch = 8192;

std::unexpected<Error> fail_call(const char* call, const RawMap& map, int err) {
  if (err == E2BIG || err == ENOSPC) {  // the latter of a trie
    return fail(ErrorCode::exhausted,
                fmt::format("BPF map {} is full ({} entries)", map.name(), map.max_entries()));
  }
  return fail_errno(fmt::format("{} BPF map {}", call, map.name()), err);
}

}  // namespace

RawMap::RawMap(Fd fd, std::string name, uint32_t key_size, uint32_t value_size, uint32_t max_entries)
    : fd_(std::make_shared<const Fd>(std::move(fd))),
      name_(std::move(name)),
      key_size_(key_size),
      value_size_(value_size),
      max_entries_(max_entries) {}

Expected<RawMap> RawMap::open(const std::string& path) {
  Fd fd(bpf_obj_get(path.c_str()));
  if (!fd) {
    int err = errno;
    if (err == ENOENT) return fail(ErrorCode::not_found, path + ": no BPF map is pinned there");
    return fail_errno("open pinned BPF map " + path, err);
  }
  return duplicate(fd.get());
}

Expected<RawMap> RawMap::duplicate(int fd) {
  bpf_map_info info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0) return fail_errno("read BPF map info", errno);
  Fd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return fail_errno("duplicate BPF map descriptor", errno);
  return RawMap(std::move(own), info.name, info.key_size, info.value_size, info.max_entries);
}

Expected<bool> RawMap::lookup(const void* key, void* value) const {
  if (bpf_map_lookup_elem(fd(), key, value) == 0) return true;
  if (errno == ENOENT) return false;
  return fail_call("read", *this, errno);
}

Expected<void> RawMap::update(const void* key, const void* value) const {
  if (bpf_map_update_elem(fd(), key, value, BPF_ANY) < 0) return fail_call("write", *this, errno);
  return {};
}

Expected<bool> RawMap::erase(const void* key) const {
  if (bpf_map_delete_elem(fd(), key) == 0) return true;
  if (errno == ENOENT) return false;
  return fail_call("erase from", *this, errno);
}

Expected<void> RawMap::update_all(const void* keys, const void* values, size_t count) const {
  if (count == 0) return {};
  if (count == 1) return update(keys, values);  // one entry: no buffers to set up in the kernel
  uint32_t done = static_cast<uint32_t>(count);
  if (bpf_map_update_batch(fd(), keys, values, &done, nullptr) < 0) return fail_call("write", *this, errno);
  return {};
}

Expected<void> RawMap::erase_all(const void* keys, size_t count) const {
  const auto* key = static_cast<const std::byte*>(keys);
  while (count > 0) {
    // The kernel stops at a key that is not there.
    uint32_t done = static_cast<uint32_t>(count);
    if (bpf_map_delete_batch(fd(), key, &done, nullptr) == 0) return {};
    if (errno != ENOENT) return fail_call("erase from", *this, errno);
    key += (size_t{done} + 1) * key_size_;
    count -= std::min<size_t>(count, size_t{done} + 1);
  }
  return {};
}

Expected<void> RawMap::read_all(std::vector<std::byte>& keys, std::vector<std::byte>& values) const {
  uint32_t size = kBatch;
  // Where the kernel is: the number of a hash map's bucket, a whole key of others.
  std::vector<std::byte> position(std::max<size_t>(key_size_, sizeof(uint32_t)));
  bool first = true;
  size_t filled = 0;
  for (;;) {
    keys.resize((filled + size) * key_size_);
    values.resize((filled + size) * value_size_);
    uint32_t count = size;
    int rc = bpf_map_lookup_batch(fd(), first ? nullptr : position.data(), position.data(),
                                  keys.data() + filled * key_size_, values.data() + filled * value_size_,
                                  &count, nullptr);
    int err = rc < 0 ? errno : 0;
    if (err == ENOSPC) {  // one bucket holds more than the buffer
      size *= 2;
      continue;
    }
    if (err != 0 && err != ENOENT) return fail_call("read", *this, err);
    filled += count;
    first = false;
    if (err == ENOENT) break;  // the end
  }
  keys.resize(filled * key_size_);
  values.resize(filled * value_size_);
  return {};
}

}  // namespace weft::datapath
