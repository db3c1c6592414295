#include "dns/cookie.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace weft::dns {
namespace {

uint64_t load_little(const uint8_t* at) {
  uint64_t out = 0;
  for (int i = 7; i >= 0; --i) out = out << 8 | at[i];
  return out;
}

struct SipState {
  uint64_t v0, v1, v2, v3;

  explicit SipState(const CookieSecret& key) {
    const uint64_t k0 = load_little(key.data()), k1 = load_little(key.data() + 8);
    v0 = k0 ^ 0x736f6d6570736575;
    v1 = k1 ^ 0x646f72616e646f6d;
    v2 = k0 ^ 0x6c7967656e657261;
    v3 = k1 ^ 0x7465646279746573;
  }
  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void take(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

std::array<uint8_t, 8> siphash24(std::span<const uint8_t> data, const CookieSecret& key) {
  SipState state(key);
  size_t at = 0;
  for (; at + 8 <= data.size(); at += 8) state.take(load_little(&data[at]));
  std::array<uint8_t, 8> last{};
  std::ranges::copy(data.subspan(at), last.begin());
  last[7] = static_cast<uint8_t>(data.size());
  state.take(load_little(last.data()));
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  const uint64_t sum = state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
  std::array<uint8_t, 8> out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(sum >> (8 * i));
  return out;
}

ServerCookie server_cookie(std::span<const uint8_t> client_cookie, const IpAddr& ip, uint32_t now,
                           const CookieSecret& secret) {
  constexpr uint8_t kVersion = 1;
  ServerCookie out{kVersion};  // and three reserved bytes
  for (size_t i = 0; i < 4; ++i) out[4 + i] = static_cast<uint8_t>(now >> (24 - 8 * i));
  std::array<uint8_t, 8 + 8 + 16> input;  // the client's cookie, the first half of ours, the address
  std::memcpy(input.data(), client_cookie.data(), 8);
  std::memcpy(input.data() + 8, out.data(), 8);
  const auto address = ip.bytes();
  std::memcpy(input.data() + 16, address.data(), address.size());
  const auto hash = siphash24({input.data(), 16 + address.size()}, secret);
  std::memcpy(out.data() + 8, hash.data(), hash.size());
  return out;
}

const CookieSecret& cookie_secret() {
  static const CookieSecret secret = [] {
    CookieSecret made{};
    // Sixteen bytes always come whole once the kernel has its entropy, which this call waits for.
    [[maybe_unused]] ssize_t got = ::getrandom(made.data(), made.size(), 0);
    return made;
  }();
  return secret;
}

}  // namespace weft::dns
