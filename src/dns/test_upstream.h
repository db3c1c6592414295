#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "dns/codec.h"
#include "dns/responder.h"
#include "dns/socket.h"
#include "dns/test_tls.h"

namespace weft::dns {

using Bytes = std::vector<uint8_t>;
using Messages = std::vector<Bytes>;

/// An answer with these addresses.
inline Bytes test_answer(const Query& query, const std::vector<std::string>& addresses, uint32_t ttl = 60) {
  Bytes out(kMaxMessage);
  Writer writer(out, out.size(), query);
  for (const auto& ip : addresses)
    writer.address(Section::answer, query.name.wire(), ttl, *IpAddr::parse(ip));
  out.resize(writer.finish());
  return out;
}

/// An answer without records but, with a minimum, an SOA.
inline Bytes test_negative(const Query& query, Rcode rcode, std::optional<uint32_t> minimum,
                           uint32_t ttl = 300) {
  Bytes out(1024);
  Writer writer(out, out.size(), query);
  writer.set_rcode(rcode);
  const Name root;
  if (minimum)
    writer.soa(Section::authority, root.wire(), ttl, {root.wire(), root.wire(), 1, 2, 3, 4, *minimum});
  out.resize(writer.finish());
  return out;
}

/// An upstream of a test: a real server on loopback, UDP and TCP (or TLS) on one port, a thread of its own.
class TestUpstream {
 public:
  /// What goes back, in this order; nothing: silence.
  using Answering = std::function<Messages(const Query&, Transport)>;

  explicit TestUpstream(Answering answering = {}, const TestServerTls* tls = nullptr,
                        std::string_view at = "127.0.0.1:0")
      : answering_(std::move(answering)), tls_(tls) {
    udp_ = *open_udp(*SocketAddress::parse(at), false);
    address_ = local_address(udp_);
    tcp_ = *open_tcp(address_, false);
    stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
    thread_ = std::thread([this] { run(); });
  }
  ~TestUpstream() {
    const uint64_t one = 1;
    EXPECT_EQ(::write(stop_.get(), &one, sizeof one), 8);
    thread_.join();
  }

  const SocketAddress& address() const { return address_; }
  /// The names that were asked for, the root (health checks) not among them.
  std::vector<Query> asked(std::optional<Transport> over = {}) const {
    std::lock_guard lock(mutex_);
    std::vector<Query> out;
    for (const auto& [query, transport] : asked_) {
      if (!query.name.is_root() && (!over || *over == transport)) out.push_back(query);
    }
    return out;
  }
  size_t probes() const {
    std::lock_guard lock(mutex_);
    return static_cast<size_t>(
        std::ranges::count_if(asked_, [](const auto& a) { return a.first.name.is_root(); }));
  }
  void answer(Answering answering) {
    std::lock_guard lock(mutex_);
    answering_ = std::move(answering);
  }

  std::atomic<bool> silent = false;
  std::atomic<bool> close_after_answer = false;
  std::atomic<int> connections = 0, resumed = 0;

 private:
  struct Connection {
    Fd fd;
    std::unique_ptr<SSL, FreeTls> ssl;
    Bytes in;
  };

  Messages answers_to(std::span<const uint8_t> message, Transport transport) {
    Query query;
    parse_query(message, query);
    std::lock_guard lock(mutex_);
    asked_.emplace_back(query, transport);
    if (silent) return {};
    if (query.name.is_root()) return {test_answer(query, {})};
    return answering_ ? answering_(query, transport) : Messages{test_answer(query, {"192.0.2.1"})};
  }

  void on_datagram() {
    std::array<uint8_t, 2048> buffer;
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    const ssize_t length =
        ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&peer), &size);
    if (length < 12) return;
    for (const Bytes& answer : answers_to({buffer.data(), static_cast<size_t>(length)}, Transport::udp))
      ::sendto(udp_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
  }

  void on_connection() {
    Fd fd(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    ++connections;
    timeval patience{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    Connection connection{std::move(fd), nullptr, {}};
    if (tls_) {
      connection.ssl = tls_->accept(connection.fd.get());
      if (!connection.ssl) return;
      resumed += SSL_session_reused(connection.ssl.get());
    }
    connections_.push_back(std::move(connection));
  }

  /// False at its end.
  bool on_stream(Connection& c) {
    do {
      std::array<uint8_t, 4096> buffer;
      const ssize_t size = c.ssl ? SSL_read(c.ssl.get(), buffer.data(), buffer.size())
                                 : ::recv(c.fd.get(), buffer.data(), buffer.size(), 0);
      if (size <= 0) return false;
      c.in.insert(c.in.end(), buffer.begin(), buffer.begin() + size);
    } while (c.ssl && SSL_pending(c.ssl.get()) > 0);
    while (c.in.size() >= 2) {
      const size_t length = static_cast<size_t>(c.in[0]) << 8 | c.in[1];
      if (c.in.size() < 2 + length) break;
      for (const Bytes& answer : answers_to(std::span(c.in).subspan(2, length), Transport::tcp)) {
        Bytes out{static_cast<uint8_t>(answer.size() >> 8), static_cast<uint8_t>(answer.size())};
        out.insert(out.end(), answer.begin(), answer.end());
        if (c.ssl)
          SSL_write(c.ssl.get(), out.data(), static_cast<int>(out.size()));
        else
          ::send(c.fd.get(), out.data(), out.size(), MSG_NOSIGNAL);
        if (close_after_answer) return false;
      }
      c.in.erase(c.in.begin(), c.in.begin() + static_cast<ptrdiff_t>(2 + length));
    }
    return true;
  }

  void run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    while (true) {
      std::vector<pollfd> fds{{stop_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
      for (const auto& connection : connections_) fds.push_back({connection.fd.get(), POLLIN, 0});
      ::poll(fds.data(), fds.size(), -1);
      if (fds[0].revents != 0) return;
      if (fds[1].revents != 0) on_datagram();
      size_t at = 3;
      for (auto it = connections_.begin(); it != connections_.end(); ++at) {
        const bool over = fds[at].revents != 0 && !on_stream(*it);
        it = over ? connections_.erase(it) : std::next(it);
      }
      if (fds[2].revents != 0) on_connection();
    }
  }

  Answering answering_;
  const TestServerTls* tls_;
  SocketAddress address_;
  Fd udp_, tcp_, stop_;
  std::list<Connection> connections_;
  mutable std::mutex mutex_;
  std::vector<std::pair<Query, Transport>> asked_;
  std::thread thread_;
};

}  // namespace weft::dns
