#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/fd.h"
#include "standalone/sandbox/echo.h"
#include "standalone/sandbox/echo_h2.h"
#include "standalone/sandbox/echo_http.h"

namespace weft::standalone::sandbox {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr size_t kReadSize = 64 << 10;
/// A peer that does not read its answers is not read from beyond this.
constexpr size_t kMaxUnsent = 1 << 20;
/// After SIGTERM connections are still accepted until none came for this long: whoever balances the load
/// learns of our end at the same moment as we do.
constexpr auto kQuiet = 200ms;
constexpr auto kLongestEnd = 10s;

Expected<Fd> open_socket(int type, uint16_t port) {
  Fd fd(::socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int on = 1, off = 0;
  sockaddr_in6 any6{};
  any6.sin6_family = AF_INET6;
  any6.sin6_port = htons(port);
  sockaddr_in any4{};
  any4.sin_family = AF_INET;
  any4.sin_port = htons(port);
  bool v6 = static_cast<bool>(fd);
  if (!v6) fd = Fd(::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("socket", errno);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (v6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (v6 && type == SOCK_DGRAM) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  auto* address = v6 ? reinterpret_cast<sockaddr*>(&any6) : reinterpret_cast<sockaddr*>(&any4);
  socklen_t size = v6 ? sizeof any6 : sizeof any4;
  if (::bind(fd.get(), address, size) != 0) return fail_errno(fmt::format("listen on port {}", port), errno);
  if (type == SOCK_STREAM && ::listen(fd.get(), SOMAXCONN) != 0)
    return fail_errno(fmt::format("listen on port {}", port), errno);
  return fd;
}

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    ::inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v6.sin6_port));
  }
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
}

enum class Kind : uint64_t { http_listener, tcp_listener, udp, connection, signals };

struct Connection {
  Fd fd;
  bool http = false;
  std::string client;
  std::string in;  ///< bytes behind the request being answered
  std::string out;
  size_t sent = 0;
  HttpReader reader;
  std::unique_ptr<EchoHttp2> http2;
  bool sniffed = false;  ///< it is known whether this is HTTP/2
  bool delayed = false;  ///< an answer waits for its time; nothing is read meanwhile
  bool close_when_sent = false;
  bool peer_done = false;  ///< it sends nothing more
  uint32_t events = 0;
};

class Server {
 public:
  explicit Server(const EchoOptions& options) : options_(options) {}
  Expected<void> open();
  void run();

 private:
  Expected<void> add(Kind kind, int type, uint16_t port);
  void watch(int fd, uint32_t events, uint64_t tag, int operation);
  void accept_all(int fd, bool http);
  void echo_datagrams(int fd);
  void on_connection(uint64_t id, uint32_t events);
  bool read(Connection& c);
  void serve(uint64_t id, Connection& c);
  void serve_http1(uint64_t id, Connection& c);
  bool is_http2(Connection& c);
  void send_later(uint64_t id, Connection& c, EchoResponse response, bool keep_alive, bool head_only);
  bool flush(Connection& c);
  void update(uint64_t id, Connection& c);
  void fire_timers();
  int timeout_ms() const;
  void begin_end();
  void stop_listening();
  bool over() const { return ending_ && listeners_.empty() && connections_.empty(); }
  static uint64_t tag(Kind kind, uint64_t id) { return static_cast<uint64_t>(kind) << 56 | id; }

  struct Later {
    uint64_t connection;
    std::string bytes;
  };

  const EchoOptions& options_;
  Fd epoll_, signals_;
  std::vector<Fd> listeners_, datagrams_;
  std::unordered_map<uint64_t, Connection> connections_;
  std::multimap<Clock::time_point, Later> timers_;
  uint64_t next_id_ = 1;
  bool ending_ = false;
  Clock::time_point quiet_until_{}, end_at_{};
};

void Server::watch(int fd, uint32_t events, uint64_t tag, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  ::epoll_ctl(epoll_.get(), operation, fd, &event);
}

Expected<void> Server::add(Kind kind, int type, uint16_t port) {
  WEFT_TRY(auto fd, open_socket(type, port));
  watch(fd.get(), EPOLLIN, tag(kind, static_cast<uint64_t>(fd.get())), EPOLL_CTL_ADD);
  (type == SOCK_DGRAM ? datagrams_ : listeners_).push_back(std::move(fd));
  return {};
}

