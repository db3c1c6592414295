#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/http/message.h"

/// The border between the codecs (HTTP/1.1, HTTP/2; they know connections and bytes) and what is done with a
/// request (it knows messages). A stream is one request and its answer. A codec implements ServerStream (its
/// peer is a client) or ClientStream (its peer is a backend) and tells what came by the matching …Events.
///
/// Everything happens on the thread of one event loop. What holds for all streams:
///
/// - Order: head, body pieces, trailers; each side's `end` is said once, with the last of them. Informational
///   heads come before the head.
/// - Calls go both ways while a call is under way: an event may be answered inside its handler. The two
/// exceptions:
///   pause(false) never brings an event before it returns, and an object told of its stream's end in a call
///   is not destroyed before that call has returned (Loop::dispose).
/// - Life: a stream is over with the end of the answer (of a tunnel: with the ends of both sides), with
/// on_reset()
///   (said by the codec), or with reset() (said by its user). From then on neither calls the other. What is
///   left of the request then is nobody's: the codec of the client throws it away, that of the backend takes
///   no more. A stream belongs to its codec; the events object belongs to whoever gave it.
/// - Views given to a call live until it returns, except heads (next point).
/// - Heads: the codec reads a head into the events object's own head and arena, where it stays until the
/// stream is
///   over. A head that is written is not kept by the codec.
/// - Backpressure, towards the peer: send_body() takes everything, and answers whether more is welcome; after
///   `false` on_writable() is told when it is. Who goes on all the same only makes the buffer grow. From the
///   peer: after pause(true) no body or trailers are told of, but for what a call under way still brings; the
///   codec stops reading (HTTP/1) or opens no window (HTTP/2).
/// - Upgrade: a request with RequestHead::upgrade says `end` with its head. When its answer, a 101 or a 2xx
/// with
///   ResponseHead::upgrade, has been told and sent, both bodies begin (anew) and are the tunnel's bytes;
///   `end` is the half-close of a side.
namespace weft::gateway {

/// Why a stream ended before its time.
enum class Reset : uint8_t {
  connect_failed,  ///< no connection to the backend; nothing was sent
  tls_failed,      ///< the same, for its certificate or our handshake
  refused,         ///< the peer has not looked at the request (REFUSED_STREAM, GOAWAY); it may be sent again
  closed_unused,  ///< a kept connection ended before any byte of an answer; an idempotent request may be sent
                  ///< again
  closed,         ///< the connection ended
  protocol_error,  ///< the peer sent what the protocol does not know
  cancelled,       ///< the peer wants no more of this stream (RST_STREAM, a client that left)
  timeout,         ///< the peer was too slow
};

class Stream {
 public:
  virtual bool send_body(std::string_view data, bool end) = 0;
  virtual void send_trailers(const Fields& trailers) = 0;  ///< the end
  virtual void pause(bool paused) = 0;
  /// The answer, or the request, cannot be brought to its end.
  virtual void reset(Reset why) = 0;

 protected:
  ~Stream() = default;
};

class StreamEvents {
 public:
  /// Where the codec puts the texts of heads and trailers.
  virtual Arena& arena() = 0;
  virtual void on_body(std::string_view data, bool end) = 0;
  virtual void on_trailers(const Fields& trailers) = 0;
  virtual void on_writable() = 0;
  virtual void on_reset(Reset why) = 0;

 protected:
  ~StreamEvents() = default;
};

/// Of a client's request: the answer goes in here.
class ServerStream : public Stream {
 public:
  /// 1xx but 101. Not sent to those who would not understand it (HTTP/1.0).
  virtual void send_informational(const ResponseHead& head) = 0;
  /// `body` is what the head shall say; with `end` no body follows all the same (HEAD, 304, none).
  virtual bool send_head(const ResponseHead& head, Body body, bool end) = 0;
};

class ServerStreamEvents : public StreamEvents {
 public:
  /// Where the codec puts the head before it calls on_request().
  virtual RequestHead& request() = 0;
  virtual void on_request(Body body, bool end) = 0;
};

/// Of a request to a backend.
class ClientStream : public Stream {
 public:
  /// The connection to the backend stands: what is sent goes out.
  virtual bool connected() const = 0;
  virtual bool send_head(const RequestHead& head, Body body, bool end) = 0;
};

class ClientStreamEvents : public StreamEvents {
 public:
  virtual ResponseHead& response() = 0;
  /// Told once and before all else, unless the stream was connected() from the start. Until then
  /// on_reset(connect_failed or tls_failed) means that nothing has left.
  virtual void on_connected() = 0;
  /// A 1xx but 100 and 101, in response().
  virtual void on_informational() = 0;
  virtual void on_response(Body body, bool end) = 0;
};

/// What a listener's codecs ask for somebody who takes the next request.
class RequestHandler {
 public:
  /// `stream` says respond with; the events live until the stream is over.
  virtual ServerStreamEvents& on_stream(ServerStream& stream) = 0;

 protected:
  ~RequestHandler() = default;
};

}  // namespace weft::gateway
