#include "client.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "base/fd.h"

namespace weft::load {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kRequest = "GET /hostname HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n";
constexpr std::string_view kPing = "weft-load";
constexpr std::string_view kGood = "HTTP/1.1 200";

std::string kind_of(int error) {
  switch (error) {
    case ECONNREFUSED:
      return "refused";
    case ECONNRESET:
    case EPIPE:
      return "reset";
    case ETIMEDOUT:
      return "timeout";
    case EHOSTUNREACH:
    case ENETUNREACH:
      return "unreachable";
    case EADDRNOTAVAIL:
      return "no-local-port";
    case EPERM:
      return "not-permitted";
    default:
      return std::strerror(error);
  }
}

class Generator {
 public:
  explicit Generator(const LoadOptions& options)
      : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)), report_(Clock::now()) {}

  Report run() {
    const auto start = Clock::now();
    const auto total =
        static_cast<uint64_t>(options_.rate * std::chrono::duration<double>(options_.time).count());
    uint64_t begun = 0;
    while (begun < total || !open_.empty()) {
      auto now = Clock::now();
      auto due = [&] {
        return start + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(static_cast<double>(begun) / options_.rate));
      };
      while (begun < total && due() <= now && open_.size() < kInFlight) {
        report_.began(now - due());
        begin(options_.targets[begun++ % options_.targets.size()]);
      }
      expire(now);
      auto left = begun < total && open_.size() < kInFlight ? due() - Clock::now() : Clock::duration(5ms);
      wait(std::clamp<Clock::duration>(left, 0ms, 5ms));
    }
    return std::move(report_);
  }

 private:
  struct Exchange {
    uint64_t number = 0;
    Clock::time_point begun;
    bool sent = false;
    std::string answer;
  };

  void begin(const Target& target) {
    int fd = ::socket(target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    auto begun = Clock::now();
    if (fd < 0) return report_.failed(kind_of(errno), begun);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&target.address), target.size) != 0 &&
        errno != EINPROGRESS) {
      report_.failed(kind_of(errno), begun);
      ::close(fd);
      return;
    }
    epoll_event event{.events = EPOLLOUT, .data = {.fd = fd}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
    open_[fd] = {++last_number_, begun, false, {}};
    order_.emplace_back(fd, last_number_);
  }

  void wait(Clock::duration at_most) {
    epoll_event events[512];
    timespec time{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(at_most).count()};
    int count = ::epoll_pwait2(epoll_.get(), events, 512, &time, nullptr);
    for (int i = 0; i < count; ++i) {
      auto it = open_.find(events[i].data.fd);
      if (it == open_.end()) continue;
      if (it->second.sent) {
        read_answer(it->first, it->second);
      } else {
        send_request(it->first, it->second);
      }
    }
  }

  void send_request(int fd, Exchange& exchange) {
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return end(fd, kind_of(error));
    auto text = options_.raw ? kPing : kRequest;
    if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0) return end(fd, kind_of(errno));
    exchange.sent = true;
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
  }

  /// HTTP: until the server closes, so that it is the one with a socket in TIME_WAIT. Raw: until all is back;
  /// then we reset the connection, for the same reason.
  void read_answer(int fd, Exchange& exchange) {
    char buffer[2048];
    while (true) {
      auto got = ::recv(fd, buffer, sizeof(buffer), 0);
      if (got < 0 && errno == EAGAIN) return;
      if (got < 0) return end(fd, kind_of(errno));
      if (got == 0) break;
      exchange.answer.append(buffer, static_cast<size_t>(got));
      if (options_.raw && exchange.answer.size() >= kPing.size()) break;
    }
    if (options_.raw) {
      linger now{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    bool good = options_.raw ? exchange.answer == kPing : exchange.answer.starts_with(kGood);
    if (good) return end(fd, {});
    end(fd, exchange.answer.empty() ? "closed" : "wrong-answer");
  }

  void end(int fd, const std::string& failure) {
    auto it = open_.find(fd);
    if (failure.empty()) {
      report_.succeeded(Clock::now() - it->second.begun);
    } else {
      report_.failed(failure, it->second.begun);
    }
    ::close(fd);
    open_.erase(it);
  }

  void expire(Clock::time_point now) {
    while (!order_.empty()) {
      auto [fd, number] = order_.front();
      auto it = open_.find(fd);
      bool there = it != open_.end() && it->second.number == number;
      if (there && now - it->second.begun < options_.timeout) return;
      order_.pop_front();
      if (there) end(fd, "timeout");
    }
  }

  const LoadOptions& options_;
  Fd epoll_;
  Report report_;
  std::unordered_map<int, Exchange> open_;
  std::deque<std::pair<int, uint64_t>> order_;  ///< as they began
  uint64_t last_number_ = 0;
};

/// A blocking socket with the exchange's timeout; negative: the error.
int open_blocking(const Target& target, Clock::duration timeout) {
  int fd = ::socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
  timeval time{.tv_sec = microseconds / 1'000'000, .tv_usec = microseconds % 1'000'000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&target.address), target.size) == 0) return fd;
  int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
  ::close(fd);
  return -error;
}

/// "" or how it failed.
std::string exchange(int fd) {
  char buffer[64];
  if (::send(fd, kPing.data(), kPing.size(), MSG_NOSIGNAL) < 0) return kind_of(errno);
  for (size_t have = 0; have < kPing.size();) {
    auto got = ::recv(fd, buffer, sizeof(buffer), 0);
    if (got == 0) return "closed";
    if (got < 0) return kind_of(errno == EAGAIN ? ETIMEDOUT : errno);
    have += static_cast<size_t>(got);
  }
  return {};
}

}  // namespace

Report open_and_close(const LoadOptions& options) { return Generator(options).run(); }

Report hold(const LoadOptions& options, int count) {
  const auto start = Clock::now();
  Report report(start);
  std::vector<Fd> held;
  for (int i = 0; i < count; ++i) {
    int fd = open_blocking(options.targets[static_cast<size_t>(i) % options.targets.size()], options.timeout);
    if (fd < 0) {
      report.failed(kind_of(-fd), Clock::now());
    } else {
      held.emplace_back(fd);
    }
  }
  while (Clock::now() - start < options.time && !held.empty()) {
    std::erase_if(held, [&](const Fd& fd) {
      auto begun = Clock::now();
      auto failure = exchange(fd.get());
      if (failure.empty()) {
        report.succeeded(Clock::now() - begun);
      } else {
        report.failed(failure, begun);
      }
      return !failure.empty();
    });
    std::this_thread::sleep_for(50ms);
  }
  return report;
}

}  // namespace weft::load
