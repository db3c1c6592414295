#pragma once

#include <memory>
#include <string>

#include "gateway/proxy/connection.h"
#include "gateway/proxy/server_codec.h"
#include "gateway/proxy/stream.h"
#include "gateway/proxy/tls_server.h"

namespace weft::gateway {

class Worker;
struct View;

/// A client's connection: TLS where the port has it, then the codec for what the client speaks.
class Session final : private Connection::Events,
                      private RequestHandler,
                      private ServerCodecOwner,
                      private TlsChooser,
                      private TimerOwner {
 public:
  Session(Worker& worker, const IpAddr& peer, uint16_t bind_port)
      : worker_(worker), client_(peer), peer_(peer.str()), bind_port_(bind_port) {}
  void start(Fd socket, bool tls);
  /// No new requests; those that come before the client knows are served by `last`, if there is one.
  void drain(std::shared_ptr<const View> last = nullptr);
  /// What a request that begins now goes by.
  const std::shared_ptr<const View>& view() const;

  Worker& worker() const { return worker_; }
  const IpAddr& client() const { return client_; }
  const std::string& peer() const { return peer_; }  ///< the client, as text
  uint16_t bind_port() const { return bind_port_; }
  bool is_tls() const { return tls_; }
  /// TLS, if any, has been negotiated, and the client has begun to speak.
  bool is_open() const { return codec_ != nullptr; }
  /// The server name that the client asked for, in lower case.
  const std::string& server_name() const { return server_name_; }

  size_t slot = 0;  ///< its worker's

 private:
  void on_open() override;
  void on_open_failed(Reset) override { end(); }
  void on_readable() override;
  void on_drained() override {}
  ServerStreamEvents& on_stream(ServerStream& stream) override;
  void on_codec_done(ServerCodec&) override { end(); }
  void speak(bool http2);
  const ListenerTls* choose(std::string_view server_name) override;
  void on_timer(Timer&) override { end(); }
  void end();

  Worker& worker_;
  IpAddr client_;
  std::string peer_;
  std::string server_name_;
  std::unique_ptr<Connection> connection_;  ///< until there is a codec
  std::unique_ptr<ServerCodec> codec_;
  std::shared_ptr<const View> last_;
  Timer timer_{*this};
  uint16_t bind_port_;
  bool tls_ = false;
  bool draining_ = false;
};

}  // namespace weft::gateway
