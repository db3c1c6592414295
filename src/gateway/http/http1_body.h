#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/http1_head.h"
#include "gateway/http/message.h"

/// Bodies of HTTP/1 messages (RFC 9112, 6 and 7).
namespace weft::gateway::http1 {

/// Takes bodies apart as their bytes come.
class BodyReader {
 public:
  enum class State : uint8_t {
    more,  ///< all is read; more has to come
    data,  ///< `data` is a piece of the body; call again with what is behind `used`
    end,   ///< the body is over; what is behind `used` is not its
    bad,   ///< malformed, or trailers beyond the limits
  };
  struct Step {
    State state;
    size_t used = 0;
    std::string_view data;  ///< a view of the input
  };

  void start(const Body& body);
  Step read(std::string_view input, const Limits& limits);
  /// Of BodyKind::length: how much is to come.
  uint64_t remaining() const { return remaining_; }
  /// Nothing of the body is to come, not even its end.
  bool at_end() const { return at_ == At::done; }
  /// Of BodyKind::close.
  bool ends_with_connection() const { return at_ == At::close; }
  /// The lines of the trailers, for read_trailers(); empty: none.
  std::string_view trailers() const { return trailers_; }

 private:
  enum class At : uint8_t { length, close, size, extension, size_lf, data_cr, data_lf, trailer, done };
  Step read_chunked(std::string_view input, const Limits& limits);
  bool read_framing(char c, const Limits& limits);
  bool read_trailer(char c, const Limits& limits);

  At at_ = At::done;
  bool in_chunk_ = false;
  uint8_t size_digits_ = 0;
  uint16_t extension_ = 0;
  uint64_t remaining_ = 0;
  size_t line_ = 0;  ///< of the trailers: where the last line begins
  std::string trailers_;
};

/// What stands before a chunk of `size` bytes, written to `to` (room for 18); its length. Behind the chunk
/// stands kChunkEnd, at the end kLastChunk with the trailers' lines and an empty line.
size_t write_chunk_size(size_t size, char* to);
inline constexpr size_t kChunkSizeMax = 18;
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n";

}  // namespace weft::gateway::http1
