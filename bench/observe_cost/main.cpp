// Claim: with the events of sockets told and read, connect-request-close gets at least 98 % of what it gets
// without.
#include <array>
#include <string>
#include <thread>

#include "../edge_node.h"
#include "../stream.h"
#include "base/log.h"
#include "base/netns.h"
#include "datapath/socket_events.h"

namespace {

using namespace weft;
using namespace weft::bench;

constexpr int kTurnMilliseconds = 60, kRounds = 401, kReads = 2;
/// Before each turn: to attach and detach programs has its own cost, a moment later too.
constexpr int kWarmMilliseconds = 5;
constexpr double kClaim = 0.98;
constexpr const char* kClient = "10.244.0.10";
constexpr const char* kServer = "10.244.0.20";
constexpr uint16_t kPort = 8080;

/// The programs, which run when it is their turn, and somebody who reads what they tell meanwhile.
class Observed {
 public:
  Observed(const datapath::ServiceSocket& services, std::string cgroup, const Fd& client, const Fd& server)
      : cgroup_(std::move(cgroup)), events_(must(datapath::SocketEvents::open(services.map_folder()))) {
    must(services.add_pod(path_of(client.get()), std::array{*IpAddr::parse(kClient)}));
    must(services.add_pod(path_of(server.get()), std::array{*IpAddr::parse(kServer)}));
  }
  double run(Client& load) {
    must(events_.attach(cgroup_));
    load.run(Load::tcp, kWarmMilliseconds);
    std::thread reader([this] {
      for (int i = 0; i < kReads; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(kTurnMilliseconds / kReads));
        read();
      }
    });
    double rate = load.run(Load::tcp, kTurnMilliseconds);
    events_.detach();
    reader.join();
    return rate;
  }
  uint64_t seen() const { return seen_; }
  uint64_t lost() const { return lost_; }

 private:
  void read() {
    auto page = events_.read(next_, SIZE_MAX);
    next_ = page.next;
    seen_ += page.events.size();
    lost_ += page.lost;
  }

  std::string cgroup_;
  datapath::SocketEvents events_;
  uint64_t next_ = 0, seen_ = 0, lost_ = 0;
};

int run() {
  World world;
  Fd client_pod = add_pod(world, "client", kClient), server_pod = add_pod(world, "server", kServer);
  World::in(Fd(dup(world.netns())), [] { shell("ip addr add 172.30.0.2/32 dev lo"); });
  EdgeNode node(world, {node_object("node-1", {"172.30.0.2"}, {"10.244.0.0/24"})});
  node.sync();
  World::in(Fd(dup(world.netns())), [&] { node.attach(); });
  auto server = start_server(world, server_pod.get(), kPort, true);
  Client client(world, client_pod.get(), true, {address(kServer, kPort)});
  client.run(Load::tcp, kTurnMilliseconds);
  Observed programs(node.services().socket(), world.cgroup(), client_pod, server_pod);
  Turns turns;
  turns.take(
      kRounds, [&] { return programs.run(client); },
      [&] {
        client.run(Load::tcp, kWarmMilliseconds);
        return client.run(Load::tcp, kTurnMilliseconds);
      });
  bool ok = turns.report("connect-request-close, its events told and read vs not", kClaim);
  printf("%llu events were read, %llu lost\n", static_cast<unsigned long long>(programs.seen()),
         static_cast<unsigned long long>(programs.lost()));
  if (programs.seen() == 0) throw std::runtime_error("no events came");
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
