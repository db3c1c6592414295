#include "paced_load.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <string_view>

#include "connect.h"

namespace weft::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";

struct Connection {
  int fd = -1;
  std::string in;
  Clock::time_point due;  ///< of the request that it is at
};

class PacedRun {
 public:
  PacedRun(uint16_t port, int connections, size_t body, double rate)
      : body_(body),
        pause_(std::chrono::nanoseconds(static_cast<int64_t>(1e9 / rate))),
        connections_(static_cast<size_t>(connections)) {
    for (Connection& connection : connections_) {
      connection.fd = connect_to(port);
      if (connection.fd < 0) {
        ++out_.load.failures;
        continue;
      }
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
      free_.push_back(&connection);
    }
  }
  ~PacedRun() {
    for (Connection& connection : connections_)
      if (connection.fd >= 0) ::close(connection.fd);
    ::close(epoll_);
  }

  PacedLoad run(std::chrono::milliseconds time) {
    auto next = Clock::now();
    auto until = next + time;
    std::array<epoll_event, 128> events;
    for (auto now = next; now < until; now = Clock::now()) {
      for (; next <= now; next += pause_) due_.push_back(next);
      while (!due_.empty() && !free_.empty()) ask();
      auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(next - Clock::now()).count();
      timespec wait{.tv_sec = 0, .tv_nsec = std::max<int64_t>(left, 0)};
      int count = epoll_pwait2(epoll_, events.data(), events.size(), &wait, nullptr);
      for (int i = 0; i < count; ++i) read(*static_cast<Connection*>(events[i].data.ptr));
    }
    return std::move(out_);
  }

 private:
  void ask() {
    Connection& connection = *free_.front();
    free_.pop_front();
    connection.due = due_.front();
    due_.pop_front();
    (void)::send(connection.fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL);
  }

  void read(Connection& connection) {
    std::array<char, 16384> bytes;
    ssize_t got = ::recv(connection.fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    connection.in.append(bytes.data(), got > 0 ? static_cast<size_t>(got) : 0);
    if (got <= 0 || (connection.in.size() >= 12 && !connection.in.starts_with("HTTP/1.1 200"))) {
      ++out_.load.failures;
      ::close(connection.fd);
      connection.fd = -1;
      return;
    }
    size_t end = connection.in.find("\r\n\r\n");
    if (end == std::string::npos || connection.in.size() < end + 4 + body_) return;
    connection.in.clear();
    ++out_.load.requests;
    out_.latencies.push_back(
        std::chrono::duration<double, std::micro>(Clock::now() - connection.due).count());
    free_.push_back(&connection);
  }

  size_t body_;
  std::chrono::nanoseconds pause_;
  int epoll_ = epoll_create1(0);
  std::vector<Connection> connections_;
  std::deque<Connection*> free_;
  std::deque<Clock::time_point> due_;  ///< requests that wait
  PacedLoad out_;
};

}  // namespace

PacedLoad paced_load(uint16_t port, int connections, size_t body, double rate,
                     std::chrono::milliseconds time) {
  return PacedRun(port, connections, body, rate).run(time);
}

}  // namespace weft::bench
