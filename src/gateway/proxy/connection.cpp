#include "gateway/proxy/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace weft::gateway {

namespace {

bool again(int err) { return err == EAGAIN || err == EWOULDBLOCK || err == EINTR; }

}  // namespace

void SslFree::operator()(SSL* ssl) const { SSL_free(ssl); }

Connection::Connection(Loop& loop, Fd socket, SslPtr tls, Events& events)
    : loop_(loop),
      socket_(std::move(socket)),
      tls_(std::move(tls)),
      events_(&events),
      last_moved_(loop.now()) {
  int on = 1;
  setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (tls_) SSL_set_fd(tls_.get(), socket_.get());
}

std::unique_ptr<Connection> Connection::accept(Loop& loop, Fd socket, SslPtr tls, Events& events) {
  std::unique_ptr<Connection> connection(new Connection(loop, std::move(socket), std::move(tls), events));
  if (connection->tls_) connection->state_ = State::handshake;
  if (!loop.watch(connection->socket_.get(), *connection)) return nullptr;
  return connection;
}

std::unique_ptr<Connection> Connection::connect(Loop& loop, const IpAddr& addr, uint16_t port, SslPtr tls,
                                                Events& events) {
  sockaddr_storage to{};
  socklen_t size = 0;
  if (addr.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(to);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::ranges::copy(addr.bytes(), reinterpret_cast<uint8_t*>(&in.sin_addr));
    size = sizeof in;
  } else {
    auto& in = reinterpret_cast<sockaddr_in6&>(to);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::ranges::copy(addr.bytes(), in.sin6_addr.s6_addr);
    size = sizeof in;
  }
  Fd socket(::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  std::unique_ptr<Connection> connection(new Connection(loop, std::move(socket), std::move(tls), events));
  connection->state_ = State::connecting;
  connection->writable_ = false;
  int fd = connection->fd();
  // Connections to backends last: a server of a pod on the node's network may still have their ports.
  const int reuse = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  bool started = fd >= 0 &&
                 (::connect(fd, reinterpret_cast<sockaddr*>(&to), size) == 0 || errno == EINPROGRESS) &&
                 loop.watch(fd, *connection);
  if (!started) {
    connection->broken_ = true;
    loop.defer(*connection);
  }
  return connection;
}

void Connection::dispose(std::unique_ptr<Connection> connection) {
  Loop& loop = connection->loop_;
  connection->close();
  loop.dispose(std::move(connection));
}

void Connection::close() {
  if (state_ == State::closed) return;
  // Says goodbye if that does not mean to wait; of a session that broke there is none.
  if (tls_ && state_ == State::open && !broken_ && !finish_) SSL_shutdown(tls_.get());
  ERR_clear_error();
  state_ = State::closed;
  tls_.reset();
  out_.clear();
  loop_.forget(*this);
  socket_.reset();
}

void Connection::on_events(uint32_t events) {
  if (state_ == State::closed) return;
  if (events & EPOLLERR) error_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ending_ = true;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (state_ == State::connecting) {
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) connected();
    return;
  }
  if (events & EPOLLOUT) writable_ = true;
  if (state_ == State::handshake) return handshake();
  if (writable_ && !out_.empty()) flush();
  // An event of readable bytes comes together with "writable" that says nothing new.
  if (state_ == State::open && readable_) events_->on_readable();
}

void Connection::on_deferred() {
  if (state_ == State::connecting && broken_) return open_failed(Reset::connect_failed);
  if (state_ != State::open) return;
  if (read_later_) {
    read_later_ = false;
    events_->on_readable();
    if (state_ != State::open) return;
  }
  if (!out_.empty() && writable_) flush();
}

void Connection::connected() {
  int err = 0;
  socklen_t size = sizeof err;
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &err, &size);
  if (err != 0) return open_failed(Reset::connect_failed);
  writable_ = true;
  state_ = State::handshake;
  handshake();
}

void Connection::handshake() {
  if (tls_) {
    ERR_clear_error();
    int done = SSL_do_handshake(tls_.get());
    if (done != 1) {
      int why = SSL_get_error(tls_.get(), done);
      if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return;
      return open_failed(Reset::tls_failed);
    }
  }
  state_ = State::open;
  readable_ = true;
  events_->on_open();
  if (state_ != State::open) return;
  events_->on_readable();
  if (state_ == State::open && !out_.empty()) loop_.defer(*this);
}

void Connection::open_failed(Reset why) {
  broken_ = true;
  events_->on_open_failed(why);
}

