#pragma once

/// What the Service benchmarks share: a node of namespaces and veths, an echo server and a load generator,
/// both small epoll programs, and the arithmetic of turns.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "service/engine.h"
#include "service/test_world.h"

namespace weft::bench {

using service::test::Child;
using service::test::require;
using service::test::shell;
using service::test::World;
using Clock = std::chrono::steady_clock;

inline std::string path_of(int netns) {
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(netns);
}

/// A pod on the node of that namespace; it hangs on it by a veth, as podnet wires it.
inline Fd add_pod(const Fd& node, const std::string& name, const std::string& ip) {
  Fd pod = World::new_namespace();
  World::in(node, [&] {
    shell("sysctl -qw net.ipv4.ip_forward=1");
    shell("ip link add " + name + " address ee:ee:ee:ee:ee:ee type veth peer name eth0 netns " +
          path_of(pod.get()));
    shell("ip link set " + name + " alias weft-pod/" + name);
    shell("ip addr add 169.254.1.1/32 dev " + name + " && ip link set " + name + " up");
    shell("ip route add " + ip + "/32 dev " + name);
  });
  World::in(pod, [&] {
    shell("ip link set lo up && ip addr add " + ip + "/32 dev eth0 && ip link set eth0 up");
    shell("ip route add 169.254.1.1 dev eth0 scope link && ip route add default via 169.254.1.1");
  });
  return pod;
}

/// The World's namespace is the node.
inline Fd add_pod(const World& world, const std::string& name, const std::string& ip) {
  return add_pod(Fd(dup(world.netns())), name, ip);
}

inline sockaddr_in address(const std::string& ip, int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, ip.c_str(), &out.sin_addr);
  return out;
}

/// Other work on the machine should not decide a comparison.
inline void run_first() { setpriority(PRIO_PROCESS, 0, -15); }

