#include "gateway/proxy/session.h"

#include "gateway/proxy/exchange.h"
#include "gateway/proxy/http1_server.h"
#include "gateway/proxy/worker.h"

namespace weft::gateway {

void Session::start(Fd socket, bool tls) {
  tls_ = tls;
  SslPtr ssl = tls ? worker_.tls().session(*this) : nullptr;
  if (tls && !ssl) return end();
  connection_ = Connection::accept(worker_.loop(), std::move(socket), std::move(ssl), *this);
  if (!connection_) return end();
  if (!tls) return on_open();
  worker_.loop().set_timer(timer_, worker_.options().server.head_time);
}

void Session::drain() {
  draining_ = true;
  if (codec_) codec_->drain();
}

void Session::on_open() {
  timer_.clear();
  RequestHandler& handler = *this;
  ServerCodecOwner& owner = *this;
  auto codec = std::make_unique<Http1Server>(std::move(connection_), tls_ ? "https" : "http",
                                             worker_.options().server, handler, owner);
  Http1Server& http1 = *codec;
  codec_ = std::move(codec);
  http1.start();
  if (draining_ && codec_) codec_->drain();
}

ServerStreamEvents& Session::on_stream(ServerStream& stream) {
  Exchange& exchange = worker_.take_exchange();
  exchange.begin(*this, stream);
  return exchange;
}

const ListenerTls* Session::choose(std::string_view server_name) {
  server_name_ = server_name;
  const Compiled& compiled = *worker_.view()->compiled;
  const CompiledPort* port = compiled.port(bind_port_);
  const CompiledListener* listener = port ? port->listener(server_name) : nullptr;
  return listener ? compiled.tls(listener->config()) : nullptr;
}

void Session::end() {
  timer_.clear();
  if (connection_) Connection::dispose(std::move(connection_));
  if (codec_) worker_.loop().dispose(std::move(codec_));
  worker_.on_session_done(*this);
}

}  // namespace weft::gateway
