#include "load.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "connect.h"

namespace weft::bench {

namespace {

std::vector<std::string> requests_for(int hosts) {
  std::vector<std::string> out;
  for (int i = 0; i < hosts; ++i)
    out.push_back("GET / HTTP/1.1\r\nHost: " + bench_host(i) +
                  "\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n");
  return out;
}

struct Connection {
  int fd = -1;
  std::string head;
  size_t left = 0;  ///< of the body; 0: a head is to come
};

class Run {
 public:
  Run(uint16_t port, int connections, size_t body, int hosts)
      : body_(body), requests_(requests_for(hosts)), connections_(static_cast<size_t>(connections)) {
    for (Connection& connection : connections_) {
      connection.fd = connect_to(port);
      if (connection.fd < 0) {
        ++load_.failures;
        continue;
      }
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
      ask(connection);
    }
  }
  ~Run() {
    for (Connection& connection : connections_)
      if (connection.fd >= 0) ::close(connection.fd);
    ::close(epoll_);
  }

  Load run(std::chrono::milliseconds time) {
    auto until = std::chrono::steady_clock::now() + time;
    std::array<epoll_event, 128> events;
    while (std::chrono::steady_clock::now() < until) {
      int count = epoll_wait(epoll_, events.data(), events.size(), 100);
      for (int i = 0; i < count; ++i) read(*static_cast<Connection*>(events[i].data.ptr));
    }
    return load_;
  }

 private:
  void ask(Connection& connection) {
    const auto& request = requests_[random_() % requests_.size()];
    (void)::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL);
  }

  void fail(Connection& connection) {
    ++load_.failures;
    ::close(connection.fd);
    connection.fd = -1;
  }

  void read(Connection& connection) {
    ssize_t got = ::recv(connection.fd, bytes_.data(), bytes_.size(), MSG_DONTWAIT);
    if (got <= 0) return fail(connection);
    std::string_view bytes(bytes_.data(), static_cast<size_t>(got));
    if (connection.left == 0) {
      connection.head.append(bytes);
      size_t end = connection.head.find("\r\n\r\n");
      if (end == std::string::npos) return;
      if (!connection.head.starts_with("HTTP/1.1 200")) return fail(connection);
      size_t have = connection.head.size() - end - 4;
      connection.head.clear();
      if (have > body_) return fail(connection);
      connection.left = body_ - have;
    } else {
      if (bytes.size() > connection.left) return fail(connection);
      connection.left -= bytes.size();
    }
    if (connection.left > 0) return;
    ++load_.requests;
    ask(connection);
  }

  size_t body_;
  std::vector<std::string> requests_;
  std::minstd_rand random_;
  int epoll_ = epoll_create1(0);
  std::vector<Connection> connections_;
  std::vector<char> bytes_ = std::vector<char>(size_t{256} << 10);
  Load load_;
};

}  // namespace

std::string bench_host(int number) { return "bench-" + std::to_string(number) + ".example"; }

Load load(uint16_t port, int connections, size_t body, std::chrono::milliseconds time, int hosts) {
  return Run(port, connections, body, hosts).run(time);
}

}  // namespace weft::bench
