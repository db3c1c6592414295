#pragma once

#include <memory>

#include "gateway/http/http1_body.h"
#include "gateway/http/http1_head.h"
#include "gateway/proxy/connection.h"
#include "gateway/proxy/http1_output.h"
#include "gateway/proxy/server_codec.h"
#include "gateway/proxy/stream.h"

namespace weft::gateway {

/// HTTP/1 with a client: one request after the other. What a client sends ahead waits until the answer before
/// it has been written.
class Http1Server final : public ServerCodec,
                          private Connection::Events,
                          private ServerStream,
                          private TimerOwner {
 public:
  /// `connection` is open. `scheme` is a literal.
  Http1Server(std::unique_ptr<Connection> connection, std::string_view scheme, const ServerLimits& limits,
              RequestHandler& handler, ServerCodecOwner& owner);
  ~Http1Server() override = default;
  /// Reads what is there already.
  void start();
  void drain() override;

 private:
  enum class Request : uint8_t {
    head,  ///< waiting for one, or it has begun
    body,  ///< told to the events
    rest,  ///< of a body whose answer has been sent; thrown away
    done,  ///< waiting for the answer's end
    tunnel,
    linger,  ///< the last answer has been sent; thrown away, so that the client gets to read it
    closed,
  };
  enum class Answer : uint8_t { none, body, tunnel, ended };

  void on_open() override {}
  void on_open_failed(Reset) override {}
  void on_readable() override;
  void on_drained() override;
  void on_timer(Timer& timer) override;

  void send_informational(const ResponseHead& head) override;
  bool send_head(const ResponseHead& head, Body body, bool end) override;
  bool send_body(std::string_view data, bool end) override;
  void send_trailers(const Fields& trailers) override;
  void pause(bool paused) override;
  void reset(Reset why) override;

  bool wants_bytes() const;
  void take_waiting();
  /// How many of the bytes were taken.
  size_t take(std::string_view bytes);
  size_t take_head(std::string_view bytes);
  size_t take_body(std::string_view bytes);
  size_t take_rest(std::string_view bytes);
  size_t take_tunnel(std::string_view bytes);
  void request_ended();
  void peer_ended(bool failed);
  void tunnel_ended();
  void refuse(uint16_t status);
  void send_continue();
  Body framing(const ResponseHead& head, Body body, bool end) const;
  void answer_ended();
  void next_request();
  void leave();
  void linger();
  void close(Reset why);
  uint64_t allowed() const;

  std::unique_ptr<Connection> connection_;
  std::string_view scheme_;
  const ServerLimits& limits_;
  RequestHandler& handler_;
  ServerCodecOwner& owner_;
  ServerStreamEvents* events_ = nullptr;  ///< of the request that is answered
  Buffer in_;                             ///< what has come and could not be worked on yet
  http1::HeadScanner scanner_;
  http1::BodyReader body_;
  http1::Connection said_;  ///< by the request's head
  Http1Output out_;
  uint64_t head_since_ = 0;  ///< when the head, or the lingering, began; 0: neither
  size_t thrown_away_ = 0;
  Timer timer_{*this};
  Request request_ = Request::head;
  Answer answer_ = Answer::none;
  bool to_head_ = false;
  bool paused_ = false;
  bool draining_ = false;
  bool closing_ = false;    ///< the answer says that the connection ends
  bool in_ended_ = false;   ///< the client sends no more
  bool out_ended_ = false;  ///< of a tunnel
};

}  // namespace weft::gateway
