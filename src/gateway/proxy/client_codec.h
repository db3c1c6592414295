#pragma once

#include <cstddef>
#include <cstdint>

#include "gateway/http/http1_head.h"
#include "gateway/proxy/stream.h"

namespace weft::gateway {

/// What speaks with a backend's endpoint on one connection, in whatever version of HTTP.
class ClientCodec {
 public:
  virtual ~ClientCodec() = default;
  /// Begins a stream; only while has_room().
  virtual ClientStream& open(ClientStreamEvents& events) = 0;
  virtual bool has_room() const = 0;
  /// Whether an idle connection has been closed by its peer though we have not been told yet (a system call).
  virtual bool is_stale() const { return false; }
  /// No new streams: ends when those under way have ended, at once if there are none.
  virtual void drain() = 0;

  size_t slot = 0;  ///< its owner's
};

class ClientCodecOwner {
 public:
  /// A stream has ended and there is room for another, or (HTTP/2) the peer allows more than before.
  virtual void on_codec_room(ClientCodec& codec) = 0;
  /// The connection has ended; `codec` is to be given to Loop::dispose.
  virtual void on_codec_done(ClientCodec& codec) = 0;

 protected:
  ~ClientCodecOwner() = default;
};

/// Milliseconds.
struct ClientLimits {
  http1::Limits head;
  uint64_t connect_time = 3'000;  ///< TLS included
  uint64_t idle_time =
      4'000;  ///< below what the usual servers allow (5 s), so that we are the one who closes
};

}  // namespace weft::gateway
