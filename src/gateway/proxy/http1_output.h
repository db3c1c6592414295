#pragma once

#include "gateway/proxy/connection.h"

namespace weft::gateway {

/// Sends the body of an HTTP/1 message that goes out.
class Http1Output {
 public:
  void start(const Body& body) { kind_ = body.kind, remaining_ = body.length; }
  BodyKind kind() const { return kind_; }
  /// Bytes beyond the length that the head said are left out. Whether more is welcome.
  bool send(Connection& connection, std::string_view data, bool end);
  void send_trailers(Connection& connection, const Fields& trailers);
  /// Fewer bytes went out than the head said.
  bool is_short() const { return kind_ == BodyKind::length && remaining_ > 0; }

 private:
  BodyKind kind_ = BodyKind::none;
  uint64_t remaining_ = 0;
};

}  // namespace weft::gateway
