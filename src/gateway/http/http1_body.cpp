#include "gateway/http/http1_body.h"

#include <algorithm>
#include <charconv>

#include "gateway/http/chars.h"

namespace weft::gateway::http1 {

namespace {

constexpr uint16_t kExtensionMax = 1024;

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void BodyReader::start(const Body& body) {
  at_ = body.kind == BodyKind::length    ? At::length
        : body.kind == BodyKind::chunked ? At::size
        : body.kind == BodyKind::close   ? At::close
                                         : At::done;
  remaining_ = body.kind == BodyKind::length ? body.length : 0;
  if (at_ == At::length && remaining_ == 0) at_ = At::done;
  in_chunk_ = false;
  size_digits_ = 0;
  extension_ = 0;
  line_ = 0;
  trailers_.clear();
}

BodyReader::Step BodyReader::read(std::string_view input, const Limits& limits) {
  switch (at_) {
    case At::done:
      return {State::end};
    case At::close:
      return {input.empty() ? State::more : State::data, input.size(), input};
    case At::length: {
      if (input.empty()) return {State::more};
      std::string_view piece =
          input.substr(0, static_cast<size_t>(std::min<uint64_t>(remaining_, input.size())));
      remaining_ -= piece.size();
      if (remaining_ == 0) at_ = At::done;
      return {State::data, piece.size(), piece};
    }
    default:
      return read_chunked(input, limits);
  }
}

BodyReader::Step BodyReader::read_chunked(std::string_view input, const Limits& limits) {
  size_t used = 0;
  while (used < input.size()) {
    if (in_chunk_) {
      auto size = static_cast<size_t>(std::min<uint64_t>(remaining_, input.size() - used));
      remaining_ -= size;
      if (remaining_ == 0) in_chunk_ = false;
      return {State::data, used + size, input.substr(used, size)};
    }
    if (!read_framing(input[used++], limits)) return {State::bad, used};
    if (at_ == At::done) return {State::end, used};
  }
  return {State::more, used};
}

bool BodyReader::read_framing(char c, const Limits& limits) {
  switch (at_) {
    case At::size: {
      int digit = hex(c);
      if (digit >= 0) {
        remaining_ = remaining_ * 16 + static_cast<uint64_t>(digit);
        return ++size_digits_ <= 15;
      }
      if (size_digits_ == 0) return false;
      size_digits_ = 0;
      at_ = c == ';' ? At::extension : At::size_lf;
      return c == ';' || c == '\r';
    }
    case At::extension:
      if (c == '\r') {
        at_ = At::size_lf;
        return true;
      }
      return chars::kValue[static_cast<unsigned char>(c)] && ++extension_ <= kExtensionMax;
    case At::size_lf:
      in_chunk_ = remaining_ > 0;
      at_ = in_chunk_ ? At::data_cr : At::trailer;
      return c == '\n';
    case At::data_cr:
      at_ = At::data_lf;
      return c == '\r';
    case At::data_lf:
      at_ = At::size;
      return c == '\n';
    case At::trailer:
      return read_trailer(c, limits);
    default:
      return false;
  }
}

bool BodyReader::read_trailer(char c, const Limits& limits) {
  trailers_.push_back(c);
  if (trailers_.size() > limits.trailers) return false;
  if (c != '\n') return true;
  size_t line = trailers_.size() - line_;
  if (line < 2 || trailers_[trailers_.size() - 2] != '\r') return false;
  if (line == 2) {
    trailers_.resize(line_);
    at_ = At::done;
  }
  line_ = trailers_.size();
  return true;
}

size_t write_chunk_size(size_t size, char* to) {
  char* end = std::to_chars(to, to + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<size_t>(end - to);
}

}  // namespace weft::gateway::http1
