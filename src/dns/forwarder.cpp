#include "dns/forwarder.h"

#include <sys/epoll.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

namespace weft::dns {

/// One question until it is answered or given up: tries upstreams in turn, each by UDP and, if need be, by
/// TCP.
class Forwarder::Exchange : public Poller::Handler {
 public:
  Exchange(Forwarder& forwarder, const Name& name, const Query& query, Transport client, Done done)
      : forwarder_(forwarder),
        name_(name),
        query_(query),
        client_(client),
        order_(forwarder.order()),
        done_(std::move(done)) {}
  ~Exchange() override { close(); }

  /// Starts the next try; false when there is none left.
  bool next() {
    while (tries_ < forwarder_.options_.max_tries) {
      upstream_ = order_[static_cast<size_t>(tries_) % order_.size()];
      ++tries_;
      if (start(Transport::udp)) return true;
      failed();
    }
    return false;
  }

  void on_ready(uint32_t events) override {
    bool ok = via_ == Transport::udp ? on_udp() : on_tcp(events);
    if (ok) return;
    failed();
    if (!next()) forwarder_.finish(*this, best_);
  }

  void on_timeout() {
    failed();
    if (!next()) forwarder_.finish(*this, best_);
  }

  Done take_done() { return std::move(done_); }

  void close() {
    if (deadline_ != Poller::Clock::time_point{}) forwarder_.deadlines_.erase({deadline_, this});
    deadline_ = {};
    if (!fd_) return;
    forwarder_.sockets_.erase(key_);
    forwarder_.poller_.remove(fd_.get(), this);
    fd_.reset();
  }

 private:
  void failed() {
    forwarder_.upstreams_[upstream_].avoid_until =
        Poller::Clock::now() + forwarder_.options_.avoid_after_failure;
    close();
  }

  bool start(Transport via) {
    close();
    via_ = via;
    const SocketAddress& address = forwarder_.upstreams_[upstream_].address;
    int type = via == Transport::udp ? SOCK_DGRAM : SOCK_STREAM;
    fd_ = Fd(::socket(address.ip.is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd_) return false;
    sockaddr_storage storage{};
    socklen_t size = address.to(storage);
    if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0 && errno != EINPROGRESS)
      return false;
    id_ = forwarder_.random_id();
    key_ = socket_key(local_address(fd_).port, id_);
    forwarder_.sockets_[key_] = this;
    deadline_ = Poller::Clock::now() + forwarder_.options_.try_timeout;
    forwarder_.deadlines_.emplace(deadline_, this);
    message_.resize(2 + 512);
    size_t length = write_query(std::span(message_).subspan(2), id_, name_, query_);
    message_[0] = static_cast<uint8_t>(length >> 8);
    message_[1] = static_cast<uint8_t>(length);
    message_.resize(2 + length);
    sent_ = 0;
    received_.clear();
    if (via == Transport::udp &&
        ::send(fd_.get(), message_.data() + 2, length, MSG_NOSIGNAL) != static_cast<ssize_t>(length)) {
      return false;
    }
    return forwarder_.poller_.add(fd_.get(), via == Transport::udp ? EPOLLIN : EPOLLIN | EPOLLOUT, this);
  }

  bool on_udp() {
    auto& buffer = forwarder_.buffer_;
    while (true) {
      ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0) return errno == EAGAIN || errno == EINTR;  // else: port unreachable and the like
      std::span<const uint8_t> message(buffer.data(), static_cast<size_t>(size));
      if (matches(message)) return on_response(message);
    }
  }

