/// What a request through the proxy costs, against nginx and HAProxy: one worker each, the same backend,
/// turns in one run. Arguments: [rounds] [only: a contestant's name, to be looked at with perf].

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contestant.h"
#include "load.h"
#include "server.h"

namespace {

using namespace weft::bench;
using namespace std::chrono_literals;

constexpr int kConnections = 64;
constexpr auto kTurn = 400ms;

struct Kind {
  const char* name;
  size_t body;
  double claim;  ///< CPU a request against each peer, at most
};

double quantile(std::vector<double> values, double at) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(at * static_cast<double>(values.size() - 1) + 0.5)];
}

/// Microseconds of the contestant's processor time a request.
double turn(const Contestant& contestant, size_t body) {
  uint64_t before = contestant.cpu();
  Load done = load(contestant.port(), kConnections, body, kTurn);
  uint64_t after = contestant.cpu();
  if (done.failures > 0 || done.requests == 0) {
    std::fprintf(stderr, "%s: %lu of %lu requests failed\n", contestant.name().c_str(), done.failures,
                 done.requests);
    std::exit(2);
  }
  return static_cast<double>(after - before) / 1000.0 / static_cast<double>(done.requests);
}

bool compare(const Kind& kind, const std::string& folder, uint16_t port, int rounds,
             const std::string& only) {
  Contestant backend = Contestant::child("backend", port, [&] { serve(port, kind.body); });
  backend.wait();
  std::vector<Contestant> all;
  auto add = [&](const std::string& name, auto make) {
    if (only.empty() || only == name) all.push_back(make());
  };
  add("weft", [&] { return Contestant::weft(static_cast<uint16_t>(port + 1), port); });
  add("nginx", [&] { return Contestant::nginx(folder, static_cast<uint16_t>(port + 2), port); });
  add("haproxy", [&] { return Contestant::haproxy(folder, static_cast<uint16_t>(port + 3), port); });
  for (const Contestant& contestant : all) {
    contestant.wait();
    turn(contestant, kind.body);  // warm
  }
  std::map<std::string, std::vector<double>> costs, ratios;
  for (int round = 0; round < rounds; ++round) {
    for (const Contestant& contestant : all) costs[contestant.name()].push_back(turn(contestant, kind.body));
    for (const Contestant& contestant : all)
      ratios[contestant.name()].push_back(
          costs["weft"].empty() ? 0 : costs["weft"].back() / costs[contestant.name()].back());
  }
  bool good = true;
  for (const Contestant& contestant : all) {
    const std::string& name = contestant.name();
    std::printf("%-14s %-8s %7.2f us of CPU a request", kind.name, name.c_str(), quantile(costs[name], 0.5));
    if (name != "weft" && only.empty()) {
      double median = quantile(ratios[name], 0.5);
      bool held = median <= kind.claim;
      good = good && held;
      std::printf("; weft against it %.3f (%.3f-%.3f), claim: at most %.2f%s", median,
                  quantile(ratios[name], 0.25), quantile(ratios[name], 0.75), kind.claim,
                  held ? "" : ": MISSED");
    }
    std::printf("\n");
  }
  return good;
}

/// Memory that idle connections cost.
bool idle(const std::string& folder, uint16_t port) {
  constexpr int kIdle = 10'000;
  rlimit files{.rlim_cur = 65536, .rlim_max = 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  Contestant backend = Contestant::child("backend", port, [&] { serve(port, 100); });
  backend.wait();
  bool good = true;
  std::vector<Contestant> all;
  all.push_back(Contestant::weft(static_cast<uint16_t>(port + 1), port));
  all.push_back(Contestant::nginx(folder, static_cast<uint16_t>(port + 2), port));
  for (const Contestant& contestant : all) {
    contestant.wait();
    uint64_t before = contestant.memory();
    std::vector<int> sockets;
    for (int i = 0; i < kIdle; ++i) {
      int fd = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in to{
          .sin_family = AF_INET, .sin_port = htons(contestant.port()), .sin_addr = {htonl(INADDR_LOOPBACK)}};
      if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return false;
      static constexpr char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
      (void)::send(fd, request, sizeof request - 1, 0);
      char answer[4096];
      if (::recv(fd, answer, sizeof answer, 0) <= 0) return false;
      sockets.push_back(fd);
    }
    uint64_t after = contestant.memory();
    std::printf("idle           %-8s %7.1f MB with %d kept connections (%.1f MB before)",
                contestant.name().c_str(), static_cast<double>(after) / 1e6, kIdle,
                static_cast<double>(before) / 1e6);
    if (contestant.name() == "weft") {
      bool held = after < 60'000'000;
      good = good && held;
      std::printf(", claim: below 60 MB%s", held ? "" : ": MISSED");
    }
    std::printf("\n");
    for (int fd : sockets) ::close(fd);
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) try {
  int rounds = argc > 1 ? std::atoi(argv[1]) : 31;
  std::string only = argc > 2 ? argv[2] : "";
  char folder[] = "/tmp/weft-bench-gateway.XXXXXX";
  if (!mkdtemp(folder)) return 2;
  std::filesystem::permissions(folder, std::filesystem::perms::all);
  uint16_t port = static_cast<uint16_t>(20000 + getpid() % 10000);
  bool good = compare({"small answers", 100, 0.85}, folder, port, rounds, only);
  good = compare({"1 MiB answers", 1 << 20, 1.0}, folder, static_cast<uint16_t>(port + 10),
                 std::max(rounds / 3, 1), only) &&
         good;
  if (only.empty()) good = idle(folder, static_cast<uint16_t>(port + 20)) && good;
  std::filesystem::remove_all(folder);
  return good ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
