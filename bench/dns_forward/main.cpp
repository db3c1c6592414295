// Names outside the cluster: what an answer from the cache costs beside one of the zone, at a fixed rate from
// another process, and what an upstream that falls silent costs those who ask.
#include <fmt/core.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

#include "../must.h"
#include "dns/codec.h"
#include "dns/server.h"
#include "kube/service.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kRate = 20'000;  // questions a second
constexpr auto kRun = 5s;
constexpr int kRounds = 3;

/// Says one address for whatever it is asked, until it is told to be silent.
class AnsweringUpstream {
 public:
  AnsweringUpstream() : fd_(must(dns::open_udp(*dns::SocketAddress::parse("127.0.0.1:0"), false))) {
    thread_ = std::thread([this] { run(); });
  }
  ~AnsweringUpstream() {
    stop_ = true;
    thread_.join();
  }
  dns::SocketAddress address() const { return dns::local_address(fd_); }
  std::atomic<bool> silent = false;

 private:
  void run() {
    std::array<uint8_t, 2048> in, out;
    pollfd ready{fd_.get(), POLLIN, 0};
    while (!stop_) {
      if (::poll(&ready, 1, 50) != 1) continue;
      sockaddr_storage peer;
      socklen_t size = sizeof peer;
      const ssize_t length = ::recvfrom(fd_.get(), in.data(), in.size(), MSG_DONTWAIT,
                                        reinterpret_cast<sockaddr*>(&peer), &size);
      if (length < 12 || silent) continue;
      dns::Query query;
      dns::parse_query({in.data(), static_cast<size_t>(length)}, query);
      dns::Writer writer(out, out.size(), query);
      writer.address(dns::Section::answer, query.name.wire(), 3600, *IpAddr::parse("192.0.2.1"));
      ::sendto(fd_.get(), out.data(), writer.finish(), 0, reinterpret_cast<sockaddr*>(&peer), size);
    }
  }

  Fd fd_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

Fd connected(const dns::SocketAddress& server) {
  Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage;
  const socklen_t size = server.to(storage);
  ::connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size);
  constexpr int kBuffer = 8 << 20;  // what comes while it sleeps
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBuffer, sizeof kBuffer);
  return fd;
}

std::vector<uint8_t> question(const std::string& name) {
  std::vector<uint8_t> out(512);
  dns::Query like;
  like.recursion_desired = true;
  out.resize(dns::write_query(out, 1, *dns::Name::parse(name), like));
  return out;
}

/// In another process: asks at the fixed rate; its exit code is how many in a thousand were lost.
pid_t start_load(const dns::SocketAddress& server, const std::string& name) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  Fd fd = connected(server);
  const auto query = question(name);
  std::array<uint8_t, 2048> answer;
  const auto began = Clock::now();
  long sent = 0, got = 0;
  while (Clock::now() - began < kRun) {
    const auto due = static_cast<long>(std::chrono::duration<double>(Clock::now() - began).count() * kRate);
    for (; sent < due; ++sent) ::send(fd.get(), query.data(), query.size(), 0);
    while (::recv(fd.get(), answer.data(), answer.size(), MSG_DONTWAIT) > 0) ++got;
    std::this_thread::sleep_for(1ms);
  }
  std::this_thread::sleep_for(100ms);
  while (::recv(fd.get(), answer.data(), answer.size(), MSG_DONTWAIT) > 0) ++got;
  ::_exit(static_cast<int>(std::min(255L, (sent - got) * 1000 / std::max(sent, 1L))));
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// CPU-µs of a question.
double cost(const dns::SocketAddress& server, const std::string& name, int& lost) {
  const double before = cpu_seconds();
  const pid_t child = start_load(server, name);
  int status = 0;
  ::waitpid(child, &status, 0);
  lost = std::max(lost, WEXITSTATUS(status));
  return (cpu_seconds() - before) * 1e6 / (kRate * std::chrono::duration<double>(kRun).count());
}

/// Milliseconds until a name that nobody has asked for yet is answered; 5000: it was not.
double ask_new_name(const Fd& fd) {
  static int number = 0;
  const auto query = question(fmt::format("n{}.example", ++number));
  const auto began = Clock::now();
  ::send(fd.get(), query.data(), query.size(), 0);
  pollfd ready{fd.get(), POLLIN, 0};
  std::array<uint8_t, 2048> answer;
  if (::poll(&ready, 1, 5000) != 1 || ::recv(fd.get(), answer.data(), answer.size(), 0) < 12 ||
      answer[7] != 1)
    return 5000;
  return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

bool run() {
  AnsweringUpstream one, two;
  auto config = std::make_shared<dns::Config>();
  dns::Forward all{.policy = dns::ForwardPolicy::sequential};
  all.upstreams = {{.address = one.address()}, {.address = two.address()}};
  config->forwards.push_back(all);
  dns::SharedZone zone(dns::ZoneOptions{.zone = *dns::Name::parse("cluster.local")});
  zone.write([](dns::Zone& z) {
    kube::Service web;
    web.metadata.namespace_ = "shop";
    web.metadata.name = "web";
    web.spec.clusterIPs = {"10.96.0.20"};
    z.apply(nullptr, &web);
    z.set_synced();
  });
  auto server = must(
      dns::Server::start({.listen = {*dns::SocketAddress::parse("127.0.0.1:0")}, .config = config}, zone));
  const auto address = server->addresses().front();
  const Fd client = connected(address);

  int lost = 0;
  std::vector<double> cached, of_zone, ratios;
  for (int i = 0; i < kRounds; ++i) {
    of_zone.push_back(cost(address, "web.shop.svc.cluster.local", lost));
    cached.push_back(cost(address, "www.far.away.example.com", lost));
    ratios.push_back(cached.back() / of_zone.back());
  }
  for (auto* values : {&cached, &of_zone, &ratios}) std::ranges::sort(*values);
  fmt::print(
      "CPU a question at {} a second: from the cache {:.2f} us, of the zone {:.2f} us, ratio {:.2f}; lost {} "
      "in 1000\n",
      kRate, cached[kRounds / 2], of_zone[kRounds / 2], ratios[kRounds / 2], lost);

  std::vector<double> well, after;
  for (int i = 0; i < 1000; ++i) well.push_back(ask_new_name(client));
  one.silent = true;
  const double first = ask_new_name(client);
  for (int i = 0; i < 1000; ++i) after.push_back(ask_new_name(client));
  std::ranges::sort(well);
  std::ranges::sort(after);
  fmt::print(
      "an upstream falls silent: questions before {:.2f} ms (p99 {:.2f}), the first after {:.1f} ms, 1000 "
      "more {:.2f} ms "
      "(p99 {:.2f}, longest {:.2f})\n",
      well[500], well[990], first, after[500], after[990], after[999]);
  return lost == 0 && ratios[kRounds / 2] <= 1.15 && first <= 50 && after[990] <= well[990] + 5;
}

}  // namespace
}  // namespace weft::bench

int main() {
  try {
    return weft::bench::run() ? 0 : 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 2;
  }
}
