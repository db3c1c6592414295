#include <sys/epoll.h>

#include <array>
#include <cerrno>

#include "dns/count_traffic.h"
#include "dns/source_option.h"
#include "dns/worker.h"

namespace weft::dns {

class TcpListener::Connection : public Poller::Handler, public std::enable_shared_from_this<Connection> {
 public:
  Connection(TcpListener& listener, Fd fd, const SocketAddress& peer)
      : listener_(listener),
        context_(listener.context_),
        fd_(std::move(fd)),
        peer_(peer),
        local_(local_address(fd_).ip == peer.ip) {
    touch();
    context_.poller.add(fd_.get(), EPOLLIN, this);
  }
  ~Connection() override { shut(); }

  void on_ready(uint32_t events) override {
    bool ok = (events & (EPOLLERR | EPOLLHUP)) == 0;
    if (ok && (events & EPOLLIN) != 0) ok = receive();
    if (ok && (events & EPOLLOUT) != 0) ok = flush();
    if (!ok || (finished_ && waiting_ == 0 && unsent() == 0)) return listener_.close(*this);
    wait_for_events();
  }

  void shut() {
    if (!fd_) return;
    context_.poller.remove(fd_.get(), this);
    fd_.reset();
  }

  Poller::Clock::time_point last_active() const { return last_active_; }
  Connections::iterator place;  ///< in the listener's list

 private:
  size_t unsent() const { return out_.size() - sent_; }
  void touch() { last_active_ = context_.poller.now(); }

  void wait_for_events() {
    uint32_t want = 0;
    if (!finished_ && unsent() < listener_.limits_.unsent) want |= EPOLLIN;
    if (unsent() > 0) want |= EPOLLOUT;
    if (want == wanted_) return;
    wanted_ = want;
    context_.poller.modify(fd_.get(), want, this);
  }

  bool receive() {
    std::array<uint8_t, 16 * 1024> buffer;
    ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) {
      finished_ = true;  // half closed: what was asked is still answered
      return in_.empty();
    }
    in_.insert(in_.end(), buffer.begin(), buffer.begin() + size);
    size_t at = 0;
    while (in_.size() - at >= 2) {
      size_t length = static_cast<size_t>(in_[at]) << 8 | in_[at + 1];
      if (length < kHeaderSize || length > listener_.limits_.query_size) return false;
      if (in_.size() - at - 2 < length) break;
      if (!serve({in_.data() + at + 2, length})) return false;
      at += 2 + length;
    }
    in_.erase(in_.begin(), in_.begin() + static_cast<ptrdiff_t>(at));
    return flush();
  }

  bool serve(std::span<const uint8_t> message) {
    touch();
    const auto received = Poller::Clock::now();
    listener_.connections_.splice(listener_.connections_.end(), listener_.connections_, place);
    Query query;
    Response response;
    std::optional<Forwarded> question;
    context_.zone.read([&](const Zone& zone) {
      response = respond(zone, *context_.overrides, message, Transport::tcp, context_.message,
                         context_.rotation++, query, context_.answer);
    });
    if (response.outcome == Outcome::drop) {
      context_.counters.dropped.add();
      return false;
    }
    if (query.has_question) count_question(context_.counters, Transport::tcp, peer_.ip.is_v6(), query.type);
    const bool held = response.outcome == Outcome::reply && context_.domains.wants(query);
    const bool tell = local_ && !held && !context_.domains.wants(query) && source_option_of(message);
    if (response.outcome == Outcome::reply && !held) {
      queue({context_.message.data(), response.size}, received, tell ? "zone" : "");
      return true;
    }
    const Forwarded asked = held ? Forwarded{} : note_forward(context_, 0, query);
    if (!held) response.size = answer_from_cache(context_, asked, Transport::tcp, context_.message);
    if (!held && response.size > 0) {
      queue({context_.message.data(), response.size}, received, tell ? context_.source.str() : "");
      return true;
    }
    ++waiting_;
    auto send = [self = weak_from_this(), received, tell](std::span<const uint8_t> answer) {
      if (auto connection = self.lock()) connection->on_forwarded(answer, received, tell);
    };
    forwarding_ = true;
    if (held)
      context_.domains.deliver(query, {context_.message.data(), response.size}, std::move(send));
    else
      forward(context_, asked, peer_, Transport::tcp, std::move(send));
    forwarding_ = false;
    return true;
  }

  void on_forwarded(std::span<const uint8_t> answer, Poller::Clock::time_point received, bool tell) {
    --waiting_;
    if (!fd_) return;  // closed meanwhile
    queue(answer, received, tell ? context_.source.str() : "");
    if (forwarding_) return;  // refused at once, inside serve(): sent with the others
    if (!flush() || (finished_ && waiting_ == 0 && unsent() == 0)) return listener_.close(*this);
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
  const bool local_;  ///< from this machine: it may know where answers are from
  Poller::Clock::time_point last_active_;
  std::vector<uint8_t> in_, out_;
  size_t sent_ = 0;
  int waiting_ = 0;  ///< questions that are with an upstream, or whose answers are held
  uint32_t wanted_ = EPOLLIN;
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
    if (connections_.size() >= limits_.connections) close(*connections_.front());
    auto connection = std::make_shared<Connection>(*this, std::move(fd), SocketAddress::from(storage));
    connection->place = connections_.insert(connections_.end(), connection);
  }
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
