#include "dns/source_option.h"

#include <algorithm>

namespace weft::dns {
namespace {

constexpr uint16_t kSource = 65227;  // of 65001 to 65534
constexpr uint16_t kEnding = 65228;
constexpr size_t kOptionHeader = 4;  // bytes: code, length

uint16_t u16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void put_u16(std::span<uint8_t> bytes, size_t at, size_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

/// The OPT record of a message, which has to be its last.
std::optional<RecordView> last_opt(std::span<const uint8_t> message) {
  ResponseHeader header;
  if (!read_header(message, header)) return std::nullopt;
  size_t at = kHeaderSize;
  for (int i = 0; i < header.questions; ++i) {
    Name name;
    if (!read_name(message, at, name) || message.size() - at < 4) return std::nullopt;
    at += 4;
  }
  RecordView record{};
  const int records = header.answers + header.authorities + header.additionals;
  for (int i = 0; i < records; ++i) {
    if (!read_record(message, at, record)) return std::nullopt;
  }
  if (records == 0 || record.type != Type::opt || at != message.size()) return std::nullopt;
  return record;
}

bool add_option(std::span<uint8_t> buffer, size_t& size, uint16_t code, std::string_view text) {
  const auto opt = last_opt(buffer.first(size));
  const size_t more = kOptionHeader + text.size();
  if (!opt || buffer.size() - size < more || opt->data_size + more > UINT16_MAX) return false;
  put_u16(buffer, opt->data_at - 2, opt->data_size + more);
  put_u16(buffer, size, code);
  put_u16(buffer, size + 2, text.size());
  std::ranges::copy(text, buffer.begin() + static_cast<ptrdiff_t>(size + kOptionHeader));
  size += more;
  return true;
}

std::optional<std::string> option_of(std::span<const uint8_t> message, uint16_t wanted) {
  const auto opt = last_opt(message);
  if (!opt) return std::nullopt;
  auto options = message.subspan(opt->data_at, opt->data_size);
  while (options.size() >= kOptionHeader) {
    const size_t length = u16(options, 2);
    if (length > options.size() - kOptionHeader) return std::nullopt;
    const auto text = options.subspan(kOptionHeader, length);
    if (u16(options, 0) == wanted) return std::string(text.begin(), text.end());
    options = options.subspan(kOptionHeader + length);
  }
  return std::nullopt;
}

}  // namespace

bool add_source_option(std::span<uint8_t> buffer, size_t& size, std::string_view text) {
  return add_option(buffer, size, kSource, text);
}

std::optional<std::string> source_option_of(std::span<const uint8_t> message) {
  return option_of(message, kSource);
}

bool add_ending_option(std::span<uint8_t> buffer, size_t& size) {
  return add_option(buffer, size, kEnding, {});
}

bool has_ending_option(std::span<const uint8_t> message) { return option_of(message, kEnding).has_value(); }

}  // namespace weft::dns
