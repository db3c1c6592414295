#include "gateway/proxy/stream_server.h"

#include <algorithm>

#include "gateway/proxy/stream_targets.h"
#include "gateway/proxy/worker.h"

namespace weft::gateway {

bool StreamServer::takes(const CompiledPort& port) {
  return std::ranges::any_of(port.config().listeners, [](const auto& listener) {
    return listener->protocol == Protocol::tcp || listener->protocol == Protocol::tls;
  });
}

void StreamServer::accept(Fd socket, const IpAddr& peer, uint16_t bind_port) {
  const CompiledPort& port = *worker_.view()->compiled->port(bind_port);
  const CompiledListener* any = port.listener("");
  if (any && any->config().protocol == Protocol::tcp) return relay(std::move(socket), *any, any->stream(""));
  HelloReader::Owner& owner = *this;
  auto reader = std::make_unique<HelloReader>(worker_.loop(), std::move(socket), owner);
  HelloReader& began = *reader;
  waiting_.emplace(&began, Waiting{std::move(reader), peer, bind_port});
  began.start();
}

void StreamServer::on_hello(HelloReader& reader, Fd socket, ClientHello hello) {
  Waiting waiting = std::move(waiting_.extract(&reader).mapped());
  worker_.loop().dispose(std::move(waiting.reader));
  // The port may have gone in the meantime.
  const CompiledPort* port = worker_.view()->compiled->port(waiting.bind_port);
  bool read = port && hello.state == ClientHello::State::read;
  const CompiledListener* listener = read ? port->listener(hello.server_name) : nullptr;
  if (!listener) return worker_.on_stream_done();
  if (listener->config().protocol != Protocol::tls)
    return worker_.begin_session(std::move(socket), waiting.peer, waiting.bind_port, true);
  relay(std::move(socket), *listener, listener->stream(hello.server_name));
}

void StreamServer::relay(Fd socket, const CompiledListener& listener, const CompiledStream* stream) {
  Relay made{.compiled = worker_.view()->compiled};
  StreamTargets targets =
      stream ? stream_targets(*stream, *made.compiled->snapshot, turn_++) : StreamTargets();
  if (targets.endpoints.empty()) return worker_.on_stream_done();
  bool passes_tls = listener.config().protocol == Protocol::tls && !stream->route->terminate;
  SslPtr client_tls;
  if (stream->route->terminate) {
    made.terminator = std::make_unique<Terminator>();
    made.terminator->tls = made.compiled->tls(listener.config());
    client_tls = worker_.tls().session(*made.terminator);
    if (!client_tls) return worker_.on_stream_done();
  }
  StreamRelay::TlsMaker backend_tls;
  if (targets.backend->tls && !passes_tls) {
    auto context = made.compiled->backend_tls->find(targets.name);
    if (!context) return worker_.on_stream_done();  // never without
    backend_tls = [context] { return context->session(); };
  }
  StreamRelay::Owner& owner = *this;
  made.relay = std::make_unique<StreamRelay>(worker_.loop(), std::move(socket), std::move(client_tls),
                                             std::move(targets.endpoints), std::move(backend_tls), owner);
  StreamRelay& began = *made.relay;
  relays_.emplace(&began, std::move(made));
  began.start();
}

void StreamServer::on_relay_done(StreamRelay& relay) {
  worker_.loop().dispose(std::move(relays_.extract(&relay).mapped().relay));
  worker_.on_stream_done();
}

}  // namespace weft::gateway
