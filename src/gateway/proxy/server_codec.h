#pragma once

#include <cstddef>
#include <cstdint>

#include "gateway/http/http1_head.h"

namespace weft::gateway {

/// Milliseconds that a client may take, and how much it may send.
struct ServerLimits {
  http1::Limits head;
  uint64_t head_time = 10'000;       ///< from a head's first byte (or the connection's begin) to its last
  uint64_t idle_time = 75'000;       ///< between requests
  uint64_t body_time = 60'000;       ///< without a byte of a body, in either direction
  uint64_t tunnel_time = 3'600'000;  ///< without a byte through a tunnel
};

/// What speaks with a client on one connection, in whatever version of HTTP.
class ServerCodec {
 public:
  virtual ~ServerCodec() = default;
  /// No new requests: answers what has come, then ends.
  virtual void drain() = 0;

  size_t slot = 0;  ///< its owner's
};

class ServerCodecOwner {
 public:
  /// The connection has ended; `codec` is to be given to Loop::dispose.
  virtual void on_codec_done(ServerCodec& codec) = 0;

 protected:
  ~ServerCodecOwner() = default;
};

}  // namespace weft::gateway
