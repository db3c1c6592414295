#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace weft::standalone::sandbox {

/// One call of grpc.health.v1.Health/Check over HTTP/2 without TLS; bytes in, bytes out, no I/O.
class GrpcHealthCheck {
 public:
  GrpcHealthCheck(const std::string& service, const std::string& authority);
  ~GrpcHealthCheck();

  /// What to send now.
  std::string to_send();
  /// What came from the server.
  void received(std::string_view bytes);
  bool done() const;
  /// The server says SERVING. Valid when done.
  bool serving() const;
  std::string message() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::standalone::sandbox
