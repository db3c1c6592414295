// Claim: through a NodePort go more than 1.3 times the packets that go by the rules which kube-proxy's
// nftables mode writes, and at least 90 % of those that the kernel's plain forwarding brings to the pods
// themselves. Beside it what that makes of connections and of a stream, whose cost is mostly that of their
// ends.
#include "../edge_node.h"
#include "../stream.h"
#include "base/log.h"
#include "flood.h"
#include "nftables.h"
#include "site.h"

namespace {

using namespace weft;
using namespace weft::bench;
namespace st = weft::service::test;

constexpr int kTurnMilliseconds = 25;
constexpr int kRounds = 401;
constexpr int kFloodRounds = 21;
constexpr int kStreamMilliseconds = 50;
constexpr int kStreamRounds = 101;
constexpr double kToProxy = 1.3, kToForwarding = 0.9;
// Most of what connections and streams cost, they cost at their ends, whatever is on the way.
constexpr double kEndsToProxy = 1.0, kEndsToForwarding = 0.85;

int node_port(bool far, int port) { return (far ? 31'000 : 30'000) + port % 1000; }

void add_service(service::ServiceEngine& engine, bool far) {
  std::string name = far ? "far" : "near";
  auto service = st::service(name, {far ? "10.96.0.21" : "10.96.0.20"},
                             {{"rate", "TCP", 80}, {"stream", "TCP", 81}, {"flood", "UDP", 82}});
  service->spec.type = "NodePort";
  service->spec.ports[0].nodePort = node_port(far, kRatePort);
  service->spec.ports[1].nodePort = node_port(far, kStreamPort);
  service->spec.ports[2].nodePort = node_port(far, kFloodPort);
  engine.service_changed(nullptr, service);
  std::vector<kube::Endpoint> endpoints;
  for (int i = 0; i < kPods; ++i)
    endpoints.push_back(st::endpoint(pod_ip(far, i), "ready", far ? "node-2" : "node-1"));
  engine.slice_changed(
      nullptr,
      st::slice(name + "-1", name,
                {{"rate", "TCP", kRatePort}, {"stream", "TCP", kStreamPort}, {"flood", "UDP", kFloodPort}},
                endpoints));
}

std::vector<ProxiedPort> proxied_ports() {
  std::vector<ProxiedPort> out;
  for (bool far : {false, true}) {
    for (int port : {kRatePort, kStreamPort, kFloodPort}) {
      auto& service = out.emplace_back();
      service.protocol = port == kFloodPort ? "udp" : "tcp";
      service.name = fmt::format("shop/{}/{}/{}", far ? "far" : "near", service.protocol, port);
      service.cluster_ip = far ? "10.96.0.21" : "10.96.0.20";
      service.port = 80 + port - kRatePort;
      service.node_port = node_port(far, port);
      for (int i = 0; i < kPods; ++i) service.endpoints.push_back(fmt::format("{}:{}", pod_ip(far, i), port));
    }
  }
  return out;
}

/// Seconds that all processors together have worked.
double busy_seconds() {
  std::ifstream stat("/proc/stat");
  std::string cpu;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
  stat >> cpu >> user >> nice >> system >> idle >> iowait >> irq >> softirq;
  return (user + nice + system + irq + softirq) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

/// A contestant's work and what it cost.
struct Meter {
  double busy = 0, done = 0;

  template <class Measure>
  double take(int milliseconds, Measure measure) {
    double before = busy_seconds();
    double rate = measure(milliseconds);
    busy += busy_seconds() - before;
    done += rate * milliseconds / 1000;
    return rate;
  }
};

void report_cpu(const std::string& what, const char* unit, const Meter& weft, const Meter& peer) {
  double ours = weft.busy / weft.done * 1e6, theirs = peer.busy / peer.done * 1e6;
  printf("%-58s %9.1f   vs %9.1f    ratio %.3f\n", (what + ", µs of CPU " + unit).c_str(), ours, theirs,
         ours / theirs);
}

template <class Weft, class Peer>
bool compare(const std::string& what, const char* unit, int rounds, int milliseconds, double claim, Weft weft,
             Peer peer) {
  Turns turns;
  Meter our_meter, their_meter;
  turns.take(
      rounds, [&] { return our_meter.take(milliseconds, weft); },
      [&] { return their_meter.take(milliseconds, peer); });
  bool ok = turns.report(what.c_str(), claim);
  report_cpu(what, unit, our_meter, their_meter);
  return ok;
}

/// The servers of a node's pods.
struct Servers {
  Child rate, stream;
  Servers(World& world, const Fd& pod)
      : rate(start_server(world, pod.get(), kRatePort, false)),
        stream(start_drain(world, pod.get(), kStreamPort)) {}
};

bool compare_rates(World& world, const Site& weft_site, const Site& proxy_site, const Site& plain_site,
                   bool far) {
  std::string what = far ? "connections, pod of another node" : "connections, pod of this node";
  std::vector<sockaddr_in> pods;
  for (int i = 0; i < kPods; ++i) pods.push_back(address(pod_ip(far, i), kRatePort));
  auto port = address(kNode, node_port(far, kRatePort));
  Client weft(world, weft_site.client.get(), false, {port}),
      proxied(world, proxy_site.client.get(), false, {port}),
      plain(world, plain_site.client.get(), false, pods);
  auto rate = [](Client& client) {
    return [&](int milliseconds) { return client.run(Load::tcp, milliseconds); };
  };
  for (auto* client : {&weft, &proxied, &plain}) client->run(Load::tcp, kTurnMilliseconds);
  bool ok = compare(what + ": vs nftables", "each", kRounds, kTurnMilliseconds, kEndsToProxy, rate(weft),
                    rate(proxied));
  return compare(what + ": vs forwarding", "each", kRounds, kTurnMilliseconds, kEndsToForwarding, rate(weft),
                 rate(plain)) &&
         ok;
}

bool compare_floods(const Site& weft_site, const Site& proxy_site, const Site& plain_site, bool far) {
  std::string what = far ? "packets, pod of another node" : "packets, pod of this node";
  auto link = [&](const Site& site) -> const Fd& { return far ? site.other_node : site.pod; };
  Flood::Target port{kNode, 1, node_port(far, kFloodPort)}, pods{pod_ip(far, 0), kPods, kFloodPort};
  Flood weft(weft_site.node, link(weft_site), port), proxied(proxy_site.node, link(proxy_site), port),
      plain(plain_site.node, link(plain_site), pods);
  for (auto* flood : {&weft, &proxied, &plain}) flood->run();
  Turns to_proxy, to_forwarding;
  to_proxy.take(kFloodRounds, [&] { return weft.run(); }, [&] { return proxied.run(); });
  to_forwarding.take(kFloodRounds, [&] { return weft.run(); }, [&] { return plain.run(); });
  bool ok = to_proxy.report((what + ": vs nftables").c_str(), kToProxy);
  return to_forwarding.report((what + ": vs forwarding").c_str(), kToForwarding) && ok;
}

bool compare_streams(World& world, const Site& weft_site, const Site& proxy_site, const Site& plain_site,
                     bool far) {
  std::string what = far ? "MB of a stream, pod of another node" : "MB of a stream, pod of this node";
  auto port = address(kNode, node_port(far, kStreamPort));
  Stream weft(world, weft_site.client.get(), port), proxied(world, proxy_site.client.get(), port),
      plain(world, plain_site.client.get(), address(pod_ip(far, 0), kStreamPort));
  auto rate = [](Stream& stream) { return [&](int milliseconds) { return stream.run(milliseconds); }; };
  for (auto* stream : {&weft, &proxied, &plain}) stream->run(kStreamMilliseconds);
  bool ok = compare(what + ": vs nftables", "each", kStreamRounds, kStreamMilliseconds, kEndsToProxy,
                    rate(weft), rate(proxied));
  return compare(what + ": vs forwarding", "each", kStreamRounds, kStreamMilliseconds, kEndsToForwarding,
                 rate(weft), rate(plain)) &&
         ok;
}

int run() {
  World world;
  // Each contestant has a site of its own, so that none's rules are on the others' way.
  Site weft_site = make_site(Fd(dup(world.netns())));
  Site proxy_site = make_site(World::new_namespace());
  Site plain_site = make_site(World::new_namespace());
  EdgeNode node(world, {node_object("node-1", {kNode, "172.31.0.2"}, {"10.244.0.0/24"}),
                        node_object("node-2", {"172.31.0.3"}, {"10.244.1.0/24"})});
  for (bool far : {false, true}) add_service(node.services(), far);
  node.sync();
  World::in(weft_site.node, [&] { node.attach(); });
  load_proxy_rules(proxy_site.node, kNode, proxied_ports());
  std::vector<Servers> servers;
  for (const auto* site : {&weft_site, &proxy_site, &plain_site}) {
    servers.emplace_back(world, site->pod);
    servers.emplace_back(world, site->other_pod);
  }
  bool ok = true;
  for (bool far : {false, true}) {
    ok &= compare_floods(weft_site, proxy_site, plain_site, far);
    ok &= compare_rates(world, weft_site, proxy_site, plain_site, far);
    ok &= compare_streams(world, weft_site, proxy_site, plain_site, far);
  }
  return ok ? 0 : 1;
}

}  // namespace

int main() {
  spdlog::set_level(spdlog::level::warn);
  try {
    return run();
  } catch (const std::exception& e) {
    fprintf(stderr, "bench_edge_rate: %s\n", e.what());
    return 2;
  }
}
