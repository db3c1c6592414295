#include "gateway/proxy/worker.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/mirroring.h"
#include "gateway/proxy/session.h"

namespace weft::gateway {

namespace {

constexpr uint64_t kHousekeeping = 1000;
constexpr size_t kFreeExchanges = 256;
constexpr size_t kLogLines = size_t{32} << 10;
constexpr std::string_view kOverloaded =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

std::string key_of(const Port& port, const Listener& listener) {
  return port.gateway + "/" + listener.why.section;
}

/// Lists whose members know where they are, so that each can be taken out at once.
template <class T>
T& put_in(std::vector<std::unique_ptr<T>>& list, std::unique_ptr<T> member) {
  member->slot = list.size();
  list.push_back(std::move(member));
  return *list.back();
}
template <class T>
std::unique_ptr<T> take_out(std::vector<std::unique_ptr<T>>& list, T& member) {
  size_t slot = member.slot;
  std::unique_ptr<T> taken = std::move(list[slot]);
  if (slot + 1 != list.size()) {
    list[slot] = std::move(list.back());
    list[slot]->slot = slot;
  }
  list.pop_back();
  return taken;
}

bool is_tls(const CompiledPort& port) {
  for (const auto& listener : port.config().listeners)
    if (listener->protocol == Protocol::https || listener->protocol == Protocol::tls) return true;
  return false;
}

/// A Service's port without routes: what comes from now on is passed on.
bool is_unrouted(const CompiledPort& port) {
  return std::ranges::any_of(port.config().listeners, [](const auto& listener) {
    return listener->protocol == Protocol::tcp && !listener->hosts.empty();
  });
}

bool same_hostnames(const CompiledPort& a, const CompiledPort& b) {
  return std::ranges::equal(a.config().listeners, b.config().listeners,
                            [](const auto& x, const auto& y) { return x->hostname == y->hostname; });
}

std::vector<const CompiledPort*> all_ports(const Compiled& compiled) {
  std::vector<const CompiledPort*> ports;
  for (const auto* map : {&compiled.ports, &compiled.udp_ports})
    for (const auto& [bind_port, port] : *map) ports.push_back(port.get());
  return ports;
}

}  // namespace

Worker::Worker(std::unique_ptr<Loop> loop, const WorkerOptions& options, std::shared_ptr<const TlsServer> tls,
               AccessLog* log)
    : loop_(std::move(loop)),
      options_(options),
      tls_(std::move(tls)),
      log_(log),
      upstreams_(*loop_, options_.client),
      nobody_(&counters("")) {
  loop_->set_timer(housekeeping_, kHousekeeping);
}

Worker::~Worker() {
  streams_.shutdown();
  for (auto& [port, relay] : udp_) relay->close(Flag::shutdown);
  flush_log();
}

void Worker::apply(std::shared_ptr<const Compiled> compiled) {
  auto view = std::make_shared<View>();
  for (const auto* port : all_ports(*compiled)) {
    const Port& config = port->config();
    for (const auto& listener : config.listeners)
      view->counters[listener.get()] = &counters(key_of(config, *listener));
    for (const auto& [name, listener] : config.consumers)
      view->counters[listener.get()] = &counters(key_of(config, *listener));
  }
  upstreams_.apply(*compiled->snapshot, compiled->backend_tls);
  view->compiled = std::move(compiled);
  auto before = std::exchange(view_, std::move(view));
  close_unused_sockets();
  update_udp();
  if (before) end_unserved(before);
}

/// Connections whose listener has gone: what is under way is answered, and what still comes until the client
/// knows is served as it was before. And those that requests have come over to ports whose routes have gone
/// since: they end when they are idle, so that what the client does next is none of ours.
void Worker::end_unserved(const std::shared_ptr<const View>& before) {
  bool changed = false;
  std::vector<uint16_t> unrouted;
  for (const auto& [bind_port, old] : before->compiled->ports) {
    const CompiledPort* port = view_->compiled->port(bind_port);
    if (port == old.get()) continue;
    if (port && is_unrouted(*port)) unrouted.push_back(bind_port);
    changed = changed || !port || (is_tls(*old) && !same_hostnames(*old, *port));
  }
  for (size_t i = changed || !unrouted.empty() ? sessions_.size() : 0; i-- > 0;) {
    Session& session = *sessions_[i];
    const CompiledPort* port = view_->compiled->port(session.bind_port());
    if (!port || (session.is_tls() && session.is_open() && !port->listener(session.server_name())))
      session.drain(before);
    else if (std::ranges::find(unrouted, session.bind_port()) != unrouted.end() &&
             !view_->compiled->consumer(*port, session.client()))
      session.drain();
  }
}

ListenerCounters& Worker::counters(const std::string& key) {
  std::lock_guard lock(counters_mutex_);
  std::unique_ptr<ListenerCounters>& counters = counters_[key];
  if (!counters) counters = std::make_unique<ListenerCounters>();
  return *counters;
}

ListenerCounters& Worker::counters_of(const Listener* listener) const {
  auto at = view_->counters.find(listener);
  return at == view_->counters.end() ? *nobody_ : *at->second;
}

void Worker::close_unused_sockets() {
  for (auto at = sockets_.begin(); at != sockets_.end();) {
    if (view_->compiled->port(at->first)) {
      ++at;
      continue;
    }
    at->second->accept_all();
    at = sockets_.erase(at);
  }
}

void Worker::update_udp() {
  const auto& ports = view_->compiled->udp_ports;
  for (auto at = udp_.begin(); at != udp_.end();) {
    auto port = ports.find(at->first);
    if (port != ports.end()) {
      const CompiledListener* listener = port->second->listener("");
      at->second->update(port->second, view_->compiled->snapshot,
                         counters_of(listener ? &listener->config() : nullptr));
      ++at;
      continue;
    }
    at->second->close(Flag::none);
    loop_->dispose(std::move(at->second));
    at = udp_.erase(at);
  }
}

void Worker::listen_udp(uint16_t bind_port, Fd socket) {
  udp_[bind_port] = std::make_unique<UdpRelay>(*loop_, std::move(socket), *this);
  update_udp();
}

void Worker::listen(uint16_t bind_port, Fd socket) {
  AcceptHandler& handler = *this;
  sockets_.emplace(bind_port, std::make_unique<ListenSocket>(*loop_, std::move(socket), bind_port, handler));
}

void Worker::drain(bool handed_over) {
  draining_ = true;
  if (!handed_over)
    for (auto& [port, socket] : sockets_) socket->accept_all();
  sockets_.clear();
  for (auto& [port, relay] : udp_) {
    relay->close(Flag::shutdown);
    loop_->dispose(std::move(relay));
  }
  udp_.clear();
  for (size_t i = sessions_.size(); i-- > 0;) sessions_[i]->drain();
}

void Worker::on_accept(Fd socket, const IpAddr& peer, uint16_t bind_port) {
  connections_total_.add(1);
  const CompiledPort* port = view_ ? view_->compiled->port(bind_port) : nullptr;
  if (!port) return;
  bool tls = is_tls(*port);
  if (sessions_.size() + streams_.connections() >= options_.max_connections) {
    refused_.add(1);
    if (!tls) (void)::send(socket.get(), kOverloaded.data(), kOverloaded.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return;
  }
  connections_.add(1);
  const bool consumer = view_->compiled->consumer(*port, peer) != nullptr;
  if (!consumer && StreamServer::takes(*port)) return streams_.accept(std::move(socket), peer, bind_port);
  begin_session(std::move(socket), peer, bind_port, tls);
}

void Worker::begin_session(Fd socket, const IpAddr& peer, uint16_t bind_port, bool tls) {
  Session& session = put_in(sessions_, std::make_unique<Session>(*this, peer, bind_port));
  if (draining_) session.drain();
  session.start(std::move(socket), tls);
}

void Worker::on_session_done(Session& session) {
  connections_.sub(1);
  loop_->dispose(take_out(sessions_, session));
}

Mirroring& Worker::add_mirroring(UpstreamHost& host) {
  return put_in(mirrorings_, std::make_unique<Mirroring>(*this, host));
}

void Worker::on_mirroring_done(Mirroring& mirroring) { loop_->dispose(take_out(mirrorings_, mirroring)); }

Exchange& Worker::take_exchange() {
  if (free_exchanges_.empty()) free_exchanges_.push_back(std::make_unique<Exchange>());
  std::unique_ptr<Exchange> exchange = std::move(free_exchanges_.back());
  free_exchanges_.pop_back();
  return put_in(exchanges_, std::move(exchange));
}

void Worker::give_back(Exchange& exchange) {
  over_.push_back(&exchange);
  loop_->defer(*this);
}

void Worker::on_deferred() {
  for (Exchange* exchange : over_) {
    std::unique_ptr<Exchange> done = take_out(exchanges_, *exchange);
    done->clear();
    if (free_exchanges_.size() < kFreeExchanges) free_exchanges_.push_back(std::move(done));
  }
  over_.clear();
}

void Worker::on_timer(Timer&) {
  flush_log();
  upstreams_.sweep();
  loop_->set_timer(housekeeping_, kHousekeeping);
}

void Worker::log(const AccessEntry& entry) {
  append_json(entry, log_lines_);
  if (log_lines_.size() >= kLogLines) flush_log();
}

void Worker::on_stream_over(const StreamRecord& record) {
  if (log_) log(record.entry());
}

void Worker::flush_log() {
  if (log_ && !log_lines_.empty()) log_->write(std::exchange(log_lines_, {}));
}

void Worker::add_stats(Stats& stats) const {
  stats.connections += connections_.value();
  stats.connections_total += connections_total_.value();
  stats.refused += refused_.value();
  std::lock_guard lock(counters_mutex_);
  for (const auto& [key, counters] : counters_) stats.listeners[key].add(*counters);
}

}  // namespace weft::gateway
