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
                         TlsMaker backend_tls, Owner& owner)
    : loop_(loop),
      accepted_(std::move(client)),
      client_tls_(std::move(client_tls)),
      targets_(std::move(targets)),
      backend_tls_(std::move(backend_tls)),
      owner_(owner) {}

void StreamRelay::start() {
  bool plain = !client_tls_;
  client_.connection = Connection::accept(loop_, std::move(accepted_), std::move(client_tls_), client_);
  if (!client_.connection) return close();
  // A client that does not finish its handshake is not waited for longer than a backend.
  loop_.set_timer(timer_, kConnectTime);
  if (plain) try_next();
}

void StreamRelay::opened(Side& side) {
  if (side.client) return try_next();
  timer_.clear();
  loop_.set_timer(timer_, kIdleTime);
  client_.connection->read_later();
}

void StreamRelay::open_failed(const Side& side) {
  if (side.client) return close();
  try_next();
}

void StreamRelay::try_next() {
  if (backend_.connection) Connection::dispose(std::move(backend_.connection));
  if (tried_ == targets_.size()) return close();
  const Endpoint& to = targets_[tried_++];
  timer_.clear();
  loop_.set_timer(timer_, kConnectTime);
  backend_.connection =
      Connection::connect(loop_, to.addr, to.port, backend_tls_ ? backend_tls_() : nullptr, backend_);
}

void StreamRelay::pump(Side& from) {
  Side& to = other(from);
  if (done_) return;
  if (from.ended && from.connection->broken()) return close();
  if (from.ended || to.full || !to.connection || !to.connection->is_open()) return;
  auto scratch = loop_.scratch();
  for (int i = 0; i < kReadsARow; ++i) {
    int got = from.connection->read(scratch);
    if (got == Connection::kNone) return;
    if (got == Connection::kFailed) return close();
    if (got == Connection::kEnd) return ended(from);
    loop_.set_timer(timer_, kIdleTime);
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
    bool broken = client_.connection->broken() || backend_.connection->broken();
    uint64_t moved = std::max(client_.connection->last_moved(), backend_.connection->last_moved());
    if (waits && !broken && loop_.now() - moved < kIdleTime) return loop_.set_timer(timer_, kLastBytes);
    return close();
  }
  bool connecting = backend_.connection && !backend_.connection->is_open();
  return connecting ? try_next() : close();
}

void StreamRelay::close() {
  if (std::exchange(done_, true)) return;
  timer_.clear();
  for (Side* side : {&client_, &backend_})
    if (side->connection) Connection::dispose(std::move(side->connection));
  owner_.on_relay_done(*this);
}

}  // namespace weft::gateway
