// Claims: with a NetworkPolicy at both ends, connect-request-close and a TCP stream get at least 98 % of what
// they get between pods without one; with 1,000 policies that select the pods, at least 97 %.
#include <net/if.h>

#include "../edge_node.h"
#include "../stream.h"
#include "base/log.h"
#include "policy/engine.h"

namespace {

using namespace weft;
using namespace weft::bench;

constexpr int kTurnMilliseconds = 25, kRounds = 801;
constexpr int kStreamMilliseconds = 50, kStreamRounds = 201;
constexpr int kRatePort = 8080, kStreamPort = 8081;
constexpr double kOne = 0.98, kMany = 0.97;
constexpr int kPolicies = 1'000;

/// A client and a server in a namespace of their own, on the same node.
struct Pair {
  std::string name, client_ip, server_ip;
  Fd client_pod, server_pod;
};

Pair make_pair(const World& world, int n) {
  Pair out{.name = fmt::format("pair{}", n),
           .client_ip = fmt::format("10.244.0.{}", 10 + n),
           .server_ip = fmt::format("10.244.0.{}", 20 + n)};
  out.client_pod = add_pod(world, fmt::format("client{}", n), out.client_ip);
  out.server_pod = add_pod(world, fmt::format("server{}", n), out.server_ip);
  return out;
}

kube::Pod pod(const std::string& ns, const std::string& name, const std::string& ip) {
  kube::Pod out;
  out.metadata.namespace_ = ns;
  out.metadata.name = name;
  out.metadata.uid = ns + name;
  out.metadata.labels["app"] = name;
  out.spec.nodeName = "node-1";
  out.status.podIPs.push_back({{}, ip});
  return out;
}

/// Both directions of all pods of the namespace are open to pods called `app` alone.
kube::NetworkPolicy policy(const std::string& ns, const std::string& name,
                           const std::vector<std::string>& apps) {
  kube::NetworkPolicy out;
  out.metadata.namespace_ = ns;
  out.metadata.name = name;
  out.spec.policyTypes = {"Ingress", "Egress"};
  for (const auto& app : apps) {
    kube::NetworkPolicyPeer peer;
    peer.podSelector.emplace().matchLabels["app"] = app;
    out.spec.ingress.emplace_back().from.push_back(peer);
    out.spec.egress.emplace_back().to.push_back(peer);
  }
  return out;
}

void connect(policy::PolicyEngine& engine, const World& world, const Pair& pair, int n) {
  engine.plan().put(pod(pair.name, "client", pair.client_ip));
  engine.plan().put(pod(pair.name, "server", pair.server_ip));
  World::in(Fd(dup(world.netns())), [&] {
    for (const char* which : {"client", "server"}) {
      auto link = if_nametoindex(fmt::format("{}{}", which, n).c_str());
      must(engine.connect(static_cast<int>(link),
                          {.pod = pair.name + "/" + which, .uid = pair.name + which, .addresses = {}}));
    }
  });
}

/// What one pair does when it is its turn.
struct Contestant {
  Child rate_server, drain;
  Client client;
  Stream stream;
  Contestant(World& world, const Pair& pair)
      : rate_server(start_server(world, pair.server_pod.get(), kRatePort, false)),
        drain(start_drain(world, pair.server_pod.get(), kStreamPort)),
        client(world, pair.client_pod.get(), false, {address(pair.server_ip, kRatePort)}),
        stream(world, pair.client_pod.get(), address(pair.server_ip, kStreamPort)) {
    connect();
    stream.run(kStreamMilliseconds);
  }
  double connect() { return client.run(Load::tcp, kTurnMilliseconds); }
  double send() { return stream.run(kStreamMilliseconds); }
};

bool compare(const std::string& what, Contestant& policed, Contestant& open, double claim) {
  Turns connections, bytes;
  connections.take(kRounds, [&] { return policed.connect(); }, [&] { return open.connect(); });
  bool ok = connections.report(("connect-request-close, " + what).c_str(), claim);
  bytes.take(kStreamRounds, [&] { return policed.send(); }, [&] { return open.send(); });
  return bytes.report(("MB of a stream, " + what).c_str(), claim) && ok;
}

int run() {
  World world;
  std::vector<Pair> pairs;
  for (int n = 0; n < 3; ++n) pairs.push_back(make_pair(world, n));
  World::in(Fd(dup(world.netns())), [] { shell("ip addr add 172.30.0.2/32 dev lo"); });
  EdgeNode node(world, {node_object("node-1", {"172.30.0.2"}, {"10.244.0.0/24"})});
  node.sync();
  policy::PolicyEngine engine(must(datapath::PodPolicy::open(world.bpf_dir())), "node-1");
  for (int n = 0; n < 3; ++n) connect(engine, world, pairs[static_cast<size_t>(n)], n);
  engine.plan().put(policy(pairs[1].name, "one", {"client", "server"}));
  engine.plan().put(policy(pairs[2].name, "one", {"client", "server"}));
  for (int i = 1; i < kPolicies; ++i)
    engine.plan().put(policy(pairs[2].name, fmt::format("other-{}", i), {fmt::format("other-{}", i)}));
  must(engine.synced());
  World::in(Fd(dup(world.netns())), [&] { node.attach(); });
  Contestant open(world, pairs[0]), one(world, pairs[1]), many(world, pairs[2]);
  bool ok = compare("a policy at both ends vs none", one, open, kOne);
  ok &= compare(fmt::format("{} policies vs none", kPolicies), many, open, kMany);
  auto counters = must(engine.maps().counters());
  if (counters[WEFT_POLICY_ALLOWED_INGRESS] == 0 || counters[WEFT_POLICY_ALLOWED_EGRESS] == 0)
    throw std::runtime_error("the policies were not asked");
  return ok ? 0 : 1;
}

}  // namespace

int main() {
  spdlog::set_level(spdlog::level::warn);
  try {
    return run();
  } catch (const std::exception& e) {
    fprintf(stderr, "bench_policy_cost: %s\n", e.what());
    return 2;
  }
}
