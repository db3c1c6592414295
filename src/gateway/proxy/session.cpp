#include "gateway/proxy/session.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "gateway/proxy/exchange.h"
#include "gateway/proxy/http1_server.h"
#include "gateway/proxy/http2_server.h"
#include "gateway/proxy/worker.h"

namespace weft::gateway {

namespace {

/// A client that has said nothing may be left after so many ms when there is to be an end.
constexpr uint64_t kQuiet = 1000;

}  // namespace

void Session::start(Fd socket, bool tls) {
  tls_ = tls;
  SslPtr ssl = tls ? worker_.tls().session(*this) : nullptr;
  if (tls && !ssl) return end();
  connection_ = Connection::accept(worker_.loop(), std::move(socket), std::move(ssl), *this);
  if (!connection_) return end();
  worker_.loop().set_timer(timer_, worker_.options().server.head_time);
}

void Session::drain(std::shared_ptr<const View> last) {
  draining_ = true;
  if (!last_) last_ = std::move(last);
  if (codec_)
    codec_->drain();
  else
    worker_.loop().set_timer(timer_, kQuiet);
}

const std::shared_ptr<const View>& Session::view() const { return last_ ? last_ : worker_.view(); }

void Session::on_open() { speak(speaks_http2(connection_->tls())); }

/// Without TLS the first bytes say whether it is HTTP/2 (RFC 9113, 3.3); they stay in the socket.
void Session::on_readable() {
  if (connection_->tls()) return;
  std::array<char, kHttp2Preface.size()> bytes;
  ssize_t got = ::recv(connection_->fd(), bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return end();
  std::string_view first(bytes.data(), static_cast<size_t>(got));
  if (!kHttp2Preface.starts_with(first)) return speak(false);
  if (first.size() == kHttp2Preface.size()) speak(true);
}

void Session::speak(bool http2) {
  timer_.clear();
  RequestHandler& handler = *this;
  ServerCodecOwner& owner = *this;
  auto begin = [&]<class Codec>(std::unique_ptr<Codec> codec) {
    Codec& began = *codec;
    codec_ = std::move(codec);
    began.start();
  };
  const ServerLimits& limits = worker_.options().server;
  const char* scheme = tls_ ? "https" : "http";
  if (http2)
    begin(std::make_unique<Http2Server>(std::move(connection_), scheme, limits, handler, owner));
  else
    begin(std::make_unique<Http1Server>(std::move(connection_), scheme, limits, handler, owner));
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
