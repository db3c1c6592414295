#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "dns/count_traffic.h"
#include "dns/search_walk.h"
#include "dns/source_option.h"
#include "dns/worker.h"

namespace weft::dns {

class TcpListener::Connection : public Poller::Handler, public std::enable_shared_from_this<Connection> {
 public:
  Connection(TcpListener& listener, Fd fd, const SocketAddress& peer, int link)
      : listener_(listener),
        context_(listener.context_),
        fd_(std::move(fd)),
        peer_(peer),
        link_(link),
        client_(client_of(context_, link, peer)),
        local_(local_address(fd_).ip == peer.ip) {
    touch();
    context_.poller.add(fd_.get(), EPOLLIN, this);
  }
  ~Connection() override { shut(); }

  void on_ready(uint32_t events) override {
    bool ok = (events & (EPOLLERR | EPOLLHUP)) == 0;
    if (ok && (events & EPOLLIN) != 0) ok = receive();
    if (ok) ok = serve_received();
    if (!ok || is_done()) return listener_.close(*this);
    wait_for_events();
  }

  void shut() {
    if (!fd_) return;
    context_.poller.remove(fd_.get(), this);
    fd_.reset();
  }

  Poller::Clock::time_point last_active() const { return last_active_; }
  const Client& client() const { return client_; }
  Connections::iterator place;  ///< in the listener's list

 private:
  size_t unsent() const { return out_.size() - sent_; }
  void touch() { last_active_ = context_.poller.now(); }

  /// Whether one more question may be answered; else what it sends waits, here and then at its side.
  bool has_room() const {
    return unsent() < listener_.limits_.unsent && waiting_ < listener_.limits_.pending;
  }
  /// The size of the next complete query in what was received, from `at`; 0 if there is none.
  size_t next_query(size_t at) const {
    if (in_.size() - at < 2) return 0;
    size_t length = static_cast<size_t>(in_[at]) << 8 | in_[at + 1];
    return in_.size() - at - 2 < length ? 0 : length;
  }
  bool is_done() const { return finished_ && waiting_ == 0 && unsent() == 0 && next_query(0) == 0; }

  void wait_for_events() {
    uint32_t want = 0;
    if (!finished_ && has_room()) want |= EPOLLIN;
    if (unsent() > 0) want |= EPOLLOUT;
    if (want == wanted_) return;
    wanted_ = want;
    context_.poller.modify(fd_.get(), want, this);
  }

  bool receive() {
    // Not more at a turn: others have theirs after all connections of one client.
    std::array<uint8_t, 4 * 1024> buffer;
    ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) finished_ = true;  // half closed: what was asked is still answered
    in_.insert(in_.end(), buffer.begin(), buffer.begin() + size);
    return true;
  }

  /// Answers what has come in for as long as there is room; false when the connection is to be closed.
  bool serve_received() {
    size_t at = 0;
    do {
      if (!flush()) return false;
      while (has_room() && in_.size() - at >= 2) {
        size_t announced = static_cast<size_t>(in_[at]) << 8 | in_[at + 1];
        if (announced < kHeaderSize || announced > listener_.limits_.query_size) return false;
        size_t length = next_query(at);
        if (length == 0) break;
        if (!serve({in_.data() + at + 2, length})) return false;
        at += 2 + length;
      }
    } while (flush() && has_room() && next_query(at) > 0);
    in_.erase(in_.begin(), in_.begin() + static_cast<ptrdiff_t>(at));
    return true;
  }

  bool serve(std::span<const uint8_t> message) {
    touch();
    if (context_.ending) wants_end_ = has_ending_option(message);
    const auto received = Poller::Clock::now();
    listener_.connections_.splice(listener_.connections_.end(), listener_.connections_, place);
    if (!context_.clients.allow_by(context_.config->client_rate, context_.poller.now(),
                                   [this] { return client_; })) {
      context_.counters.client_limited.add();
      return false;
    }
    Query query;
    query.client = peer_.ip;
    Response response;
    WalkStart walk;
    context_.zone.read([&](const Zone& zone) {
      response = respond(zone, *context_.overrides, message, Transport::tcp, context_.message,
                         context_.rotation++, query, context_.answer);
      if (response.outcome == Outcome::reply && is_nxdomain({context_.message.data(), response.size}))
        walk = start_walk(context_, zone, query, link_, Transport::tcp, context_.message, response.size);
    });
    if (response.outcome == Outcome::drop) {
      context_.counters.dropped.add();
      return false;
    }
    if (query.has_question) count_question(context_.counters, Transport::tcp, peer_.ip.is_v6(), query.type);
    if (walk.size > 0) {
      response.size = walk.size;
      query = about(query, walk.found);
    }
    const bool tell = local_ && !walk.rest && !context_.domains.wants(query) && source_option_of(message);
    const bool held = response.outcome == Outcome::reply && !walk.rest && context_.domains.wants(query);
    if (held) {
      hand_over(received, false, [&](const DomainFeed::Send& send) {
        context_.domains.deliver(query, {context_.message.data(), response.size}, send);
      });
      return true;
    }
    std::string source = tell ? "zone" : "";
    Forwarded asked{.index = 0, .query = query, .prefix = nullptr, .walk = walk.rest};
    if (response.outcome == Outcome::forward) {
      asked = note_forward(context_, 0, query);
      response.size = answer_from_cache(context_, asked, Transport::tcp, context_.message);
      if (tell) source = context_.source.str();
    }
    if (!walk.rest && response.size > 0) {
      queue({context_.message.data(), response.size}, received, source);
      return true;
    }
    hand_over(received, tell, [&](const DomainFeed::Send& send) {
      forward(context_, asked, client_, peer_, Transport::tcp, send);
    });
    return true;
  }

