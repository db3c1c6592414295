#include "standalone/apimachinery/address_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <vector>

namespace weft::standalone {
namespace {

/// Upstream serves at most this many addresses of a prefix.
constexpr uint64_t kMaxAddresses = uint64_t{1} << 62;

uint64_t usable(const IpPrefix& prefix) {
  auto size = std::min(prefix.size(), kMaxAddresses);
  uint64_t unusable = prefix.addr.is_v4() ? 2 : 1;
  return size > unusable ? size - unusable : 0;
}

uint64_t band_of(uint64_t size, uint64_t step, uint64_t max) {
  constexpr uint64_t kMin = 16;
  return size <= kMin ? 0 : std::clamp(size / step, kMin, max);
}

/// The distance between two addresses of one family in its low 64 bits.
uint64_t distance(const IpAddr& from, const IpAddr& to) {
  auto low = [](const IpAddr& ip) {
    uint64_t out = 0;
    auto bytes = ip.mapped();
    for (size_t i = 8; i < 16; ++i) out = out << 8 | bytes[i];
    return out;
  };
  return low(to) - low(from);
}

}  // namespace

std::optional<uint64_t> NumberPool::take_from(uint64_t first, uint64_t last) {
  if (first >= last) return std::nullopt;
  static thread_local std::mt19937_64 random{std::random_device{}()};
  uint64_t start = choosing_ == Choosing::by_chance
                       ? std::uniform_int_distribution<uint64_t>(first, last - 1)(random)
                       : std::clamp(next_, first, last - 1);
  // Among so many numbers in a row one is free.
  uint64_t tries = std::min<uint64_t>(last - first, used_.size() + kept_.size() + 1);
  for (uint64_t i = 0; i < tries; ++i) {
    uint64_t number = first + (start - first + i) % (last - first);
    if (kept_.contains(number) || !take(number)) continue;
    next_ = number + 1;
    return number;
  }
  return std::nullopt;
}

std::optional<uint64_t> NumberPool::take_any() {
  if (auto number = take_from(band_, size_)) return number;
  return take_from(0, band_);
}

AddressPool::AddressPool(const IpPrefix& prefix, Choosing choosing)
    : prefix_{prefix.base(), prefix.length},
      numbers_(usable(prefix), band_of(usable(prefix), 16, 256), choosing) {}

std::optional<uint64_t> AddressPool::number_of(const IpAddr& ip) const {
  if (!prefix_.contains(ip)) return std::nullopt;
  auto high = [](const IpAddr& address) {
    auto bytes = address.mapped();
    return std::vector<uint8_t>(bytes.begin(), bytes.begin() + 8);
  };
  // Only the first 2^64 addresses of a wide prefix are used.
  if (high(ip) != high(prefix_.addr)) return std::nullopt;
  // The first address of the prefix is nobody's.
  auto number = distance(prefix_.addr, ip) - 1;
  return number < numbers_.size() ? std::optional(number) : std::nullopt;
}

std::optional<IpAddr> AddressPool::take_any() {
  auto number = numbers_.take_any();
  return number ? std::optional(prefix_.addr.plus(*number + 1)) : std::nullopt;
}

std::expected<void, std::string> AddressPool::take(const IpAddr& ip) {
  auto number = number_of(ip);
  if (!number) {
    return std::unexpected(
        fmt::format("the provided IP ({}) is not in the valid range. The range of valid IPs is {}", ip.str(),
                    prefix_.str()));
  }
  if (!numbers_.take(*number)) return std::unexpected("provided IP is already allocated");
  return {};
}

void AddressPool::keep(const IpAddr& ip) {
  if (auto number = number_of(ip)) numbers_.keep(*number);
}

void AddressPool::give_back(const IpAddr& ip) {
  if (auto number = number_of(ip)) numbers_.give_back(*number);
}

PortPool::PortPool(uint16_t first, uint16_t last, Choosing choosing)
    : first_(first), last_(last), numbers_(last - first + 1, band_of(last - first + 1, 32, 128), choosing) {}

std::optional<int32_t> PortPool::take_any() {
  auto number = numbers_.take_any();
  return number ? std::optional(first_ + static_cast<int32_t>(*number)) : std::nullopt;
}

std::expected<void, std::string> PortPool::take(int32_t port) {
  if (!has(port)) {
    return std::unexpected(fmt::format(
        "provided port is not in the valid range. The range of valid ports is {}-{}", first_, last_));
  }
  if (!numbers_.take(static_cast<uint64_t>(port - first_))) {
    return std::unexpected("provided port is already allocated");
  }
  return {};
}

void PortPool::keep(int32_t port) {
  if (has(port)) numbers_.keep(static_cast<uint64_t>(port - first_));
}

void PortPool::give_back(int32_t port) {
  if (has(port)) numbers_.give_back(static_cast<uint64_t>(port - first_));
}

}  // namespace weft::standalone