  bool on_tcp(uint32_t events) {
    if ((events & EPOLLOUT) != 0 && sent_ < message_.size()) {
      ssize_t size = ::send(fd_.get(), message_.data() + sent_, message_.size() - sent_, MSG_NOSIGNAL);
      if (size < 0) return errno == EAGAIN || errno == EINTR;
      sent_ += static_cast<size_t>(size);
      if (sent_ == message_.size()) forwarder_.poller_.modify(fd_.get(), EPOLLIN, this);
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0) return true;
    auto& buffer = forwarder_.buffer_;
    ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) return false;
    received_.insert(received_.end(), buffer.begin(), buffer.begin() + size);
    if (received_.size() < 2) return true;
    size_t length = static_cast<size_t>(received_[0]) << 8 | received_[1];
    if (received_.size() < 2 + length) return true;
    auto message = std::span<const uint8_t>(received_).subspan(2, length);
    return matches(message) && on_response(message);
  }

  /// RFC 5452, 9: nothing but an answer to exactly this question.
  bool matches(std::span<const uint8_t> message) const {
    ResponseHeader header;
    if (!read_header(message, header) || !header.response || header.id != id_ || header.questions != 1)
      return false;
    size_t at = kHeaderSize;
    Name name;
    if (!read_name(message, at, name) || message.size() - at < 4 || name != name_) return false;
    uint16_t type = static_cast<uint16_t>(message[at] << 8 | message[at + 1]);
    uint16_t klass = static_cast<uint16_t>(message[at + 2] << 8 | message[at + 3]);
    return type == static_cast<uint16_t>(query_.type) && klass == kClassIn;
  }

  bool on_response(std::span<const uint8_t> message) {
    ResponseHeader header;
    read_header(message, header);
    if (header.rcode == Rcode::servfail || header.rcode == Rcode::refused) {
      best_.assign(message.begin(), message.end());  // if all say so, the client hears it
      return false;
    }
    if (header.truncated && via_ == Transport::udp && client_ == Transport::tcp) return start(Transport::tcp);
    forwarder_.upstreams_[upstream_].avoid_until = {};
    forwarder_.finish(*this, message);
    return true;
  }

  Forwarder& forwarder_;
  const Name name_;
  const Query query_;
  const Transport client_;
  const std::vector<size_t> order_;
  Done done_;
  int tries_ = 0;
  size_t upstream_ = 0;
  Transport via_ = Transport::udp;
  Fd fd_;
  uint16_t id_ = 0;
  uint32_t key_ = 0;
  Poller::Clock::time_point deadline_{};
  std::vector<uint8_t> message_;  ///< the query behind its TCP length
  size_t sent_ = 0;
  std::vector<uint8_t> received_;  ///< over TCP, so far
  std::vector<uint8_t> best_;      ///< an unhappy answer, better than none
};

Forwarder::Forwarder(Poller& poller, Options options)
    : poller_(poller), options_(std::move(options)), buffer_(kMaxMessage) {
  for (const SocketAddress& address : options_.upstreams) upstreams_.push_back({address});
}

// Exchanges take themselves out of the other members when they go.
Forwarder::~Forwarder() { exchanges_.clear(); }

uint16_t Forwarder::random_id() {
  if (randoms_.empty()) {
    randoms_.resize(128);
    // At most 256 bytes are never cut short and never interrupted.
    if (::getrandom(randoms_.data(), randoms_.size() * sizeof(uint16_t), 0) < 0) std::abort();
  }
  uint16_t id = randoms_.back();
  randoms_.pop_back();
  return id;
}

std::vector<size_t> Forwarder::order() const {
  std::vector<size_t> out, avoided;
  auto now = poller_.now();
  for (size_t i = 0; i < upstreams_.size(); ++i) {
    (upstreams_[i].avoid_until <= now ? out : avoided).push_back(i);
  }
  out.insert(out.end(), avoided.begin(), avoided.end());
  return out;
}

bool Forwarder::ask(const Name& name, const Query& query, Transport client, Done done) {
  if (upstreams_.empty() || exchanges_.size() >= options_.max_in_flight) return false;
  auto exchange = std::make_shared<Exchange>(*this, name, query, client, std::move(done));
  if (!exchange->next()) return false;
  exchanges_.emplace(exchange.get(), exchange);
  return true;
}

void Forwarder::finish(Exchange& exchange, std::span<const uint8_t> message) {
  auto node = exchanges_.extract(&exchange);
  Done done = exchange.take_done();
  exchange.close();
  poller_.bury(node.mapped());
  done(message);
}

Poller::Clock::time_point Forwarder::next_deadline() const {
  return deadlines_.empty() ? Poller::Clock::time_point::max() : deadlines_.begin()->first;
}

void Forwarder::expire(Poller::Clock::time_point now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) deadlines_.begin()->second->on_timeout();
}

}  // namespace weft::dns
