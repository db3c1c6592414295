#include "prober.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <thread>
#include <vector>

#include "service/test_world.h"

namespace weft::bench {
namespace {

using service::test::require;
using service::test::shell;
using service::test::write_file;

constexpr int64_t kPauseNs = 100'000;  // between two attempts

sockaddr_in address(uint32_t ip, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = ip;
  return out;
}

bool connects(uint32_t service) {
  Fd fd(socket(AF_INET, SOCK_STREAM, 0));
  auto where = address(service, 80);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof(where)) == 0) {
    // Nothing shall be left that a later connect could run into.
    linger now{1, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    return true;
  }
  require(errno == ECONNREFUSED, "connect");
  return false;
}

void accept_forever() {
  Fd listener(socket(AF_INET, SOCK_STREAM, 0));
  auto any = address(INADDR_ANY, 8080);
  require(bind(listener.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0 &&
              listen(listener.get(), 1024) == 0,
          "listen on port 8080");
  std::thread([listener = std::move(listener)] {
    while (true) Fd(accept(listener.get(), nullptr, nullptr));
  }).detach();
}

/// What is waited for and by whom. An order takes the place of an earlier one for its address, which nothing
/// will answer any more; so what there is to try never grows, however late this process is.
class Probes {
 public:
  explicit Probes(int answers) : answers_(answers) {}

  void take(const Prober::Order& order) {
    std::erase_if(waiting_, [&](const Prober::Order& each) { return each.address == order.address; });
    if (order.now) return waiting_.push_back(order);
    answer({order.number, !connects(order.address), 0});
  }
  void try_all() {
    std::erase_if(waiting_, [&](const Prober::Order& each) {
      if (!connects(each.address)) return false;
      answer({each.number, 0, now_ns()});
      return true;
    });
  }
  bool any() const { return !waiting_.empty(); }

 private:
  void answer(const Prober::Answer& answer) const {
    require(write(answers_, &answer, sizeof(answer)) == sizeof(answer), "answer");
  }

  int answers_;
  std::vector<Prober::Order> waiting_;
};

int probe(int orders, int answers) {
  Probes probes(answers);
  while (true) {
    pollfd wait{orders, POLLIN, 0};
    timespec pause{0, kPauseNs};
    ppoll(&wait, 1, probes.any() ? &pause : nullptr, nullptr);
    Prober::Order some[64];
    if (wait.revents) {
      auto size = read(orders, some, sizeof(some));
      if (size <= 0) return 0;
      for (size_t i = 0; i < static_cast<size_t>(size) / sizeof(some[0]); ++i) probes.take(some[i]);
    }
    probes.try_all();
  }
}

}  // namespace

std::string endpoint_ip(int number) { return fmt::format("198.19.{}.{}", number / 250, number % 250 + 1); }

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

Prober::Prober(const std::string& netns, const std::string& cgroup, int count) {
  int down[2], up[2];
  require(pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0, "pipe");
  pid_ = fork();
  require(pid_ >= 0, "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(down[1]);
    int code = 99;
    try {
      write_file(service::test::cgroup2_root() + "/" + cgroup + "/cgroup.procs", "0");
      Fd node(open(netns.c_str(), O_RDONLY | O_CLOEXEC));
      require(setns(node.get(), CLONE_NEWNET) == 0, netns);
      for (int i = 1; i <= count; ++i) shell("ip addr add " + endpoint_ip(i) + "/32 dev lo");
      accept_forever();
      require(write(up[1], "x", 1) == 1, "ready");
      code = probe(down[0], up[1]);
    } catch (const std::exception& e) {
      fprintf(stderr, "prober: %s\n", e.what());
    }
    _exit(code);
  }
  close(down[0]);
  close(up[1]);
  orders_.reset(down[1]);
  answers_.reset(up[0]);
  char byte;
  require(read(answers_.get(), &byte, 1) == 1, "the prober did not start");
}

Prober::~Prober() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Prober::tell(const Order& order) const {
  require(write(orders_.get(), &order, sizeof(order)) == sizeof(order), "prober");
}

}  // namespace weft::bench
