// Claim: with the events of sockets told and read, connect-request-close gets at least 98 % of what it gets
// without.
#include <atomic>
#include <optional>
#include <thread>

#include "../edge_node.h"
#include "../stream.h"
#include "base/log.h"
#include "base/netns.h"
#include "datapath/socket_events.h"

namespace {

using namespace weft;
using namespace weft::bench;

constexpr int kTurnMilliseconds = 120, kRounds = 101;
constexpr std::chrono::milliseconds kReadEvery{100};  // as the agent does
constexpr double kClaim = 0.98;
constexpr const char* kClient = "10.244.0.10";
constexpr const char* kServer = "10.244.0.20";
constexpr uint16_t kPort = 8080;

uint64_t cookie_of(const Fd& netns) {
  uint64_t out = 0;
  World::in(netns, [&] { out = must(netns_cookie()); });
  return out;
}

/// The programs, and somebody who reads, while it lives.
class Observed {
 public:
  Observed(const std::string& maps, const std::string& cgroup, const Fd& client, const Fd& server)
      : events_(must(datapath::SocketEvents::open(maps, [this](const weft_socket_event&) { ++seen_; }))) {
    must(events_.attach(cgroup));
    must(events_.watch(cookie_of(client), std::array{*IpAddr::parse(kClient)}));
    must(events_.watch(cookie_of(server), std::array{*IpAddr::parse(kServer)}));
    reader_ = std::thread([this] {
      while (!stop_) {
        std::this_thread::sleep_for(kReadEvery);
        must(events_.read());
      }
    });
  }
  ~Observed() {
    stop_ = true;
    reader_.join();
  }
  uint64_t seen() const { return seen_; }
  uint64_t lost() const { return must(events_.lost()); }

 private:
  uint64_t seen_ = 0;
  datapath::SocketEvents events_;
  std::atomic<bool> stop_ = false;
  std::thread reader_;
};

int run() {
  World world;
  Fd client_pod = add_pod(world, "client", kClient), server_pod = add_pod(world, "server", kServer);
  World::in(Fd(dup(world.netns())), [] { shell("ip addr add 172.30.0.2/32 dev lo"); });
  EdgeNode node(world, {node_object("node-1", {"172.30.0.2"}, {"10.244.0.0/24"})});
  node.sync();
  World::in(Fd(dup(world.netns())), [&] { node.attach(); });
  auto server = start_server(world, server_pod.get(), kPort, false);
  Client client(world, client_pod.get(), false, {address(kServer, kPort)});
  client.run(Load::tcp, kTurnMilliseconds);
  uint64_t seen = 0, lost = 0;
  auto observed = [&] {
    Observed programs(node.services().socket().map_folder(), world.cgroup(), client_pod, server_pod);
    double rate = client.run(Load::tcp, kTurnMilliseconds);
    seen += programs.seen();
    lost += programs.lost();
    return rate;
  };
  Turns turns;
  turns.take(kRounds, observed, [&] { return client.run(Load::tcp, kTurnMilliseconds); });
  bool ok = turns.report("connect-request-close, its events told and read vs not", kClaim);
  printf("%llu events were read, %llu lost\n", static_cast<unsigned long long>(seen),
         static_cast<unsigned long long>(lost));
  if (seen == 0) throw std::runtime_error("no events came");
  return ok ? 0 : 1;
}

}  // namespace

int main() {
  spdlog::set_level(spdlog::level::warn);
  try {
    return run();
  } catch (const std::exception& e) {
    fprintf(stderr, "bench_observe_cost: %s\n", e.what());
    return 2;
  }
}
