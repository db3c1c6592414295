#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "standalone/sandbox/echo.h"

namespace weft::standalone::sandbox {

/// What an HTTP/2 connection begins with (RFC 9113, 3.4).
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One HTTP/2 connection of weft/echo: bytes in, bytes out. Ordinary requests get the answers of HTTP/1.1 (at
/// once, /delay too); of gRPC, grpc.health.v1.Health/Check says SERVING, Watch says it and stays open, and
/// any other method gets its own messages back.
class EchoHttp2 {
 public:
  EchoHttp2(const EchoIdentity& identity, std::string client);
  ~EchoHttp2();
  EchoHttp2(const EchoHttp2&) = delete;
  EchoHttp2& operator=(const EchoHttp2&) = delete;
  /// False: the peer broke the protocol; close after sending.
  bool received(std::string_view bytes);
  std::string to_send();
  /// No more new streams (GOAWAY).
  void shut_down();
  /// Nothing more will come or go.
  bool finished() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::standalone::sandbox
