#include "gateway/proxy/stream_server.h"

#include <algorithm>
#include <utility>

#include "gateway/proxy/stream_targets.h"
#include "gateway/proxy/worker.h"

namespace weft::gateway {

bool StreamServer::takes(const CompiledPort& port) {
  return std::ranges::any_of(port.config().listeners, [](const auto& listener) {
    return listener->protocol == Protocol::tcp || listener->protocol == Protocol::tls;
  });
}

StreamServer::About StreamServer::about(const IpAddr& peer, uint16_t bind_port,
                                        std::string server_name) const {
  About about{.client = peer, .server_name = std::move(server_name)};
  const auto& ports = worker_.view()->compiled->ports;
  if (auto at = ports.find(bind_port); at != ports.end()) about.port = at->second;
  return about;
}

void StreamServer::accept(Fd socket, const IpAddr& peer, uint16_t bind_port) {
  const CompiledPort& port = *worker_.view()->compiled->port(bind_port);
  const CompiledListener* any = port.listener("");
  if (any && any->config().protocol == Protocol::tcp)
    return relay(std::move(socket), about(peer, bind_port, ""), *any, any->stream(""));
  HelloReader::Owner& owner = *this;
  auto reader = std::make_unique<HelloReader>(worker_.loop(), std::move(socket), owner);
  HelloReader& began = *reader;
  waiting_.emplace(&began, Waiting{std::move(reader), peer, bind_port});
  began.start();
}

void StreamServer::on_hello(HelloReader& reader, Fd socket, ClientHello hello) {
  Waiting waiting = std::move(waiting_.extract(&reader).mapped());
  worker_.loop().dispose(std::move(waiting.reader));
  const bool read = hello.state == ClientHello::State::read;
  About known = about(waiting.peer, waiting.bind_port, read ? hello.server_name : "");
  known.protocol = Protocol::tls;
  // The port may have gone in the meantime.
  const CompiledListener* listener = read && known.port ? known.port->listener(hello.server_name) : nullptr;
  if (!listener) return refuse(begin(std::move(known)), read ? Flag::no_listener : Flag::client_tls);
  if (listener->config().protocol != Protocol::tls)
    return worker_.begin_session(std::move(socket), waiting.peer, waiting.bind_port, true);
  relay(std::move(socket), std::move(known), *listener, listener->stream(hello.server_name));
}

void StreamServer::relay(Fd socket, About about, const CompiledListener& listener,
                         const CompiledStream* stream) {
  about.listener = &listener.config();
  about.protocol = listener.config().protocol;
  if (stream) about.route = stream->route.get();
  StreamRecord record = begin(std::move(about));
  if (!stream) return refuse(std::move(record), Flag::no_route);
  Relay made{.compiled = worker_.view()->compiled};
  StreamTargets targets = stream_targets(*stream, *made.compiled->snapshot, turn_++);
  if (!targets.backend) return refuse(std::move(record), Flag::no_backend);
  if (targets.endpoints.empty()) return refuse(std::move(record), Flag::no_endpoint);
  bool passes_tls = listener.config().protocol == Protocol::tls && !stream->route->terminate;
  SslPtr client_tls;
  if (stream->route->terminate) {
    made.terminator = std::make_unique<Terminator>();
    made.terminator->tls = made.compiled->tls(listener.config());
    client_tls = worker_.tls().session(*made.terminator);
    if (!client_tls) return refuse(std::move(record), Flag::client_tls);
  }
  StreamRelay::TlsMaker backend_tls;
  if (targets.backend->tls && !passes_tls) {
    auto context = made.compiled->backend_tls->find(targets.name);
    if (!context) return refuse(std::move(record), Flag::no_backend);  // never without
    backend_tls = [context] { return context->session(); };
  }
  StreamRelay::Owner& owner = *this;
  made.relay = std::make_unique<StreamRelay>(worker_.loop(), std::move(socket), std::move(client_tls),
                                             std::move(targets.endpoints), std::move(backend_tls),
                                             std::move(record), owner);
  StreamRelay& began = *made.relay;
  relays_.emplace(&began, std::move(made));
  began.start();
}

StreamRecord StreamServer::begin(About about) {
  StreamRecord record;
  ListenerCounters& counters = worker_.counters_of(about.listener);
  record.begin(std::move(about), counters, worker_.loop().now());
  return record;
}

void StreamServer::refuse(StreamRecord record, Flag why) {
  record.fails(why);
  over(record);
}

void StreamServer::over(StreamRecord& record) {
  record.end(worker_.loop().now());
  worker_.on_stream_over(record);
  worker_.on_stream_done();
}

void StreamServer::on_relay_done(StreamRelay& relay) {
  Relay done = std::move(relays_.extract(&relay).mapped());
  over(relay.record());
  worker_.loop().dispose(std::move(done.relay));
}

void StreamServer::shutdown() {
  while (!relays_.empty()) relays_.begin()->first->close(Flag::shutdown);
}

}  // namespace weft::gateway
