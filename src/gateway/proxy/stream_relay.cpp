#include "gateway/proxy/stream_relay.h"

#include <algorithm>
#include <utility>

namespace weft::gateway {
namespace {

/// Reads in a row before other connections have their turn.
constexpr int kReadsARow = 8;
/// How often it is looked whether the last bytes of a relay that has ended have left, in ms.
constexpr uint64_t kLastBytes = 50;

}  // namespace

StreamRelay::StreamRelay(Loop& loop, Fd client, SslPtr client_tls, std::vector<Endpoint> targets,
                         TlsMaker backend_tls, StreamRecord record, Owner& owner)
    : loop_(loop),
      accepted_(std::move(client)),
      client_tls_(std::move(client_tls)),
      targets_(std::move(targets)),
      backend_tls_(std::move(backend_tls)),
      record_(std::move(record)),
      owner_(owner) {}

void StreamRelay::start() {
  bool plain = !client_tls_;
  client_.connection = Connection::accept(loop_, std::move(accepted_), std::move(client_tls_), client_);
  if (!client_.connection) return close(Flag::client_left);
  // A client that does not finish its handshake is not waited for longer than a backend.
  loop_.set_timer(timer_, kConnectTime);
  if (plain) try_next(Flag::no_endpoint);
}

void StreamRelay::opened(Side& side) {
  if (side.client) return try_next(Flag::no_endpoint);
  timer_.clear();
  loop_.set_timer(timer_, kIdleTime);
  client_.connection->read_later();
}

void StreamRelay::open_failed(const Side& side, Reset why) {
  if (side.client) return close(Flag::client_tls);
  try_next(why == Reset::tls_failed ? Flag::backend_tls : Flag::connect_failed);
}

void StreamRelay::try_next(Flag why) {
  if (backend_.connection) Connection::dispose(std::move(backend_.connection));
  if (tried_ == targets_.size()) return close(why);
  const Endpoint& to = targets_[tried_++];
  record_.tries(to);
  timer_.clear();
  loop_.set_timer(timer_, kConnectTime);
  backend_.connection =
      Connection::connect(loop_, to.addr, to.port, backend_tls_ ? backend_tls_() : nullptr, backend_);
}

void StreamRelay::pump(Side& from) {
  Side& to = other(from);
  if (done_) return;
  if (from.ended && from.connection->broken()) return close(broken(from));
  if (from.ended || to.full || !to.connection || !to.connection->is_open()) return;
  auto scratch = loop_.scratch();
  for (int i = 0; i < kReadsARow; ++i) {
    int got = from.connection->read(scratch);
    if (got == Connection::kNone) return;
    if (got == Connection::kFailed) return close(broken(from));
    if (got == Connection::kEnd) return ended(from);
    loop_.set_timer(timer_, kIdleTime);
    if (from.client)
      record_.received(static_cast<uint64_t>(got));
    else
      record_.sent(static_cast<uint64_t>(got));
    if (!to.connection->write({scratch.data(), static_cast<size_t>(got)})) {
      to.full = true;
      return;
    }
  }
  from.connection->read_later();
}

void StreamRelay::drained(Side& to) {
  to.full = false;
  pump(other(to));
}

void StreamRelay::ended(Side& from) {
  from.ended = true;
  other(from).connection->finish();
  if (!other(from).ended) return;
  timer_.clear();
  on_timer(timer_);
}

void StreamRelay::on_timer(Timer&) {
  if (client_.ended && backend_.ended) {
    bool waits = !client_.connection->flushed() || !backend_.connection->flushed();
    uint64_t moved = std::max(client_.connection->last_moved(), backend_.connection->last_moved());
    for (const Side* side : {&client_, &backend_})
      if (waits && side->connection->broken()) return close(broken(*side));
    if (waits && loop_.now() - moved < kIdleTime) return loop_.set_timer(timer_, kLastBytes);
    return close(waits ? Flag::idle : Flag::none);
  }
  if (!backend_.connection) return close(Flag::client_tls);
  return backend_.connection->is_open() ? close(Flag::idle) : try_next(Flag::connect_failed);
}

void StreamRelay::close(Flag why) {
  if (std::exchange(done_, true)) return;
  record_.fails(why);
  timer_.clear();
  for (Side* side : {&client_, &backend_})
    if (side->connection) Connection::dispose(std::move(side->connection));
  owner_.on_relay_done(*this);
}

}  // namespace weft::gateway
