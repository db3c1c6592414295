/// What a request through the proxy costs, against nginx and HAProxy: one worker each, the same backend,
/// turns in one run. Arguments: [rounds] [a contestant's name, to be looked at with perf; "": all] [only this
/// part: small, large, idle, http2, handshakes, routes or latency].

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contestant.h"
#include "handshake_load.h"
#include "http2_load.h"
#include "load.h"
#include "paced_load.h"
#include "server.h"

namespace {

using namespace weft::bench;
using namespace std::chrono_literals;

constexpr int kConnections = 64;
constexpr auto kTurn = 400ms;

/// What is measured of each contestant.
struct Kind {
  const char* name;
  Front front;
  size_t body;
  const char* unit;
  double claim;  ///< CPU a unit against each peer, at most
  std::function<Load(uint16_t port)> load;
};

double quantile(std::vector<double> values, double at) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(at * static_cast<double>(values.size() - 1) + 0.5)];
}

/// Microseconds of the contestant's processor time a request.
double turn(const Contestant& contestant, const Kind& kind) {
  uint64_t before = contestant.cpu();
  Load done = kind.load(contestant.port());
  uint64_t after = contestant.cpu();
  if (done.failures > 0 || done.requests == 0) {
    std::fprintf(stderr, "%s: %lu of %lu failed\n", contestant.name().c_str(), done.failures,
                 done.failures + done.requests);
    std::exit(2);
  }
  return static_cast<double>(after - before) / 1000.0 / static_cast<double>(done.requests);
}

std::vector<Contestant> start(const std::string& folder, Front front, uint16_t port,
                              const std::string& only) {
  std::vector<Contestant> all;
  auto add = [&](const std::string& name, auto make) {
    if (only.empty() || only == name) all.push_back(make());
  };
  auto at = [&](int offset) { return static_cast<uint16_t>(port + offset); };
  add("weft", [&] { return Contestant::weft(folder, front, at(1), port); });
  add("nginx", [&] { return Contestant::nginx(folder, front, at(2), port); });
  add("haproxy", [&] { return Contestant::haproxy(folder, front, at(3), port); });
  for (const Contestant& contestant : all) contestant.wait();
  return all;
}

