#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/http/message.h"

/// Heads of HTTP/1 messages (RFC 9112), read strictly: what two readers could understand differently is
/// refused, for that is what request smuggling lives on. Lines end with CR LF, never with one of them alone.
namespace weft::gateway::http1 {

struct Limits {
  size_t head = size_t{32} << 10;    ///< bytes of a head
  size_t target = size_t{16} << 10;  ///< bytes of a request's target
  size_t fields = 128;               ///< of a head, or of trailers
  size_t trailers = size_t{8} << 10;
};

/// Looks for the end of a head in bytes that come bit by bit.
class HeadScanner {
 public:
  /// `data` begins where the head begins, and with what was there in the last call. The head's size when it
  /// is there whole; 0: more is needed. A head that cannot become a good one, or is too long, has a
  /// `status()`.
  size_t scan(std::string_view data, const Limits& limits);
  /// What to answer when scan() gave up: 400, 414 or 431; else 0.
  uint16_t status() const { return status_; }
  void reset() { *this = HeadScanner(); }

 private:
  size_t line_ = 0;  ///< where the line begins that is being looked at
  size_t seen_ = 0;
  uint16_t status_ = 0;
};

/// What a head says about its connection.
struct Connection {
  bool keep_alive = false;
  bool http10 = false;
  bool expects_continue = false;  ///< Expect: 100-continue
};

/// Reads a whole head, as found by HeadScanner, into `head` (made empty before) and `arena`, where all its
/// texts are. 0, or what to answer: 400, 414, 417, 431, 501 (transfer codings, CONNECT), 505. `head.scheme`
/// is not touched. The path is as it came.
uint16_t read_request(std::string_view bytes, const Limits& limits, RequestHead& head, Arena& arena,
                      Body& body, Connection& connection);

/// The same for a response; false: not to be understood. `to_head`: it answers a HEAD request. `body.kind` is
/// what the head says even where no body follows: see has_body().
bool read_response(std::string_view bytes, const Limits& limits, bool to_head, ResponseHead& head,
                   Arena& arena, Body& body, Connection& connection);

/// Whether bytes of a body follow such a head (RFC 9112, 6.3).
bool has_body(uint16_t status, bool to_head, const Body& body);

/// Lines of fields, each with its CR LF, without the empty line behind them (of trailers). Those that must
/// not be there (framing, routing, the connection's) are left out. False: malformed, or too many.
bool read_trailers(std::string_view bytes, const Limits& limits, Fields& fields, Arena& arena);

}  // namespace weft::gateway::http1
