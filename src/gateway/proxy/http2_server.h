#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/proxy/http2_session.h"
#include "gateway/proxy/server_codec.h"

namespace weft::gateway {

/// What a client that speaks HTTP/2 sends first (RFC 9113, 3.4).
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Http2Server;

/// A request of a client, and its answer.
class Http2ServerStream final : public Http2SideStream<ServerStream> {
 public:
  Http2ServerStream(Http2Server& server, int32_t id);
  void send_informational(const ResponseHead& head) override;
  bool send_head(const ResponseHead& head, Body body, bool end) override;

 private:
  friend class Http2Server;
  ServerStreamEvents& events() const;

  Http2Server& server_;
  std::string_view host_;  ///< the Host field
  std::optional<uint64_t> length_;
  size_t cookies_ = 0;
  bool expects_continue_ = false;
};

/// HTTP/2 with a client, agreed on by ALPN or known before (RFC 9113, 3.3).
class Http2Server final : public ServerCodec, private Http2Session {
 public:
  /// `connection` is open. `scheme` is a literal.
  Http2Server(std::unique_ptr<Connection> connection, std::string_view scheme, const ServerLimits& limits,
              RequestHandler& handler, ServerCodecOwner& owner);
  ~Http2Server() override = default;
  /// Reads what is there already.
  void start();
  void drain() override;

 private:
  friend class Http2ServerStream;

  Http2Stream* on_begin(int32_t id) override;
  bool on_head_field(Http2Stream& stream, std::string_view name, std::string_view value) override;
  void on_head(Http2Stream& stream, bool end) override;
  void on_head_waits() override;
  void on_in_ended(Http2Stream&) override {}
  void on_out_sent(Http2Stream& stream) override;
  void on_stream_gone() override;
  void on_closed() override { owner_.on_codec_done(*this); }
  uint64_t on_tick(uint64_t now) override;

  /// Whether the head is one; else it is malformed.
  bool finish_head(Http2ServerStream& stream, RequestHead& head);
  /// Answers with a status alone.
  void refuse(Http2ServerStream& stream, uint16_t status);

  std::string_view scheme_;
  const ServerLimits& limits_;
  RequestHandler& handler_;
  ServerCodecOwner& owner_;
  uint64_t idle_since_ = 0;
  bool draining_ = false;
};

}  // namespace weft::gateway