/// Answers on TCP (one request, then closes) and UDP on all addresses, until it is killed.
inline int serve_forever(int port, int ready) {
  auto any = address("0.0.0.0", port);
  int on = 1;
  Fd tcp(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)),
      udp(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  setsockopt(tcp.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // Answers must leave from the address that was asked.
  setsockopt(udp.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
  for (int fd : {tcp.get(), udp.get()})
    require(bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0, "bind");
  require(listen(tcp.get(), 4096) == 0, "listen");
  Fd epoll(epoll_create1(0));
  auto watch = [&](int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
  };
  watch(tcp.get());
  watch(udp.get());
  require(write(ready, "x", 1) == 1, "ready");
  char buffer[256], control[256];
  for (;;) {
    epoll_event events[64];
    int n = epoll_wait(epoll.get(), events, 64, -1);
    for (int i = 0; i < n; ++i) {
      int fd = events[i].data.fd;
      if (fd == tcp.get()) {
        for (int c; (c = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) watch(c);
      } else if (fd == udp.get()) {
        sockaddr_in from;
        iovec part{buffer, sizeof(buffer)};
        msghdr message{&from, sizeof(from), &part, 1, control, sizeof(control), 0};
        for (ssize_t size; (size = recvmsg(fd, &message, 0)) > 0;) {
          part.iov_len = static_cast<size_t>(size);
          sendmsg(fd, &message, 0);
          part.iov_len = sizeof(buffer);
          message.msg_controllen = sizeof(control);
        }
      } else {
        if (read(fd, buffer, sizeof(buffer)) > 0 && write(fd, "answer", 6) < 0) perror("write");
        close(fd);
      }
    }
  }
}

inline Child start_server(World& world, int netns, int port, bool in_cgroup) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Child child = world.spawn(
      [&] {
        run_first();
        return serve_forever(port, ends[1]);
      },
      in_cgroup, netns);
  close(ends[1]);
  char byte;
  require(read(ends[0], &byte, 1) == 1, "server did not start");
  close(ends[0]);
  return child;
}

enum class Load : char { tcp = 'T', udp = 'U' };

/// Exchanges in flight at once: enough that the processors are never idle.
constexpr int kInFlight = 16;

/// A process that makes exchanges with targets chosen at random when told to, and says how many it finished.
class Client {
 public:
  Client(World& world, int netns, bool in_cgroup, std::vector<sockaddr_in> targets) {
    int down[2], up[2];
    require(pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0, "pipe");
    tell_.reset(down[1]);
    hear_.reset(up[0]);
    child_ = world.spawn(
        [&] {
          tell_.reset();
          run_first();
          struct {
            Load load;
            int milliseconds;
          } order;
          while (read(down[0], &order, sizeof(order)) == sizeof(order)) {
            double rate =
                order.load == Load::tcp ? tcp(targets, order.milliseconds) : udp(targets, order.milliseconds);
            if (write(up[1], &rate, sizeof(rate)) != sizeof(rate)) return 1;
          }
          return 0;
        },
        in_cgroup, netns);
    close(down[0]);
    close(up[1]);
  }

  /// Exchanges a second.
  double run(Load load, int milliseconds) {
    struct {
      Load load;
      int milliseconds;
    } order{load, milliseconds};
    double rate = 0;
    require(write(tell_.get(), &order, sizeof(order)) == sizeof(order) &&
                read(hear_.get(), &rate, sizeof(rate)) == sizeof(rate),
            "client");
    return rate;
  }

 private:
  static double tcp(const std::vector<sockaddr_in>& targets, int milliseconds) {
    static std::minstd_rand random(std::random_device{}());
    Fd epoll(epoll_create1(0));
    auto open_one = [&] {
      const auto& target = targets[random() % targets.size()];
      int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      epoll_event event{.events = EPOLLOUT, .data = {.fd = fd}};
      bool ok = connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof(target)) == 0 ||
                errno == EINPROGRESS;
      require(ok && epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0, "connect");
    };
    for (int i = 0; i < kInFlight; ++i) open_one();
    auto start = Clock::now();
    auto end = start + std::chrono::milliseconds(milliseconds);
    long done = 0;
    char buffer[256];
    int open = kInFlight;
    while (open > 0) {
      epoll_event events[kInFlight];
      int n = epoll_wait(epoll.get(), events, kInFlight, 2000);
      require(n > 0, "no answer");
      for (int i = 0; i < n; ++i) {
        int fd = events[i].data.fd;
        if (events[i].events & EPOLLOUT) {
          require(write(fd, "request", 7) == 7, "request");
          epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
          epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd, &event);
          continue;
        }
        require(read(fd, buffer, sizeof(buffer)) > 0, "answer");
        close(fd);
        --open;
        if (Clock::now() >= end) continue;
        ++done;
        open_one();
        ++open;
      }
    }
    return static_cast<double>(done) / std::chrono::duration<double>(end - start).count();
  }

  static double udp(const std::vector<sockaddr_in>& targets, int milliseconds) {
    static std::minstd_rand random(std::random_device{}());
    Fd epoll(epoll_create1(0));
    std::vector<Fd> sockets(kInFlight);
    auto ask = [&](int fd) {
      const auto& target = targets[random() % targets.size()];
      require(sendto(fd, "request", 7, 0, reinterpret_cast<const sockaddr*>(&target), sizeof(target)) == 7,
              "sendto");
    };
    for (auto& socket_fd : sockets) {
      socket_fd.reset(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
      epoll_event event{.events = EPOLLIN, .data = {.fd = socket_fd.get()}};
      epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket_fd.get(), &event);
      ask(socket_fd.get());
    }
    auto start = Clock::now();
    auto end = start + std::chrono::milliseconds(milliseconds);
    long done = 0;
    char buffer[256];
    for (auto now = start; now < end; now = Clock::now()) {
      epoll_event events[kInFlight];
      int n = epoll_wait(epoll.get(), events, kInFlight, 2000);
      require(n > 0, "no answer");
      for (int i = 0; i < n; ++i) {
        sockaddr_in from;
        socklen_t size = sizeof(from);
        if (recvfrom(events[i].data.fd, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from),
                     &size) <= 0) {
          continue;
        }
        ++done;
        ask(events[i].data.fd);
      }
    }
    return static_cast<double>(done) / std::chrono::duration<double>(Clock::now() - start).count();
  }

  Child child_;
  Fd tell_, hear_;
};

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/// Rates of two contestants measured in turns; who starts alternates, so that a drift hits both.
struct Turns {
  std::vector<double> ours, theirs, ratios;

  template <class Ours, class Theirs>
  void take(int rounds, Ours measure_ours, Theirs measure_theirs) {
    for (int i = 0; i < rounds; ++i) {
      double a, b;
      if (i % 2) {
        a = measure_ours();
        b = measure_theirs();
      } else {
        b = measure_theirs();
        a = measure_ours();
      }
      ours.push_back(a);
      theirs.push_back(b);
      ratios.push_back(a / b);
    }
  }
  /// Prints one line; true if the median ratio is at least `claim`.
  bool report(const char* what, double claim) const {
    auto sorted = ratios;
    std::sort(sorted.begin(), sorted.end());
    double ratio = median(ratios);
    printf("%-58s %9.0f/s vs %9.0f/s  ratio %.3f (quartiles %.3f–%.3f, claim ≥ %.2f) %s\n", what,
           median(ours), median(theirs), ratio, sorted[sorted.size() / 4], sorted[sorted.size() * 3 / 4],
           claim, ratio >= claim ? "ok" : "MISSED");
    fflush(stdout);
    return ratio >= claim;
  }
};

}  // namespace weft::bench
