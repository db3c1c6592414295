#include "gateway/proxy/stream_hello.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

namespace weft::gateway {

HelloReader::HelloReader(Loop& loop, Fd socket, Owner& owner)
    : loop_(loop), socket_(std::move(socket)), owner_(owner) {}

void HelloReader::start() {
  loop_.set_timer(timer_, kPatience);
  if (!loop_.watch(socket_.get(), *this)) return done({.state = ClientHello::State::bad});
  look();
}

void HelloReader::on_events(uint32_t events) {
  if (!socket_) return;
  look();
  // Of one that left before it said enough nothing more will come.
  if (socket_ && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) done({.state = ClientHello::State::bad});
}

void HelloReader::on_timer(Timer&) { done({.state = ClientHello::State::bad}); }

void HelloReader::look() {
  auto scratch = loop_.scratch();
  ssize_t got = ::recv(socket_.get(), scratch.data(), scratch.size(), MSG_PEEK);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return done({.state = ClientHello::State::bad});
  ClientHello hello = read_client_hello({scratch.data(), static_cast<size_t>(got)});
  if (hello.state == ClientHello::State::more && static_cast<size_t>(got) == scratch.size())
    hello.state = ClientHello::State::bad;
  if (hello.state != ClientHello::State::more) done(std::move(hello));
}

void HelloReader::done(ClientHello hello) {
  timer_.clear();
  loop_.unwatch(socket_.get());
  owner_.on_hello(*this, std::move(socket_), std::move(hello));
}

}  // namespace weft::gateway
