#include "dns/upstream_stream.h"

#include <openssl/err.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weft::dns {
namespace {

constexpr std::chrono::seconds kIdle{10};
constexpr size_t kReadSize = 16 * 1024;
constexpr size_t kWaiting = 4096;  // of 65536 ids, so that a free one is found at once

}  // namespace

UpstreamStream::Ticket::~Ticket() { stream_.forget(*this); }

void UpstreamStream::Ticket::time_out() {
  const bool current = key_.first == stream_.generation_ && stream_.fd_;
  stream_.forget(*this);
  if (!current || stream_.heard_ >= asked_) return;
  if (!stream_.ready_) stream_.trouble_ = "it does not take connections";
  stream_.lose();
}

UpstreamStream::UpstreamStream(UpstreamContext& context, const Upstream& upstream, UpstreamCounters& counters)
    : context_(context),
      upstream_(upstream),
      counters_(counters),
      idle_(context.timers, [this] { close(); }) {
  if (!upstream.tls()) return;
  auto tls = UpstreamTls::make(upstream);
  if (tls) {
    tls_ = std::move(*tls);
  } else {
    trouble_ = tls.error().message;
    spdlog::error("upstream {}: {}", upstream.address.str(), trouble_);
  }
}

UpstreamStream::~UpstreamStream() { close(); }

std::unique_ptr<UpstreamStream::Ticket> UpstreamStream::ask(const UpstreamQuestion& question, Done done) {
  if (waiting_.size() >= kWaiting) return nullptr;
  std::unique_ptr<Ticket> ticket(new Ticket(*this, question, std::move(done)));
  return send(*ticket) ? std::move(ticket) : nullptr;
}

void UpstreamStream::forget(const Ticket& ticket) {
  auto found = waiting_.find(ticket.key_);
  if (found != waiting_.end() && found->second == &ticket) waiting_.erase(found);
}

bool UpstreamStream::open() {
  if (upstream_.tls() && !tls_) return false;
  const auto& address = upstream_.address;
  fd_ = Fd(::socket(address.ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const socklen_t size = address.to(storage);
  // A server of a pod on the node's network may still have the port of a connection that lasts.
  const int reuse = 1;
  if (fd_) setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  if (!fd_ ||
      (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0 && errno != EINPROGRESS)) {
    trouble_ = std::strerror(errno);
    fd_.reset();
    return false;
  }
  if (tls_) ssl_ = tls_->connect(fd_.get());
  wanted_ = EPOLLIN | EPOLLOUT;
  if ((tls_ && !ssl_) || !context_.poller.add(fd_.get(), wanted_, this)) {
    ssl_.reset();
    fd_.reset();
    return false;
  }
  counters_.connections.add();
  port_ = local_address(fd_).port;
  ++generation_;
  return true;
}

bool UpstreamStream::send(Ticket& ticket) {
  if (!fd_ && !open()) return false;
  idle_.cancel();
  do ticket.key_ = {generation_, context_.random.next16()};
  while (waiting_.contains(ticket.key_));
  waiting_[ticket.key_] = &ticket;
  ticket.asked_ = Poller::Clock::now();
  context_.own.note(port_, ticket.key_.second);
  std::array<uint8_t, 2 + kMinUdpSize> message;
  const size_t length =
      write_upstream_query(std::span(message).subspan(2), ticket.key_.second, ticket.question_);
  message[0] = static_cast<uint8_t>(length >> 8);
  message[1] = static_cast<uint8_t>(length);
  out_.insert(out_.end(), message.begin(), message.begin() + static_cast<ptrdiff_t>(2 + length));
  // Written with the next round of events: questions that come together go together, and what fails does so
  // outside of here.
  wait_for(wanted_ | EPOLLOUT);
  return true;
}

void UpstreamStream::wait_for(uint32_t events) {
  if (events == wanted_) return;
  wanted_ = events;
  context_.poller.modify(fd_.get(), events, this);
}

ssize_t UpstreamStream::read_some(std::span<uint8_t> into) {
  if (!ssl_) return ::recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT);
  ERR_clear_error();
  const int size = SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
  if (size > 0) return size;
  const int error = SSL_get_error(ssl_.get(), size);
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
  if (error == SSL_ERROR_WANT_WRITE) also_wanted_ |= EPOLLOUT;
  return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t UpstreamStream::write_some(std::span<const uint8_t> from) {
  if (!ssl_) return ::send(fd_.get(), from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ERR_clear_error();
  const int size = SSL_write(ssl_.get(), from.data(), static_cast<int>(from.size()));
  if (size > 0) return size;
  const int error = SSL_get_error(ssl_.get(), size);
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
  return -1;
}

bool UpstreamStream::handshake() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    trouble_ = std::strerror(error);
    return false;
  }
  also_wanted_ = 0;
  if (!ssl_) return ready_ = true;
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) return ready_ = true;
  const int state = SSL_get_error(ssl_.get(), done);
  if (state != SSL_ERROR_WANT_READ && state != SSL_ERROR_WANT_WRITE) {
    trouble_ = tls_error(ssl_.get());
    return false;
  }
  wait_for(state == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLIN | EPOLLOUT);
  return true;
}

