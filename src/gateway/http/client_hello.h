#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// What a TLS connection says before anything is answered, to choose who answers (RFC 8446, 4.1.2 and 5.1;
/// RFC 6066, 3).
namespace weft::gateway {

struct ClientHello {
  enum class State : uint8_t {
    more,  ///< not all of it is there yet
    read,
    bad,  ///< not TLS, malformed, or longer than kLongest
  };
  /// Bytes of a connection after which it is no longer waited for the end of the message.
  static constexpr size_t kLongest = size_t{32} << 10;

  State state = State::more;
  std::string server_name;  ///< in lower case, without a dot at its end; empty: it names none
};

/// `bytes`: all that has come so far.
ClientHello read_client_hello(std::string_view bytes);

}  // namespace weft::gateway
