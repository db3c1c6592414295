#include "gateway/proxy/listen_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/log.h"

namespace weft::gateway {

namespace {

constexpr int kAtOnce = 64;
constexpr uint64_t kShortOfDescriptors = 100;

IpAddr peer_of(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    std::array<uint8_t, 4> bytes;
    std::copy_n(reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in&>(from).sin_addr), 4,
                bytes.begin());
    return IpAddr::v4(bytes);
  }
  return address_of(reinterpret_cast<const sockaddr_in6&>(from).sin6_addr);
}

}  // namespace

IpAddr address_of(const in6_addr& from) {
  if (IN6_IS_ADDR_V4MAPPED(&from))
    return IpAddr::v4({from.s6_addr[12], from.s6_addr[13], from.s6_addr[14], from.s6_addr[15]});
  std::array<uint8_t, 16> bytes;
  std::copy_n(from.s6_addr, 16, bytes.begin());
  return IpAddr::v6(bytes);
}

Expected<Fd> open_listen_socket(uint16_t port) {
  std::string what = fmt::format("port {}", port);
  // A kernel without IPv6 has IPv4 alone.
  bool v6 = true;
  Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) {
    v6 = false;
    socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }
  if (!socket) return fail_errno("socket for " + what, errno);
  int on = 1, off = 0;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
    return fail_errno("SO_REUSEPORT for " + what, errno);
  sockaddr_in6 in6{.sin6_family = AF_INET6, .sin6_port = htons(port)};
  sockaddr_in in{.sin_family = AF_INET, .sin_port = htons(port)};
  if (v6) setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  int bound = v6 ? ::bind(socket.get(), reinterpret_cast<sockaddr*>(&in6), sizeof in6)
                 : ::bind(socket.get(), reinterpret_cast<sockaddr*>(&in), sizeof in);
  if (bound != 0) return fail_errno("bind to " + what, errno);
  if (::listen(socket.get(), SOMAXCONN) != 0) return fail_errno("listen on " + what, errno);
  return socket;
}

uint16_t port_of(const Fd& socket) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size);
  return ntohs(at.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(at).sin6_port
                                        : reinterpret_cast<sockaddr_in&>(at).sin_port);
}

ListenSocket::ListenSocket(Loop& loop, Fd socket, uint16_t bind_port, AcceptHandler& handler)
    : loop_(loop), socket_(std::move(socket)), bind_port_(bind_port), handler_(handler) {
  if (!loop_.watch_level(socket_.get(), *this))
    spdlog::error("port {}: cannot be watched by epoll", bind_port_);
}

// The descriptor may live on in another process, so closing it would not end the watch.
ListenSocket::~ListenSocket() { loop_.unwatch(socket_.get()); }

void ListenSocket::accept_all() {
  while (accept_one()) {
  }
}

void ListenSocket::on_events(uint32_t) {
  for (int i = 0; i < kAtOnce && accept_one(); ++i) {
  }
}

bool ListenSocket::accept_one() {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  Fd socket(
      ::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket) {
    handler_.on_accept(std::move(socket), peer_of(from), bind_port_);
    return true;
  }
  if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
    spdlog::warn("port {}: no connection can be accepted for now: {}", bind_port_,
                 fail_errno("accept", errno).error().message);
    loop_.unwatch(socket_.get());
    loop_.set_timer(timer_, kShortOfDescriptors);
    return false;
  }
  return errno == ECONNABORTED || errno == EINTR;
}

void ListenSocket::on_timer(Timer&) { (void)loop_.watch_level(socket_.get(), *this); }

}  // namespace weft::gateway
