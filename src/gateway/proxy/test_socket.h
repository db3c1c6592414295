#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace weft::gateway {

/// A blocking socket of a test, that waits for at most five seconds.
class TestSocket {
 public:
  explicit TestSocket(Fd fd) : fd_(std::move(fd)) {
    timeval time{.tv_sec = 5, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  }
  TestSocket(TestSocket&& other) noexcept : in_(std::move(other.in_)) {
    std::lock_guard lock(closing());
    fd_ = std::move(other.fd_);
  }
  static TestSocket connect(uint16_t port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fd.reset();
    return TestSocket(std::move(fd));
  }

  bool good() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  /// Up to and with `mark`; what came before the end if it did not come.
  std::string read_until(std::string_view mark) {
    size_t at;
    while ((at = in_.find(mark)) == std::string::npos)
      if (!more()) return std::exchange(in_, {});
    return take(at + mark.size());
  }
  std::string read(size_t size) {
    while (in_.size() < size && more()) {
    }
    return take(std::min(size, in_.size()));
  }
  std::string read_all() {
    while (more()) {
    }
    return std::exchange(in_, {});
  }
  /// Whether the peer ends or breaks the connection within the time.
  bool ended() { return in_.empty() && !more() && !timed_out_; }
  std::string read_head() { return read_until("\r\n\r\n"); }
  /// A message with its body, by content-length or chunked (taken apart).
  std::pair<std::string, std::string> read_message() {
    std::string head = read_head();
    std::string body;
    if (size_t at = head.find("content-length: "); at != std::string::npos) {
      body = read(std::stoul(head.substr(at + 16)));
    } else if (head.find("transfer-encoding: chunked") != std::string::npos) {
      while (true) {
        std::string line = read_until("\r\n");
        size_t size = line.empty() ? 0 : std::stoul(line, nullptr, 16);
        if (size == 0) break;
        body += read(size);
        read(2);
      }
      std::string trailers = read_until("\r\n");
      while (trailers.size() > 2 && !trailers.ends_with("\r\n\r\n")) trailers += read_until("\r\n");
      body += trailers.substr(0, trailers.size() - 2);
    }
    return {head, body};
  }
  void finish() { ::shutdown(fd_.get(), SHUT_WR); }
  /// With a reset instead of an end.
  void abort() {
    linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  void close() {
    std::lock_guard lock(closing());
    fd_.reset();
  }
  /// From another thread: its calls end.
  void stop() {
    std::lock_guard lock(closing());
    if (fd_) ::shutdown(fd_.get(), SHUT_RDWR);
  }

 private:
  static std::mutex& closing() {
    static std::mutex mutex;
    return mutex;
  }
  bool more() {
    std::vector<char> bytes(65536);
    // Nobody's lock is held here: those of others are taken to be when a condition variable has given them
    // back. NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection)
    ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    timed_out_ = got < 0 && errno == EAGAIN;
    if (got <= 0) return false;
    in_.append(bytes.data(), static_cast<size_t>(got));
    return true;
  }
  std::string take(size_t size) {
    std::string taken = in_.substr(0, size);
    in_.erase(0, size);
    return taken;
  }

  Fd fd_;
  std::string in_;
  bool timed_out_ = false;
};

/// Serves each connection on a thread of its own.
class TestBackend {
 public:
  using Serve = std::function<void(TestSocket&)>;
  explicit TestBackend(Serve serve)
      : serve_(std::move(serve)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
    ::listen(listener_.get(), 128);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { run(); });
  }
  ~TestBackend() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    {
      std::lock_guard lock(mutex_);
      for (TestSocket& socket : sockets_) socket.stop();
    }
    for (std::thread& thread : threads_) thread.join();
  }
  uint16_t port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void run() {
    while (true) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) return;
      ++connections_;
      std::lock_guard lock(mutex_);
      TestSocket& socket = sockets_.emplace_back(std::move(fd));
      threads_.emplace_back([this, &socket] { serve_(socket); });
    }
  }

  Serve serve_;
  Fd listener_;
  uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::list<TestSocket> sockets_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

/// Answers each request with what it was: "METHOD target\n", the fields' lines, an empty line, the body.
inline void echo(TestSocket& socket) {
  while (true) {
    auto [head, body] = socket.read_message();
    if (!head.ends_with("\r\n\r\n")) return socket.close();
    std::string said = head + body;
    socket.send("HTTP/1.1 200 OK\r\nx-backend: echo\r\ncontent-length: " + std::to_string(said.size()) +
                "\r\n\r\n" + said);
  }
}

/// Answers each request with the same bytes.
inline TestBackend::Serve always(std::string answer) {
  return [answer](TestSocket& socket) {
    while (socket.read_message().first.ends_with("\r\n\r\n")) socket.send(answer);
    socket.close();
  };
}

/// A port that nobody listens on and that nobody else is given while this lives. One for a listener
/// is free for those who set SO_REUSEPORT, as the proxy does.
class ReservedPort {
 public:
  enum class For { nobody, listener };
  explicit ReservedPort(For whom = For::nobody) : socket_(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    if (whom == For::listener) {
      setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    sockaddr_in6 at{.sin6_family = AF_INET6};
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&at), &size);
    number_ = ntohs(at.sin6_port);
  }
  uint16_t number() const { return number_; }

 private:
  Fd socket_;
  uint16_t number_ = 0;
};

}  // namespace weft::gateway