  /// To somebody who answers, at once or later; `tell`: the client wants to hear where from.
  template <class To>
  void hand_over(Poller::Clock::time_point received, bool tell, To&& to) {
    ++waiting_;
    forwarding_ = true;
    to([self = weak_from_this(), received, tell](std::span<const uint8_t> answer) {
      if (auto connection = self.lock()) connection->on_forwarded(answer, received, tell);
    });
    forwarding_ = false;
  }

  void on_forwarded(std::span<const uint8_t> answer, Poller::Clock::time_point received, bool tell) {
    --waiting_;
    if (!fd_) return;  // closed meanwhile
    queue(answer, received, tell ? context_.source.str() : "");
    if (forwarding_) return;  // refused at once, inside serve(): sent with the others
    if (!serve_received() || is_done()) return listener_.close(*this);
    wait_for_events();
  }

  /// `source`: put into the message, if not empty.
  void queue(std::span<const uint8_t> message, Poller::Clock::time_point received, std::string_view source) {
    if (!source.empty()) {
      constexpr size_t kRoom = 128;
      std::vector<uint8_t> told(std::min(message.size() + kRoom, kMaxMessage));
      std::ranges::copy(message, told.begin());
      size_t size = message.size();
      if (add_source_option(told, size, source)) return queue(std::span(told).first(size), received, {});
    }
    std::array<uint8_t, kMinUdpSize> ending;
    if (wants_end_ && message.size() <= ending.size()) {
      std::ranges::copy(message, ending.begin());
      size_t size = message.size();
      if (add_ending_option(ending, size)) message = std::span(ending).first(size);
    }
    note_answer(context_, peer_, Transport::tcp, message, received);
    out_.push_back(static_cast<uint8_t>(message.size() >> 8));
    out_.push_back(static_cast<uint8_t>(message.size()));
    out_.insert(out_.end(), message.begin(), message.end());
  }

  bool flush() {
    while (unsent() > 0) {
      ssize_t size = ::send(fd_.get(), out_.data() + sent_, unsent(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (size < 0) return errno == EAGAIN || errno == EINTR;
      sent_ += static_cast<size_t>(size);
    }
    out_.clear();
    sent_ = 0;
    return true;
  }

  TcpListener& listener_;
  WorkerContext& context_;
  Fd fd_;
  const SocketAddress peer_;
  const int link_;
  const Client client_;
  const bool local_;  ///< from this machine: it may know where answers are from
  Poller::Clock::time_point last_active_;
  std::vector<uint8_t> in_, out_;
  size_t sent_ = 0;
  size_t waiting_ = 0;  ///< questions that are with an upstream, or whose answers are held
  uint32_t wanted_ = EPOLLIN;
  bool wants_end_ = false;  ///< its last question asks whether the server ends, which it does
  bool finished_ = false;
  bool forwarding_ = false;
};

TcpListener::TcpListener(WorkerContext& context, Fd fd, TcpLimits limits)
    : context_(context), fd_(std::move(fd)), limits_(limits) {
  context_.poller.add(fd_.get(), EPOLLIN, this);
}

TcpListener::~TcpListener() {
  for (auto& connection : connections_) connection->shut();
  context_.poller.remove(fd_.get(), this);
}

void TcpListener::on_ready(uint32_t) {
  while (true) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    Fd fd(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      // Out of descriptors: without room the event would come again and again.
      if ((errno == EMFILE || errno == ENFILE) && !connections_.empty()) close(*connections_.front());
      return;
    }
    auto peer = SocketAddress::from(storage);
    int link = device_of(fd, peer.ip.is_v4());
    make_room(client_of(context_, link, peer));
    auto connection = std::make_shared<Connection>(*this, std::move(fd), peer, link);
    connection->place = connections_.insert(connections_.end(), connection);
  }
}

/// A client that has many loses one of its own, so that nobody can push the others out.
void TcpListener::make_room(const Client& client) {
  auto is_theirs = [&](const auto& connection) { return connection->client() == client; };
  if (std::cmp_greater_equal(std::ranges::count_if(connections_, is_theirs), limits_.connections_of_client))
    return close(**std::ranges::find_if(connections_, is_theirs));
  if (connections_.size() >= limits_.connections) close(*connections_.front());
}

void TcpListener::close(Connection& connection) {
  std::shared_ptr<Connection> owner = *connection.place;
  connections_.erase(connection.place);
  connection.shut();
  context_.poller.bury(std::move(owner));
}

Poller::Clock::time_point TcpListener::next_deadline() const {
  return connections_.empty() ? Poller::Clock::time_point::max()
                              : connections_.front()->last_active() + limits_.idle;
}

void TcpListener::expire(Poller::Clock::time_point now) {
  while (!connections_.empty() && connections_.front()->last_active() + limits_.idle <= now) {
    close(*connections_.front());
  }
}

}  // namespace weft::dns
