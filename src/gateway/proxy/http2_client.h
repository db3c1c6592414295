#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "gateway/proxy/client_codec.h"
#include "gateway/proxy/http2_session.h"

namespace weft::gateway {

class Http2Client;

/// A request to a backend, and its answer.
class Http2ClientStream final : public Http2SideStream<ClientStream> {
 public:
  explicit Http2ClientStream(Http2Client& client);
  bool connected() const override;
  bool send_head(const RequestHead& head, Body body, bool end) override;

 private:
  friend class Http2Client;
  ClientStreamEvents& events() const;

  Http2Client& client_;
  std::optional<uint64_t> length_;
};

/// HTTP/2 with an endpoint, by prior knowledge or ALPN: many requests at a time.
class Http2Client final : public ClientCodec, private Http2Session {
 public:
  /// Connects. `tls`: see Connection::connect.
  Http2Client(Loop& loop, const IpAddr& addr, uint16_t port, SslPtr tls, const ClientLimits& limits,
              ClientCodecOwner& owner);
  ~Http2Client() override = default;
  ClientStream& open(ClientStreamEvents& events) override;
  bool has_room() const override;
  void drain() override;

 private:
  friend class Http2ClientStream;

  Http2Stream* on_begin(int32_t) override { return nullptr; }
  bool on_head_field(Http2Stream& stream, std::string_view name, std::string_view value) override;
  void on_head(Http2Stream& stream, bool end) override;
  void on_in_ended(Http2Stream& stream) override;
  void on_out_sent(Http2Stream&) override {}
  void on_stream_gone() override;
  void on_connected() override;
  void on_closed() override { owner_.on_codec_done(*this); }
  uint64_t on_tick(uint64_t now) override;

  const ClientLimits& limits_;
  ClientCodecOwner& owner_;
  std::string_view scheme_;
  uint64_t idle_since_ = 0;
  bool draining_ = false;
};

}  // namespace weft::gateway