int Connection::read(std::span<char> to) {
  if (!readable_ || state_ != State::open) return kNone;
  if (end_told_ && error_) return kFailed;
  int got = tls_ ? read_tls(to) : read_plain(to);
  end_told_ = end_told_ || got == kEnd;
  // Both came at once: of the error no other event will tell.
  if (got == kEnd && error_) read_later();
  return got;
}

int Connection::read_plain(std::span<char> to) {
  ssize_t got = ::recv(socket_.get(), to.data(), to.size(), 0);
  if (got > 0) {
    last_moved_ = loop_.now();
    // A short read has emptied the socket; the next bytes bring an event of their own.
    readable_ = ending_ || static_cast<size_t>(got) == to.size();
    return static_cast<int>(got);
  }
  if (got < 0 && again(errno)) {
    readable_ = false;
    return broken_ ? kFailed : kNone;
  }
  return got == 0 ? kEnd : kFailed;
}

int Connection::read_tls(std::span<char> to) {
  size_t total = 0;
  while (total < to.size()) {
    ERR_clear_error();
    int size = static_cast<int>(std::min<size_t>(to.size() - total, INT_MAX));
    int got = SSL_read(tls_.get(), to.data() + total, size);
    if (got > 0) {
      total += static_cast<size_t>(got);
      continue;
    }
    if (total > 0) break;  // what it is will be said by the next read
    int why = SSL_get_error(tls_.get(), got);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
      readable_ = false;
      return broken_ ? kFailed : kNone;
    }
    if (why == SSL_ERROR_ZERO_RETURN) return kEnd;
    broken_ = true;
    return kFailed;
  }
  last_moved_ = loop_.now();
  return static_cast<int>(total);
}

void Connection::read_later() {
  read_later_ = true;
  loop_.defer(*this);
}

size_t Connection::send_tls(std::string_view bytes) {
  size_t total = 0;
  while (total < bytes.size()) {
    ERR_clear_error();
    int size = static_cast<int>(std::min<size_t>(bytes.size() - total, INT_MAX));
    int sent = SSL_write(tls_.get(), bytes.data() + total, size);
    if (sent > 0) {
      total += static_cast<size_t>(sent);
      continue;
    }
    int why = SSL_get_error(tls_.get(), sent);
    writable_ = false;
    if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ) fail();
    break;
  }
  return total;
}

size_t Connection::send(std::string_view first, std::string_view second) {
  last_moved_ = loop_.now();
  if (tls_) {
    size_t sent = send_tls(first);
    return sent < first.size() ? sent : sent + send_tls(second);
  }
  std::array<iovec, 2> parts = {
      {{const_cast<char*>(first.data()), first.size()}, {const_cast<char*>(second.data()), second.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = second.empty() ? 1 : 2;
  ssize_t sent = second.empty() ? ::send(socket_.get(), first.data(), first.size(), MSG_NOSIGNAL)
                                : ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  if (sent < 0) {
    writable_ = false;
    if (!again(errno)) fail();
    return 0;
  }
  if (static_cast<size_t>(sent) < first.size() + second.size()) writable_ = false;
  return static_cast<size_t>(sent);
}

bool Connection::write(std::string_view bytes) {
  if (broken_ || state_ == State::closed) return true;
  if (state_ == State::open && writable_ && bytes.size() >= kDirect) {
    size_t held = out_.size();
    size_t sent = held > 0 ? send(out_.view(), bytes) : send(bytes, {});
    if (broken_) return true;
    if (held > 0) out_.consume(std::min(sent, held));
    bytes.remove_prefix(sent > held ? sent - held : 0);
  }
  out_.append(bytes);
  return write_later();
}

bool Connection::write_later() {
  if (broken_) {
    out_.clear();
    return true;
  }
  if (!out_.empty() && writable_ && state_ == State::open) loop_.defer(*this);
  full_ = full_ || out_.size() > kHigh;
  return !full_;
}

void Connection::flush_now() {
  if (!out_.empty() && writable_ && state_ == State::open) flush();
}

void Connection::flush() {
  size_t sent = send(out_.view(), {});
  if (!broken_) out_.consume(sent);
  if (out_.empty() && finish_) shutdown_write();
  if (full_ && out_.size() < kLow) {
    full_ = false;
    events_->on_drained();
  }
}

void Connection::finish() {
  finish_ = true;
  if (out_.empty() && state_ == State::open) shutdown_write();
}

void Connection::shutdown_write() {
  if (tls_ && !broken_) SSL_shutdown(tls_.get());
  ::shutdown(socket_.get(), SHUT_WR);
}

void Connection::fail() {
  broken_ = true;
  out_.clear();
  readable_ = true;
  ending_ = true;
  read_later();
}

}  // namespace weft::gateway
