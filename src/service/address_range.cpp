#include "service/address_range.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>

namespace weft::service {
namespace {

struct Reserved {
  std::string_view prefix;
  std::string_view what;
};
constexpr auto kReserved = std::to_array<Reserved>({
    {"0.0.0.0/8", "addresses that mean this host"},
    {"127.0.0.0/8", "loopback addresses"},
    {"169.254.0.0/16", "link-local addresses"},
    {"224.0.0.0/4", "multicast addresses"},
    {"240.0.0.0/4", "reserved addresses"},
    {"::/127", "the unspecified or the loopback address"},
    {"::ffff:0:0/96", "IPv4 addresses written as IPv6"},
    {"fe80::/10", "link-local addresses"},
    {"ff00::/8", "multicast addresses"},
});

IpAddr from_bytes(bool v4, std::span<const uint8_t> bytes) {
  if (v4) {
    std::array<uint8_t, 4> out{};
    std::ranges::copy(bytes, out.begin());
    return IpAddr::v4(out);
  }
  std::array<uint8_t, 16> out{};
  std::ranges::copy(bytes, out.begin());
  return IpAddr::v6(out);
}

/// The last address of a network.
IpAddr last_of(const IpPrefix& prefix) {
  auto base = prefix.base();
  std::array<uint8_t, 16> bytes{};
  std::ranges::copy(base.bytes(), bytes.begin());
  for (int bit = prefix.length; bit < base.bits(); ++bit)
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] | (0x80U >> (bit % 8)));
  return from_bytes(base.is_v4(), std::span(bytes).first(base.bytes().size()));
}

AddressRange range_of(const IpPrefix& prefix) { return {prefix.base(), last_of(prefix)}; }

bool is_lowest(const IpAddr& addr) {
  return std::ranges::all_of(addr.bytes(), [](uint8_t b) { return b == 0; });
}
bool is_highest(const IpAddr& addr) {
  return std::ranges::all_of(addr.bytes(), [](uint8_t b) { return b == 0xff; });
}

IpAddr before(const IpAddr& addr) {
  std::array<uint8_t, 16> bytes{};
  auto size = addr.bytes().size();
  std::ranges::copy(addr.bytes(), bytes.begin());
  for (size_t i = size; i-- > 0;) {
    if (bytes[i]-- != 0) break;
  }
  return from_bytes(addr.is_v4(), std::span(bytes).first(size));
}

IpAddr after(const IpAddr& addr) { return addr.plus(1); }

uint64_t big_endian(std::span<const uint8_t> bytes) {
  uint64_t out = 0;
  for (auto byte : bytes) out = out << 8 | byte;
  return out;
}

std::string_view trimmed(std::string_view text) {
  auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Expected<AddressRange> parse_network(std::string_view text) {
  auto prefix = IpPrefix::parse(text);
  if (!prefix) {
    return fail(
        ErrorCode::invalid,
        fmt::format("\"{}\" is neither a network (192.0.2.0/24) nor a range (192.0.2.10-192.0.2.20)", text));
  }
  if (prefix->addr != prefix->base()) {
    return fail(ErrorCode::invalid, fmt::format("\"{}\" has bits behind its prefix length: {}/{} is meant?",
                                                text, prefix->base().str(), prefix->length));
  }
  return range_of(*prefix);
}

Expected<AddressRange> parse_ends(std::string_view text, size_t dash) {
  auto first = IpAddr::parse(trimmed(text.substr(0, dash)));
  auto last = IpAddr::parse(trimmed(text.substr(dash + 1)));
  if (!first || !last) {
    return fail(ErrorCode::invalid, fmt::format("\"{}\": what is {} the dash is not an IP address", text,
                                                first ? "behind" : "before"));
  }
  if (first->is_v4() != last->is_v4())
    return fail(ErrorCode::invalid, fmt::format("\"{}\" goes from one address family to the other", text));
  if (*last < *first) return fail(ErrorCode::invalid, fmt::format("\"{}\" ends before it begins", text));
  return AddressRange{*first, *last};
}

}  // namespace

Expected<AddressRange> AddressRange::parse(std::string_view text) {
  text = trimmed(text);
  auto dash = text.find('-');
  auto range = dash == std::string_view::npos ? parse_network(text) : parse_ends(text, dash);
  if (!range) return range;
  for (const auto& reserved : kReserved) {
    if (range->overlaps(range_of(*IpPrefix::parse(reserved.prefix)))) {
      return fail(ErrorCode::invalid,
                  fmt::format("\"{}\" contains {} ({})", text, reserved.what, reserved.prefix));
    }
  }
  return range;
}

int64_t AddressRange::size() const {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  auto a = first.bytes();
  auto b = last.bytes();
  if (first.is_v6() && big_endian(a.first(8)) != big_endian(b.first(8))) {
    // Two halves that lie next to each other may still be few addresses.
    if (big_endian(b.first(8)) - big_endian(a.first(8)) > 1) return kMost;
    uint64_t low = ~big_endian(a.subspan(8));
    uint64_t high = big_endian(b.subspan(8));
    return static_cast<int64_t>(low >= kMost || high >= kMost - low - 1 ? kMost : low + high + 2);
  }
  auto tail = first.is_v6() ? size_t{8} : size_t{0};
  auto span = big_endian(b.subspan(tail)) - big_endian(a.subspan(tail));
  return static_cast<int64_t>(span >= kMost ? kMost : span + 1);
}

std::string AddressRange::str() const {
  return first == last ? first.str() : fmt::format("{}-{}", first.str(), last.str());
}

void AddressSet::insert(const AddressRange& range) {
  auto first = range.first;
  auto last = range.last;
  auto next = ranges_.upper_bound(first);
  if (next != ranges_.begin() && !is_lowest(first)) {
    auto previous = std::prev(next);
    if (previous->second == before(first)) {
      first = previous->first;
      ranges_.erase(previous);
    }
  }
  if (next != ranges_.end() && !is_highest(last) && next->first == after(last)) {
    last = next->second;
    ranges_.erase(next);
  }
  ranges_[first] = last;
}

bool AddressSet::insert(const IpAddr& addr) {
  if (contains(addr)) return false;
  insert(AddressRange{addr, addr});
  return true;
}

AddressSet::Ranges::const_iterator AddressSet::find(const IpAddr& addr) const {
  auto next = ranges_.upper_bound(addr);
  if (next == ranges_.begin()) return ranges_.end();
  auto at = std::prev(next);
  return addr <= at->second ? at : ranges_.end();
}

bool AddressSet::contains(const IpAddr& addr) const { return find(addr) != ranges_.end(); }

bool AddressSet::erase(const IpAddr& addr) {
  auto at = find(addr);
  if (at == ranges_.end()) return false;
  auto [first, last] = *at;
  ranges_.erase(at);
  if (first != addr) ranges_[first] = before(addr);
  if (last != addr) ranges_[after(addr)] = last;
  return true;
}

std::optional<IpAddr> AddressSet::lowest(bool v6) const {
  auto at = ranges_.lower_bound(v6 ? IpAddr::v6({}) : IpAddr::v4({}));
  if (at == ranges_.end() || at->first.is_v6() != v6) return std::nullopt;
  return at->first;
}

}  // namespace weft::service
