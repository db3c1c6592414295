#include "gateway/http/authority.h"

#include <charconv>
#include <cstdint>
#include <cstring>

#include "gateway/http/chars.h"

namespace weft::gateway {
namespace {

bool is_port(std::string_view text) {
  if (text.empty()) return true;
  uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return text.size() <= 5 && error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool read_authority(std::string_view text, std::string_view& authority) {
  char* at = const_cast<char*>(text.data());
  char* end = at + text.size();
  if (at != end && *at == '[') {
    ++at;
    while (at != end && *at != ']') {
      if (std::memchr("0123456789abcdefABCDEF:.", *at, 24) == nullptr) return false;
      if (*at >= 'A' && *at <= 'F') *at = static_cast<char>(*at + 32);
      ++at;
    }
    if (at == end) return false;
    ++at;
  } else {
    while (at != end) {
      unsigned char lower = chars::kHost[static_cast<unsigned char>(*at)];
      if (!lower) break;
      *at++ = static_cast<char>(lower);
    }
    if (at == text.data() && at != end) return false;
  }
  if (at != end && (*at != ':' || !is_port({at + 1, static_cast<size_t>(end - at - 1)}))) return false;
  authority = text;
  return true;
}

}  // namespace weft::gateway
