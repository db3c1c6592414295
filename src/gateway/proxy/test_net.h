#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/fd.h"
#include "gateway/config/config.h"
#include "gateway/proxy/loop.h"

namespace weft::gateway {

/// Sockets of the loopback address that wait a while and then fail the test.
namespace test_net {

inline constexpr int kPatience = 5000;  // ms

inline sockaddr_in6 loopback(uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  address.sin6_port = htons(port);
  return address;
}

inline uint16_t port_of(const Fd& socket) {
  sockaddr_in6 address{};
  socklen_t size = sizeof address;
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin6_port);
}

/// Bound to a port of its own; of SOCK_STREAM also listening.
inline Fd bound(int type, int flags = 0) {
  Fd socket(::socket(AF_INET6, type | SOCK_CLOEXEC | flags, 0));
  sockaddr_in6 address = loopback(0);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  if (type == SOCK_STREAM) EXPECT_EQ(::listen(socket.get(), 16), 0);
  return socket;
}

inline Fd connected(int type, uint16_t port) {
  Fd socket(::socket(AF_INET6, type | SOCK_CLOEXEC, 0));
  sockaddr_in6 address = loopback(port);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return socket;
}

inline bool readable(const Fd& socket, int patience = kPatience) {
  pollfd waits{.fd = socket.get(), .events = POLLIN};
  return ::poll(&waits, 1, patience) == 1;
}

inline Fd accepted(const Fd& listening) {
  return readable(listening) ? Fd(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)) : Fd();
}

inline void say(const Fd& socket, std::string_view text) {
  while (!text.empty()) {
    ssize_t sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    ASSERT_GT(sent, 0);
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

/// `size` bytes, fewer if it ends before, or "(nothing)".
inline std::string heard(const Fd& socket, size_t size) {
  std::string text(size, '\0');
  size_t got = 0;
  while (got < size) {
    if (!readable(socket)) return "(nothing)";
    ssize_t now = ::recv(socket.get(), &text[got], size - got, 0);
    if (now <= 0) break;
    got += static_cast<size_t>(now);
  }
  text.resize(got);
  return text;
}

/// Whether the other side has ended, or broken off, without another byte.
inline bool ended(const Fd& socket) {
  char byte;
  return readable(socket) && ::recv(socket.get(), &byte, 1, 0) <= 0;
}

inline Endpoint endpoint(uint16_t port) { return {.addr = *IpAddr::parse("::1"), .port = port}; }

}  // namespace test_net

/// A loop on a thread of its own. What lives on it is made and destroyed there.
class LoopThread {
 public:
  LoopThread() : loop_(Loop::create().value()), thread_([this] { loop_->run(); }) {}
  ~LoopThread() {
    loop_->stop();
    thread_.join();
  }
  Loop& loop() { return *loop_; }
  /// Runs it there and waits for its end.
  void run(const std::function<void()>& job) {
    std::promise<void> done;
    loop_->post([&] {
      job();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace weft::gateway