void UpstreamStream::on_ready(uint32_t events) {
  if (!ready_) {
    if (!handshake()) return lose();
    if (!ready_) return;
  }
  also_wanted_ = 0;
  const uint32_t generation = generation_;
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && !receive()) return lose();
  if (generation != generation_ || !fd_) return;
  if (!flush()) return lose();
  wait_for(EPOLLIN | also_wanted_ | (out_.empty() ? 0U : uint32_t{EPOLLOUT}));
  if (waiting_.empty() && !idle_.is_set()) idle_.at(Poller::Clock::now() + kIdle);
}

bool UpstreamStream::flush() {
  size_t sent = 0;
  bool ok = true;
  while (ok && sent < out_.size()) {
    const ssize_t size = write_some(std::span(out_).subspan(sent));
    if (size < 0) {
      ok = errno == EAGAIN || errno == EINTR;
      break;
    }
    sent += static_cast<size_t>(size);
  }
  out_.erase(out_.begin(), out_.begin() + static_cast<ptrdiff_t>(sent));
  return ok;
}

bool UpstreamStream::receive() {
  const uint32_t generation = generation_;
  while (true) {
    const size_t before = in_.size();
    in_.resize(before + kReadSize);
    const ssize_t size = read_some(std::span(in_).subspan(before));
    const bool later = size < 0 && (errno == EAGAIN || errno == EINTR);
    in_.resize(before + static_cast<size_t>(std::max<ssize_t>(size, 0)));
    if (later) return true;
    if (size <= 0) return false;
    heard_ = Poller::Clock::now();
    if (!take_messages()) return false;
    if (generation != generation_ || !fd_) return true;  // somebody gave this connection up meanwhile
  }
}

bool UpstreamStream::take_messages() {
  const uint32_t generation = generation_;
  std::vector<uint8_t> in = std::move(in_);
  in_.clear();
  size_t at = 0;
  while (in.size() - at >= 2) {
    const size_t length = static_cast<size_t>(in[at]) << 8 | in[at + 1];
    if (length < kHeaderSize) return false;
    if (in.size() - at - 2 < length) break;
    take(std::span(in).subspan(at + 2, length));
    if (generation != generation_ || !fd_) return true;
    at += 2 + length;
  }
  in.erase(in.begin(), in.begin() + static_cast<ptrdiff_t>(at));
  in_ = std::move(in);
  return true;
}

void UpstreamStream::take(std::span<const uint8_t> message) {
  ResponseHeader header;
  read_header(message, header);
  auto found = waiting_.find({generation_, header.id});
  bool same_case = false;
  // What fits no question is as good as nothing: its asker hears so in time.
  if (found == waiting_.end() || !is_answer_to(found->second->question_, header.id, message, same_case))
    return;
  useful_ = true;
  trouble_.clear();
  auto done = std::move(found->second->done_);
  waiting_.erase(found);
  done(message);
}

void UpstreamStream::close() {
  idle_.cancel();
  if (!fd_) return;
  context_.own.forget(port_);
  context_.poller.remove(fd_.get(), this);
  // Sends nothing (the connection's end says as much), but keeps the session fit for the next one.
  if (ssl_ && ready_) SSL_shutdown(ssl_.get());
  ssl_.reset();
  fd_.reset();
  ready_ = false;
  out_.clear();
  in_.clear();
}

void UpstreamStream::lose() {
  const bool again = std::exchange(useful_, false);
  const uint32_t lost = generation_;
  close();
  while (true) {
    auto first = waiting_.begin();
    if (first == waiting_.end() || first->first.first != lost) return;
    Ticket& ticket = *first->second;
    waiting_.erase(first);
    if (again && !std::exchange(ticket.again_, true) && send(ticket)) continue;
    auto done = std::move(ticket.done_);
    done({});
  }
}

}  // namespace weft::dns