bool compare(const Kind& kind, const std::string& folder, uint16_t port, int rounds,
             const std::string& only) {
  Contestant backend = Contestant::child("backend", port, [&] { serve(port, kind.body); });
  backend.wait();
  std::vector<Contestant> all = start(folder, kind.front, port, only);
  for (const Contestant& contestant : all) turn(contestant, kind);  // warm
  std::map<std::string, std::vector<double>> costs, ratios;
  for (int round = 0; round < rounds; ++round) {
    for (const Contestant& contestant : all) costs[contestant.name()].push_back(turn(contestant, kind));
    for (const Contestant& contestant : all)
      ratios[contestant.name()].push_back(
          costs["weft"].empty() ? 0 : costs["weft"].back() / costs[contestant.name()].back());
  }
  bool good = true;
  for (const Contestant& contestant : all) {
    const std::string& name = contestant.name();
    std::printf("%-14s %-8s %7.2f us of CPU a %s", kind.name, name.c_str(), quantile(costs[name], 0.5),
                kind.unit);
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

/// What a request costs with 5,000 routes, any of which it may be for, against ten.
bool routes(const std::string& folder, uint16_t port, int rounds) {
  constexpr int kFew = 10, kMany = 5'000;
  constexpr double kClaim = 1.2;
  auto kind = [](int hosts) {
    return Kind{"",     Front::http1,
                100,    "request",
                kClaim, [hosts](uint16_t at) { return load(at, kConnections, 100, kTurn, hosts); }};
  };
  Contestant backend = Contestant::child("backend", port, [&] { serve(port, 100); });
  auto few = Contestant::weft(folder, Front::http1, static_cast<uint16_t>(port + 1), port, kFew);
  auto many = Contestant::weft(folder, Front::http1, static_cast<uint16_t>(port + 2), port, kMany);
  for (const Contestant* each : {&backend, &few, &many}) each->wait();
  std::vector<double> of_few, of_many, ratios;
  for (int round = 0; round < rounds; ++round) {
    of_few.push_back(turn(few, kind(kFew)));
    of_many.push_back(turn(many, kind(kMany)));
    ratios.push_back(of_many.back() / of_few.back());
  }
  double median = quantile(ratios, 0.5);
  std::printf(
      "routes         %7.2f us of CPU a request with %d, %.2f with %d: %.3f (%.3f-%.3f), claim: at most "
      "%.2f%s\n",
      quantile(of_few, 0.5), kFew, quantile(of_many, 0.5), kMany, median, quantile(ratios, 0.25),
      quantile(ratios, 0.75), kClaim, median <= kClaim ? "" : ": MISSED");
  return median <= kClaim;
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
  all.push_back(Contestant::weft(folder, Front::http1, static_cast<uint16_t>(port + 1), port));
  all.push_back(Contestant::nginx(folder, Front::http1, static_cast<uint16_t>(port + 2), port));
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

/// The slowest percent of requests at half the rate that the better peer has at most.
bool latency(const std::string& folder, uint16_t port, int rounds) {
  constexpr size_t kBody = 100;
  Contestant backend = Contestant::child("backend", port, [&] { serve(port, kBody); });
  backend.wait();
  std::vector<Contestant> all = start(folder, Front::http1, port, "");
  double top = 0;
  for (int i = 0; i < 3; ++i)
    for (const Contestant& contestant : all) {
      Load done = load(contestant.port(), kConnections, kBody, kTurn);
      if (contestant.name() != "weft")
        top =
            std::max(top, static_cast<double>(done.requests) / std::chrono::duration<double>(kTurn).count());
    }
  std::map<std::string, std::vector<double>> slow, ratios;
  for (int round = 0; round < rounds; ++round) {
    for (const Contestant& contestant : all) {
      PacedLoad done = paced_load(contestant.port(), kConnections, kBody, top / 2, kTurn);
      if (done.load.failures > 0 || done.latencies.empty())
        throw std::runtime_error(contestant.name() + " has failed");
      slow[contestant.name()].push_back(quantile(done.latencies, 0.99));
    }
    for (const Contestant& contestant : all)
      ratios[contestant.name()].push_back(slow["weft"].back() / slow[contestant.name()].back());
  }
  bool good = true;
  for (const Contestant& contestant : all) {
    const std::string& name = contestant.name();
    std::printf("%-14s %-8s %7.0f us: 99 %% of requests at %.0f a second", "latency", name.c_str(),
                quantile(slow[name], 0.5), top / 2);
    if (name != "weft") {
      bool held = quantile(ratios[name], 0.5) <= 1.0;
      good = good && held;
      std::printf("; weft against it %.2f (%.2f-%.2f), claim: at most 1%s", quantile(ratios[name], 0.5),
                  quantile(ratios[name], 0.25), quantile(ratios[name], 0.75), held ? "" : ": MISSED");
    }
    std::printf("\n");
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) try {
  int rounds = argc > 1 ? std::atoi(argv[1]) : 31;
  std::string only = argc > 2 ? argv[2] : "";
  std::string part = argc > 3 ? argv[3] : "";
  char folder[] = "/tmp/weft-bench-gateway.XXXXXX";
  if (!mkdtemp(folder)) return 2;
  std::filesystem::permissions(folder, std::filesystem::perms::all);
  make_certificate(folder);
  uint16_t port = static_cast<uint16_t>(20000 + getpid() % 10000);
  auto whole = [](size_t body) {
    return [body](uint16_t at) { return load(at, kConnections, body, kTurn); };
  };
  const Kind small{"small answers", Front::http1, 100, "request", 0.85, whole(100)};
  const Kind large{"1 MiB answers", Front::http1, 1 << 20, "request", 1.0, whole(1 << 20)};
  const Kind http2{"HTTP/2", Front::http2,
                   100,      "request",
                   0.85,     [](uint16_t at) {
                     return http2_load(at, kConnections / 8, 8, kTurn); }};
  const Kind handshakes{"TLS 1.3",   Front::tls, 100,
                        "handshake", 1 / 0.95,   [](uint16_t at) {
                          return handshake_load(at, 4, kTurn); }};
  bool good = true;
  auto run = [&](const char* name, auto measure) {
    if (part.empty() || part == name) good = measure() && good;
    port = static_cast<uint16_t>(port + 10);
  };
  run("small", [&] { return compare(small, folder, port, rounds, only); });
  run("large", [&] { return compare(large, folder, port, std::max(rounds / 3, 1), only); });
  run("http2", [&] { return compare(http2, folder, port, rounds, only); });
  run("handshakes", [&] { return compare(handshakes, folder, port, rounds, only); });
  run("routes", [&] { return !only.empty() || routes(folder, port, rounds); });
  run("latency", [&] { return !only.empty() || latency(folder, port, rounds); });
  run("idle", [&] { return !only.empty() || idle(folder, port); });
  std::filesystem::remove_all(folder);
  return good ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