Expected<void> Server::open() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = Fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!epoll_ || !signals_) return fail_errno("epoll", errno);
  watch(signals_.get(), EPOLLIN, tag(Kind::signals, 0), EPOLL_CTL_ADD);
  for (uint16_t port : options_.http) WEFT_CHECK(add(Kind::http_listener, SOCK_STREAM, port));
  for (uint16_t port : options_.tcp) WEFT_CHECK(add(Kind::tcp_listener, SOCK_STREAM, port));
  for (uint16_t port : options_.udp) WEFT_CHECK(add(Kind::udp, SOCK_DGRAM, port));
  return {};
}

void Server::run() {
  std::array<epoll_event, 256> events;
  while (!over()) {
    int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms());
    for (int i = 0; i < n; ++i) {
      const auto& event = events[static_cast<size_t>(i)];
      uint64_t id = event.data.u64 & ((1ULL << 56) - 1);
      switch (static_cast<Kind>(event.data.u64 >> 56)) {
        case Kind::http_listener:
          accept_all(static_cast<int>(id), true);
          break;
        case Kind::tcp_listener:
          accept_all(static_cast<int>(id), false);
          break;
        case Kind::udp:
          echo_datagrams(static_cast<int>(id));
          break;
        case Kind::connection:
          on_connection(id, event.events);
          break;
        case Kind::signals:
          begin_end();
          break;
      }
    }
    fire_timers();
    if (!ending_) continue;
    if (Clock::now() >= end_at_) return;
    if (Clock::now() >= quiet_until_) stop_listening();
  }
}

