#include "standalone/apiserver/spdy.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace weft::standalone::spdy {
namespace {

constexpr size_t kFrameHead = 8;
constexpr uint32_t kControl = 1U << 31;
constexpr uint16_t kVersion = 3;
constexpr uint8_t kFin = 1;
constexpr size_t kMaxControl = 64 << 10;
constexpr size_t kMaxHeaders = 64 << 10;

enum Type : uint16_t { kSynStream = 1, kSynReply = 2, kRstStream = 3, kPing = 6, kGoAway = 7, kHeaders = 8 };

uint32_t number_at(std::string_view bytes, size_t at) {
  uint32_t out = 0;
  for (size_t i = 0; i < 4; ++i) out = out << 8 | static_cast<uint8_t>(bytes[at + i]);
  return out;
}

void add_number(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
}

void add_text(std::string& out, std::string_view text) {
  add_number(out, static_cast<uint32_t>(text.size()));
  out += text;
}

std::string control_frame(uint16_t type, std::string_view payload) {
  std::string out;
  add_number(out, kControl | static_cast<uint32_t>(kVersion) << 16 | type);
  add_number(out, static_cast<uint32_t>(payload.size()));
  return out.append(payload);
}

std::string two_numbers(uint16_t type, uint32_t first, uint32_t second) {
  std::string payload;
  add_number(payload, first);
  add_number(payload, second);
  return control_frame(type, payload);
}

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::bad_request, fmt::format("SPDY: {}", what));
}

Bytef* bytes_of(std::string_view text) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text.data()));
}

/// Reads texts with their lengths before them.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }
  std::optional<uint32_t> number() {
    if (bytes_.size() < 4) return std::nullopt;
    auto out = number_at(bytes_, 0);
    bytes_.remove_prefix(4);
    return out;
  }
  std::optional<std::string> text() {
    auto size = number();
    if (!size || bytes_.size() < *size) return std::nullopt;
    std::string out(bytes_.substr(0, *size));
    bytes_.remove_prefix(*size);
    return out;
  }

 private:
  std::string_view bytes_;
};

}  // namespace

Reader::Reader() : inflate_(new z_stream{}, {::inflateEnd}) {
  if (::inflateInit(inflate_.get()) != Z_OK) throw std::runtime_error("inflateInit failed");
}

Expected<std::optional<Frame>> Reader::next() {
  if (data_stream_ != 0) return data();
  if (buffer_.size() < kFrameHead) return std::nullopt;
  auto first = number_at(buffer_, 0);
  if (first & kControl) return control();
  if (first == 0) return malformed("data for stream 0");
  auto second = number_at(buffer_, 4);
  data_stream_ = first;
  data_fin_ = second >> 24 & kFin;
  data_left_ = second & 0xffffff;
  buffer_.erase(0, kFrameHead);
  return data();
}

std::optional<Frame> Reader::data() {
  if (buffer_.empty() && data_left_ > 0) return std::nullopt;
  auto size = std::min<size_t>(buffer_.size(), data_left_);
  data_left_ -= size;
  Data out{.stream = data_stream_, .fin = data_left_ == 0 && data_fin_, .bytes = buffer_.substr(0, size)};
  buffer_.erase(0, size);
  if (data_left_ == 0) data_stream_ = 0;
  return out;
}

Expected<std::optional<Frame>> Reader::control() {
  auto second = number_at(buffer_, 4);
  size_t length = second & 0xffffff;
  if (length > kMaxControl) return malformed(fmt::format("a control frame of {} bytes", length));
  if (buffer_.size() < kFrameHead + length) return std::nullopt;
  auto first = number_at(buffer_, 0);
  if ((first >> 16 & 0x7fff) != kVersion) return malformed("not version 3");
  auto type = static_cast<uint16_t>(first);
  std::string payload = buffer_.substr(kFrameHead, length);
  buffer_.erase(0, kFrameHead + length);

  auto number = [&](size_t at) { return number_at(payload, at); };
  auto too_short = [&](size_t size) { return payload.size() < size; };
  switch (type) {
    case kSynStream:
    case kSynReply:
    case kHeaders: {
      // SYN_STREAM has the stream it belongs to, a priority and a slot before the headers.
      size_t fixed = type == kSynStream ? 10 : 4;
      if (too_short(fixed)) return malformed("a frame with headers is too short");
      WEFT_TRY(auto found, headers(std::string_view(payload).substr(fixed)));
      return HeaderFrame{.kind = static_cast<HeaderKind>(type),
                         .stream = number(0) & ~kControl,
                         .fin = (second >> 24 & kFin) != 0,
                         .headers = std::move(found)};
    }
    case kRstStream:
      if (too_short(8)) return malformed("RST_STREAM is too short");
      return RstStream{.stream = number(0) & ~kControl, .status = number(4)};
    case kPing:
      if (too_short(4)) return malformed("PING is too short");
      return Ping{.id = number(0)};
    case kGoAway:
      if (too_short(8)) return malformed("GOAWAY is too short");
      return GoAway{.status = number(4)};
    default:
      return Ignored{.type = type};
  }
}

