#pragma once

#include <memory>

#include "gateway/http/http1_body.h"
#include "gateway/proxy/client_codec.h"
#include "gateway/proxy/connection.h"
#include "gateway/proxy/http1_output.h"

namespace weft::gateway {

/// HTTP/1.1 with an endpoint: one request after the other.
class Http1Client final : public ClientCodec,
                          private Connection::Events,
                          private ClientStream,
                          private TimerOwner {
 public:
  /// Connects. `tls`: see Connection::connect.
  Http1Client(Loop& loop, const IpAddr& addr, uint16_t port, SslPtr tls, const ClientLimits& limits,
              ClientCodecOwner& owner);
  ClientStream& open(ClientStreamEvents& events) override;
  bool has_room() const override { return answer_ == Answer::idle; }
  void drain() override;
  bool is_stale() const override;

 private:
  enum class Answer : uint8_t { idle, head, body, tunnel, closed };

  void on_open() override;
  void on_open_failed(Reset why) override;
  void on_readable() override;
  void on_drained() override;
  void on_timer(Timer& timer) override;

  bool connected() const override { return connection_->is_open(); }
  bool send_head(const RequestHead& head, Body body, bool end) override;
  bool send_body(std::string_view data, bool end) override;
  void send_trailers(const Fields& trailers) override;
  void pause(bool paused) override;
  void reset(Reset why) override;

  bool wants_bytes() const;
  size_t take(std::string_view bytes);
  size_t take_head(std::string_view bytes);
  size_t take_body(std::string_view bytes);
  void peer_ended(bool failed);
  /// The stream is over: the connection becomes idle or ends. Who is to be told.
  ClientStreamEvents* ended();
  void close(Reset why);

  std::unique_ptr<Connection> connection_;
  const ClientLimits& limits_;
  ClientCodecOwner& owner_;
  ClientStreamEvents* events_ = nullptr;
  Buffer in_;
  http1::HeadScanner scanner_;
  http1::BodyReader body_;
  Http1Output out_;
  Timer timer_{*this};
  Answer answer_ = Answer::idle;
  bool used_ = false;   ///< a stream has ended on it
  bool began_ = false;  ///< a byte of the answer has come
  bool to_head_ = false;
  bool asked_upgrade_ = false;
  bool sent_ = false;  ///< the request is out as a whole
  bool keep_alive_ = false;
  bool paused_ = false;
  bool draining_ = false;
  bool in_ended_ = false;  ///< of a tunnel
};

}  // namespace weft::gateway
