#include "dns/cookie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace weft::dns {
namespace {

std::vector<uint8_t> bytes_of(std::string_view hex) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    uint8_t byte = 0;
    std::from_chars(&hex[i], &hex[i + 2], byte, 16);
    out.push_back(byte);
  }
  return out;
}

CookieSecret secret_of(std::string_view hex) {
  CookieSecret out{};
  std::ranges::copy(bytes_of(hex), out.begin());
  return out;
}

TEST(ServerCookie, TestVectorsOfRfc9018) {
  struct Row {
    std::string_view secret, client, ip;
    uint32_t now;
    std::string_view cookie;
  };
  constexpr std::string_view kFirst = "e5e973e5a6b2a43f48e7dc849e37bfcf";
  const std::vector<Row> rows = {
      {kFirst, "2464c4abcf10c957", "198.51.100.100", 1559731985, "010000005cf79f111f8130c3eee29480"},
      {kFirst, "2464c4abcf10c957", "198.51.100.100", 1559734385, "010000005cf7a871d4a564a1442aca77"},
      {kFirst, "fc93fc62807ddb86", "203.0.113.203", 1559734700, "010000005cf7a9acf73a7810aca2381e"},
      {"445536bcd2513298075a5d379663c962", "22681ab97d52c298", "2001:db8:220:1:59de:d0f4:8769:82b8",
       1559741961, "010000005cf7c609a6bb79d16625507a"},
  };
  for (const Row& row : rows) {
    auto made = server_cookie(bytes_of(row.client), *IpAddr::parse(row.ip), row.now, secret_of(row.secret));
    EXPECT_EQ(std::vector<uint8_t>(made.begin(), made.end()), bytes_of(row.cookie))
        << row.ip << " " << row.now;
  }
}

TEST(SipHash, LengthsAroundItsBlock) {
  // The authors' vectors: key and data are the bytes 0, 1, 2, …
  CookieSecret key;
  std::vector<uint8_t> data;
  for (uint8_t i = 0; i < 16; ++i) key[i] = i;
  auto hash = [&](size_t size) {
    data.clear();
    for (size_t i = 0; i < size; ++i) data.push_back(static_cast<uint8_t>(i));
    auto out = siphash24(data, key);
    return std::vector<uint8_t>(out.begin(), out.end());
  };
  EXPECT_EQ(hash(0), bytes_of("310e0edd47db6f72"));
  EXPECT_EQ(hash(1), bytes_of("fd67dc93c539f874"));
  EXPECT_EQ(hash(15), bytes_of("e545be4961ca29a1"));
}

TEST(CookieSecret, StaysAndIsNotZero) {
  EXPECT_EQ(cookie_secret(), cookie_secret());
  EXPECT_NE(cookie_secret(), CookieSecret{});
}

}  // namespace
}  // namespace weft::dns