void Server::accept_all(int fd, bool http) {
  constexpr int kPerTurn = 64;
  for (int i = 0; i < kPerTurn; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Fd accepted(::accept4(fd, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!accepted) return;
    int on = 1;
    ::setsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (ending_) quiet_until_ = Clock::now() + kQuiet;
    uint64_t id = next_id_++;
    auto& c = connections_[id];
    c.fd = std::move(accepted);
    c.http = http;
    c.client = address_text(address);
    c.events = EPOLLIN;
    watch(c.fd.get(), c.events, tag(Kind::connection, id), EPOLL_CTL_ADD);
    // The request is often there already.
    on_connection(id, EPOLLIN);
  }
}

/// The answer leaves from the address the question was sent to, which matters where a pod has several.
void Server::echo_datagrams(int fd) {
  constexpr int kPerTurn = 64;
  static std::array<char, 64 << 10> buffer;
  for (int i = 0; i < kPerTurn; ++i) {
    sockaddr_storage peer{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control;
    iovec piece{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = &peer;
    message.msg_namelen = sizeof peer;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto n = ::recvmsg(fd, &message, 0);
    if (n < 0) return;
    piece.iov_len = static_cast<size_t>(n);
    // A link-local answer needs its interface; for others the routes decide.
    cmsghdr* info = CMSG_FIRSTHDR(&message);
    if (info && info->cmsg_type == IPV6_PKTINFO) {
      auto* packet = reinterpret_cast<in6_pktinfo*>(CMSG_DATA(info));
      if (!IN6_IS_ADDR_LINKLOCAL(&packet->ipi6_addr)) packet->ipi6_ifindex = 0;
    }
    ::sendmsg(fd, &message, 0);
  }
}

void Server::on_connection(uint64_t id, uint32_t events) {
  auto it = connections_.find(id);
  if (it == connections_.end()) return;
  Connection& c = it->second;
  bool alive = !(events & EPOLLERR);
  if (alive && (events & (EPOLLIN | EPOLLHUP))) alive = read(c);
  if (alive) {
    serve(id, c);
    alive = flush(c);
  }
  bool sent = c.sent == c.out.size();
  bool done = sent && !c.delayed && (c.close_when_sent || c.peer_done || (c.http2 && c.http2->finished()));
  if (!alive || done) {
    connections_.erase(it);
    return;
  }
  update(id, c);
}

/// False: the connection is broken.
bool Server::read(Connection& c) {
  static std::array<char, kReadSize> buffer;
  auto n = ::recv(c.fd.get(), buffer.data(), buffer.size(), 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) c.peer_done = true;
  c.in.append(buffer.data(), static_cast<size_t>(n));
  return true;
}

void Server::serve(uint64_t id, Connection& c) {
  if (!c.http) {
    c.out += c.in;
    c.in.clear();
    return;
  }
  if (is_http2(c)) {
    if (!c.http2->received(c.in)) c.close_when_sent = true;
    c.in.clear();
    c.out += c.http2->to_send();
    return;
  }
  if (c.sniffed) serve_http1(id, c);
}

bool Server::is_http2(Connection& c) {
  if (c.sniffed) return c.http2 != nullptr;
  size_t n = std::min(c.in.size(), kHttp2Preface.size());
  if (kHttp2Preface.substr(0, n) != std::string_view(c.in).substr(0, n)) {
    c.sniffed = true;
  } else if (n == kHttp2Preface.size()) {
    c.sniffed = true;
    c.http2 = std::make_unique<EchoHttp2>(options_.identity, c.client);
  }
  return c.http2 != nullptr;
}

void Server::serve_http1(uint64_t id, Connection& c) {
  while (!c.in.empty() && !c.delayed && !c.close_when_sent && c.out.size() - c.sent < kMaxUnsent) {
    c.in.erase(0, c.reader.feed(c.in));
    if (c.reader.state() == HttpReader::State::bad) {
      c.out += write_response({c.reader.error_status(), "text/plain", "bad request\n", 0}, false, false);
      c.close_when_sent = true;
    } else if (c.reader.state() == HttpReader::State::complete) {
      const auto& request = c.reader.request();
      bool keep_alive = request.keep_alive && !ending_;
      auto response = answer(request, options_.identity, c.client);
      bool head_only = request.method == "HEAD";
      c.reader.reset();
      send_later(id, c, std::move(response), keep_alive, head_only);
    }
  }
}

void Server::send_later(uint64_t id, Connection& c, EchoResponse response, bool keep_alive, bool head_only) {
  auto bytes = write_response(response, keep_alive, head_only);
  c.close_when_sent = !keep_alive;
  if (response.delay_ms == 0) {
    c.out += bytes;
    return;
  }
  c.delayed = true;
  timers_.emplace(Clock::now() + std::chrono::milliseconds(response.delay_ms), Later{id, std::move(bytes)});
}

bool Server::flush(Connection& c) {
  while (c.sent < c.out.size()) {
    auto n = ::send(c.fd.get(), c.out.data() + c.sent, c.out.size() - c.sent, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    c.sent += static_cast<size_t>(n);
  }
  c.out.clear();
  c.sent = 0;
  return true;
}

void Server::update(uint64_t id, Connection& c) {
  size_t unsent = c.out.size() - c.sent;
  bool may_read = !c.delayed && !c.peer_done && !c.close_when_sent && unsent < kMaxUnsent;
  uint32_t events = (may_read ? uint32_t{EPOLLIN} : 0U) | (unsent > 0 ? uint32_t{EPOLLOUT} : 0U);
  if (events == c.events) return;
  c.events = events;
  watch(c.fd.get(), events, tag(Kind::connection, id), EPOLL_CTL_MOD);
}

void Server::fire_timers() {
  while (!timers_.empty() && timers_.begin()->first <= Clock::now()) {
    auto later = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    auto it = connections_.find(later.connection);
    if (it == connections_.end()) continue;
    it->second.delayed = false;
    it->second.out += later.bytes;
    on_connection(later.connection, 0);
  }
}

int Server::timeout_ms() const {
  auto next = Clock::time_point::max();
  if (!timers_.empty()) next = timers_.begin()->first;
  if (ending_) next = std::min({next, listeners_.empty() ? end_at_ : quiet_until_, end_at_});
  if (next == Clock::time_point::max()) return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

void Server::begin_end() {
  signalfd_siginfo info;
  [[maybe_unused]] auto n = ::read(signals_.get(), &info, sizeof info);
  if (std::exchange(ending_, true)) return;
  quiet_until_ = Clock::now() + kQuiet;
  end_at_ = Clock::now() + kLongestEnd;
}

/// Connections without a request under way end now, the others after their answer.
void Server::stop_listening() {
  if (listeners_.empty() && datagrams_.empty()) return;
  listeners_.clear();
  datagrams_.clear();
  std::vector<uint64_t> ids;
  for (const auto& [id, c] : connections_) ids.push_back(id);
  for (uint64_t id : ids) {
    Connection& c = connections_.at(id);
    if (c.http2) {
      c.http2->shut_down();
      c.out += c.http2->to_send();
    } else if (!c.delayed) {
      c.close_when_sent = true;
    }
    on_connection(id, 0);
  }
}

}  // namespace

Expected<void> run_echo(const EchoOptions& options) {
  Server server(options);
  WEFT_CHECK(server.open());
  server.run();
  return {};
}

}  // namespace weft::standalone::sandbox
