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
#include "kube/json.h"

namespace weft::podnet {
namespace {

/// More than that many pods no node has; a prefix may have more addresses.
constexpr uint64_t kMaxOffset = 1ULL << 32;

/// How far `ip` is from the first address of its range.
std::optional<uint64_t> offset_in(const IpPrefix& range, const IpAddr& ip) {
  if (!range.contains(ip)) return std::nullopt;
  uint64_t out = 0;
  auto base = range.base();
  auto a = base.bytes(), b = ip.bytes();
  size_t from = a.size() > 8 ? a.size() - 8 : 0;
  for (size_t i = from; i < a.size(); ++i) out = out << 8 | static_cast<uint8_t>(b[i] - a[i]);
  return out;
}

Expected<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto written = ::write(fd, text.data(), text.size());
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
  WEFT_CHECK(write_all(file.get(), text));
  if (::fsync(file.get()) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0)
    return fail_errno(path, errno);
  Fd folder(::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
  return {};
}

}  // namespace

uint64_t Ipam::Pool::last() const {
  auto size = std::min(range.size(), kMaxOffset);
  return range.addr.is_v4() ? size - 2 : size - 1;
}

Expected<uint64_t> Ipam::Pool::take(const std::string& id) {
  constexpr uint64_t kFirst = 2;
  auto end = last();
  uint64_t count = end >= kFirst ? end - kFirst + 1 : 0;
  if (used.size() >= count) {
    return fail(
        ErrorCode::exhausted,
        fmt::format(
            "{} has no free address ({} of {} in use); delete pods, or give the node a larger pod CIDR",
            range.str(), used.size(), count));
  }
  auto offset = next < kFirst || next > end ? kFirst : next;
  while (used.contains(offset)) offset = offset == end ? kFirst : offset + 1;
  used[offset] = id;
  next = offset == end ? kFirst : offset + 1;
  return offset;
}

Ipam::Ipam(std::string file, std::vector<IpPrefix> ranges) : file_(std::move(file)) {
  for (auto& range : ranges) pools_.push_back({range, 2, {}});
}

Expected<Ipam> Ipam::open(const std::string& file, std::vector<IpPrefix> ranges) {
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
                "is no record of pod addresses; remove it only when no pod runs on this node");
  }
  for (const auto& entry : pools->get_array()) {
    const auto* used = kube::member(entry, "used");
    if (!used || !used->is_object()) return fail(ErrorCode::invalid, "pools: used: not an object");
    auto range = kube::string_at(entry, "range");
    auto pool = std::ranges::find(pools_, range, [](const Pool& one) { return one.range.str(); });
    if (pool == pools_.end()) {
      if (used->get_object().empty()) continue;
      return fail(ErrorCode::invalid,
                  fmt::format("has {} pods in {}, which is not a range of this node any more",
                              used->get_object().size(), range));
    }
    if (const auto* next = kube::member(entry, "next"); next && next->is_number()) {
      pool->next = next->to_number<uint64_t>(bad);
    }
    for (const auto& [address, id] : used->get_object()) {
      auto ip = IpAddr::parse(address);
      auto offset = ip ? offset_in(pool->range, *ip) : std::nullopt;
      if (!offset || !id.is_string())
        return fail(ErrorCode::invalid,
                    fmt::format("{}: not an address of {}", std::string_view(address), range));
      pool->used[*offset] = std::string(id.get_string());
    }
  }
  return {};
}

Expected<void> Ipam::save() const {
  json::array pools;
  for (const auto& pool : pools_) {
    json::object used;
    for (const auto& [offset, id] : pool.used) used[pool.range.base().plus(offset).str()] = id;
    pools.push_back({{"range", pool.range.str()}, {"next", pool.next}, {"used", std::move(used)}});
  }
  return replace_file(file_, json::serialize(json::object{{"pools", std::move(pools)}}));
}

std::optional<std::vector<IpAddr>> Ipam::find(const std::string& id) const {
  std::vector<IpAddr> out;
  for (const auto& pool : pools_) {
    auto at = std::ranges::find(pool.used, id, [](const auto& entry) { return entry.second; });
    if (at == pool.used.end()) return std::nullopt;
    out.push_back(pool.range.base().plus(at->first));
  }
  return out;
}

Expected<std::vector<IpAddr>> Ipam::allocate(const std::string& id) {
  if (auto found = find(id)) return *found;
  auto before = pools_;
  std::vector<IpAddr> out;
  for (auto& pool : pools_) {
    auto offset = pool.take(id);
    if (!offset) {
      pools_ = std::move(before);
      return std::unexpected(offset.error());
    }
    out.push_back(pool.range.base().plus(*offset));
  }
  if (auto saved = save(); !saved) {
    pools_ = std::move(before);
    return std::unexpected(saved.error());
  }
  return out;
}

Expected<void> Ipam::release(const std::string& id) {
  auto before = pools_;
  size_t removed = 0;
  for (auto& pool : pools_)
    removed += std::erase_if(pool.used, [&](const auto& entry) { return entry.second == id; });
  if (removed == 0) return {};
  auto saved = save();
  if (!saved) pools_ = std::move(before);
  return saved;
}

std::vector<std::string> Ipam::ids() const {
  std::set<std::string> out;
  for (const auto& pool : pools_) {
    for (const auto& [offset, id] : pool.used) out.insert(id);
  }
  return {out.begin(), out.end()};
}

}  // namespace weft::podnet
