#include "podnet/ipam.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/fd.h"

namespace weft::podnet {
namespace {

/// More than that many pods no node has; a prefix may have more addresses.
constexpr uint64_t kMaxOffset = 1ULL << 32;

constexpr uint64_t kFirst = 2;

Expected<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("write", errno);
    text.remove_prefix(written);
  }
  return {};
}

/// Writes a file so that at any instant it has the old content or the new.
Expected<void> replace_file(const std::string& path, const std::string& text) {
  auto temporary = path + ".new";
  Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return fail_errno(temporary, errno);
  if (auto written = write_all(file.get(), text); !written) return in_context(temporary, written.error());
  if (::fsync(file.get()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0)
    return fail_errno(path, errno);
  Fd folder(::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
  return {};
}

/// At most one range a family, each with room for a pod.
Expected<void> check_ranges(const std::vector<IpPrefix>& ranges) {
  for (const auto& range : ranges) {
    if (range.addr.bits() - range.length < 2)
      return fail(ErrorCode::invalid, fmt::format("pod CIDR {}: has no address for a pod", range.str()));
    auto same_family = [&](const IpPrefix& other) { return other.addr.is_v4() == range.addr.is_v4(); };
    if (std::ranges::count_if(ranges, same_family) > 1)
      return fail(ErrorCode::invalid,
                  fmt::format("pod CIDR {}: a node has at most one of each family", range.str()));
  }
  return {};
}

}  // namespace

uint64_t Ipam::Pool::last() const {
  auto size = std::min(range.size(), kMaxOffset);
  return range.addr.is_v4() ? size - 2 : size - 1;
}

uint64_t Ipam::Pool::count() const { return last() - kFirst + 1; }

std::optional<uint64_t> Ipam::Pool::offset_of(const IpAddr& ip) const {
  if (ip.is_v4() != range.addr.is_v4()) return std::nullopt;
  auto bytes = ip.bytes(), base = range.addr.bytes();
  uint64_t offset = 0;
  for (size_t i = bytes.size() - 4; i < bytes.size(); ++i)
    offset = offset << 8 | static_cast<uint8_t>(bytes[i] - base[i]);
  if (offset < kFirst || offset > last() || range.addr.plus(offset) != ip) return std::nullopt;
  return offset;
}

std::optional<uint64_t> Ipam::Pool::find(const std::string& id) const {
  auto at = std::ranges::find(used, id, [](const auto& entry) { return entry.second; });
  if (at == used.end()) return std::nullopt;
  return at->first;
}

Expected<uint64_t> Ipam::Pool::take(const std::string& id) {
  if (used.size() >= count()) {
    return fail(
        ErrorCode::exhausted,
        fmt::format(
            "{} has no free address ({} of {} in use); delete pods, or give the node a larger pod CIDR",
            range.str(), used.size(), count()));
  }
  auto end = last();
  auto offset = next < kFirst || next > end ? kFirst : next;
  while (used.contains(offset)) offset = offset == end ? kFirst : offset + 1;
  used[offset] = id;
  next = offset == end ? kFirst : offset + 1;
  return offset;
}

Expected<void> Ipam::Pool::load(const json::value& entry) {
  if (const auto* cursor = kube::member(entry, "next");
      cursor && cursor->is_int64() && cursor->get_int64() > 0)
    next = static_cast<uint64_t>(cursor->get_int64());
  std::set<std::string> ids;
  for (const auto& [address, id] : kube::member(entry, "used")->get_object()) {
    auto ip = IpAddr::parse(address);
    auto offset = ip ? offset_of(*ip) : std::nullopt;
    if (!offset || !id.is_string())
      return fail(ErrorCode::invalid,
                  fmt::format("{}: not an address of {}", std::string_view(address), range.str()));
    std::string holder(id.get_string());
    if (!ids.insert(holder).second || !used.emplace(*offset, holder).second)
      return fail(ErrorCode::invalid, fmt::format("{}: recorded twice, for {}", ip->str(), holder));
  }
  return {};
}

Ipam::Ipam(std::string file, std::vector<IpPrefix> ranges) : file_(std::move(file)) {
  for (auto& range : ranges) pools_.push_back({{range.base(), range.length}, kFirst, {}});
}

Expected<Ipam> Ipam::open(const std::string& file, std::vector<IpPrefix> ranges) {
  WEFT_CHECK(check_ranges(ranges));
  Ipam out(file, std::move(ranges));
  std::ifstream in(file);
  if (!in) {
    if (std::filesystem::exists(file)) return fail(ErrorCode::system, file + ": cannot be read");
    return out;
  }
  std::stringstream text;
  text << in.rdbuf();
  if (auto loaded = out.load(text.str()); !loaded) return in_context(file, loaded.error());
  return out;
}

Expected<void> Ipam::load(const std::string& text) {
  boost::system::error_code bad;
  auto state = json::parse(text, bad);
  const auto* pools = bad ? nullptr : kube::member(state, "pools");
  if (!pools || !pools->is_array()) {
    return fail(ErrorCode::invalid,
                "is no record of pod addresses; move it away, and what pods have is read from the kernel");
  }
  std::set<std::string_view> seen;
  for (const auto& entry : pools->get_array()) {
    const auto* used = kube::member(entry, "used");
    if (!used || !used->is_object()) return fail(ErrorCode::invalid, "pools: used: not an object");
    auto range = kube::string_at(entry, "range");
    if (!seen.insert(range).second) return fail(ErrorCode::invalid, fmt::format("has {} twice", range));
    auto pool = std::ranges::find(pools_, range, [](const Pool& one) { return one.range.str(); });
    if (pool != pools_.end()) {
      WEFT_CHECK(pool->load(entry));
    } else if (!used->get_object().empty()) {
      return fail(ErrorCode::invalid,
                  fmt::format("has {} pods in {}, which is not a range of this node any more; give the range "
                              "back, or delete the pods and move the file away",
                              used->get_object().size(), range));
    }
  }
  return {};
}

Expected<void> Ipam::save() const {
  json::array pools;
  for (const auto& pool : pools_) {
    json::object used;
    for (const auto& [offset, id] : pool.used) used[pool.range.addr.plus(offset).str()] = id;
    pools.push_back({{"range", pool.range.str()}, {"next", pool.next}, {"used", std::move(used)}});
  }
  return replace_file(file_, json::serialize(json::object{{"pools", std::move(pools)}}));
}

Expected<void> Ipam::commit(std::vector<Pool> before) {
  auto saved = save();
  if (!saved) pools_ = std::move(before);
  return saved;
}

std::optional<std::vector<IpAddr>> Ipam::find(const std::string& id) const {
  std::vector<IpAddr> out;
  for (const auto& pool : pools_) {
    auto offset = pool.find(id);
    if (!offset) return std::nullopt;
    out.push_back(pool.range.addr.plus(*offset));
  }
  return out;
}

Expected<std::vector<IpAddr>> Ipam::allocate(const std::string& id) {
  if (auto found = find(id)) return *found;
  auto before = pools_;
  for (auto& pool : pools_) {
    // A node that was given a second family has pods with one address.
    if (pool.find(id)) continue;
    if (auto offset = pool.take(id); !offset) {
      pools_ = std::move(before);
      return std::unexpected(offset.error());
    }
  }
  WEFT_CHECK(commit(std::move(before)));
  return *find(id);
}

Expected<void> Ipam::adopt(const std::string& id, const std::vector<IpAddr>& addresses) {
  auto before = pools_;
  for (auto& pool : pools_) {
    for (const auto& ip : addresses) {
      auto offset = pool.offset_of(ip);
      if (!offset || pool.find(id)) continue;
      auto [at, added] = pool.used.emplace(*offset, id);
      if (added) continue;
      auto holder = at->second;
      pools_ = std::move(before);
      return fail(ErrorCode::conflict, fmt::format("{} is both {}'s and {}'s", ip.str(), holder, id));
    }
  }
  return commit(std::move(before));
}

Expected<void> Ipam::release(const std::string& id) {
  auto before = pools_;
  size_t removed = 0;
  for (auto& pool : pools_)
    removed += std::erase_if(pool.used, [&](const auto& entry) { return entry.second == id; });
  if (removed == 0) return {};
  return commit(std::move(before));
}

std::vector<std::string> Ipam::ids() const {
  std::set<std::string> out;
  for (const auto& pool : pools_) {
    for (const auto& [offset, id] : pool.used) out.insert(id);
  }
  return {out.begin(), out.end()};
}

}  // namespace weft::podnet