Expected<Headers> Reader::headers(std::string_view block) {
  WEFT_TRY(auto plain, inflated(block));
  Cursor cursor(plain);
  auto count = cursor.number();
  if (!count) return malformed("headers without their number");
  Headers out;
  for (uint32_t i = 0; i < *count; ++i) {
    auto name = cursor.text();
    auto value = name ? cursor.text() : std::nullopt;
    if (!value) return malformed("headers end early");
    out.emplace_back(std::move(*name), std::move(*value));
  }
  if (!cursor.done()) return malformed("bytes behind the headers");
  return out;
}

Expected<std::string> Reader::inflated(std::string_view block) {
  auto& z = *inflate_;
  z.next_in = bytes_of(block);
  z.avail_in = static_cast<uInt>(block.size());
  std::string out;
  char piece[4096];
  while (true) {
    z.next_out = reinterpret_cast<Bytef*>(piece);
    z.avail_out = sizeof piece;
    int result = ::inflate(&z, Z_SYNC_FLUSH);
    if (result == Z_NEED_DICT) {
      auto words = dictionary();
      result = ::inflateSetDictionary(&z, bytes_of(words), static_cast<uInt>(words.size()));
      if (result != Z_OK) return malformed("headers are compressed with another dictionary");
      continue;
    }
    out.append(piece, sizeof piece - z.avail_out);
    if (out.size() > kMaxHeaders) return malformed("headers are too large");
    // Without input left, Z_BUF_ERROR only says that there is nothing more to give.
    if (result == Z_BUF_ERROR && z.avail_in == 0) return out;
    if (result != Z_OK) return malformed("headers do not decompress");
    if (z.avail_in == 0 && z.avail_out > 0) return out;
  }
}

Writer::Writer() : deflate_(new z_stream{}, {::deflateEnd}) {
  auto words = dictionary();
  if (::deflateInit(deflate_.get(), Z_BEST_COMPRESSION) != Z_OK ||
      ::deflateSetDictionary(deflate_.get(), bytes_of(words), static_cast<uInt>(words.size())) != Z_OK) {
    throw std::runtime_error("deflateInit failed");
  }
}

std::string Writer::deflated(std::string_view block) {
  auto& z = *deflate_;
  z.next_in = bytes_of(block);
  z.avail_in = static_cast<uInt>(block.size());
  std::string out;
  char piece[4096];
  do {
    z.next_out = reinterpret_cast<Bytef*>(piece);
    z.avail_out = sizeof piece;
    ::deflate(&z, Z_SYNC_FLUSH);
    out.append(piece, sizeof piece - z.avail_out);
  } while (z.avail_out == 0);
  return out;
}

std::string Writer::headers(HeaderKind kind, uint32_t stream, const Headers& headers) {
  std::string block;
  add_number(block, static_cast<uint32_t>(headers.size()));
  for (const auto& [name, value] : headers) {
    add_text(block, name);
    add_text(block, value);
  }
  std::string payload;
  add_number(payload, stream);
  if (kind == HeaderKind::syn_stream) payload.append(6, '\0');
  payload += deflated(block);
  return control_frame(static_cast<uint16_t>(kind), payload);
}

std::string Writer::data(uint32_t stream, std::string_view bytes, bool fin) {
  std::string out;
  add_number(out, stream);
  add_number(out, (fin ? uint32_t{kFin} << 24 : 0) | static_cast<uint32_t>(bytes.size()));
  return out.append(bytes);
}

std::string Writer::rst_stream(uint32_t stream, uint32_t status) {
  return two_numbers(kRstStream, stream, status);
}

std::string Writer::ping(uint32_t id) {
  std::string payload;
  add_number(payload, id);
  return control_frame(kPing, payload);
}

std::string Writer::go_away(uint32_t last_stream, uint32_t status) {
  return two_numbers(kGoAway, last_stream, status);
}

}  // namespace weft::standalone::spdy
