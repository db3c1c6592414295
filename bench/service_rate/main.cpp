// Claim: through a ClusterIP a client makes at least 97 % of the exchanges it makes with the pod itself, and
// more than with the rules that kube-proxy's nftables mode writes for the same Service.
#include "../service_load.h"
#include "base/log.h"

namespace {

using namespace weft;
using namespace weft::bench;
namespace st = weft::service::test;

// Many short turns: what disturbs the machine for a while then hits both.
constexpr int kTurnMilliseconds = 25;
constexpr int kRounds = 801;
/// Of the comparisons whose rules are loaded anew for each turn, or that claim nothing.
constexpr int kFewRounds = 161;
const char* const kClient = "10.244.0.2";
const char* const kPod = "10.244.0.3";
const char* const kVip = "10.96.0.20";

// The shape of kube-proxy's table: maps of Services, a chain for each Service and endpoint.
const char* const kProxyRules = R"(
table ip kube-proxy {
  set cluster-ips { type ipv4_addr; elements = { 10.96.0.20 } }
  set nodeport-ips { type ipv4_addr; elements = { 172.30.0.2 } }
  map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }
  map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
  map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
  map service-nodeports { type inet_proto . inet_service : verdict; }
  map service-ips {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { 10.96.0.20 . tcp . 80 : goto service-AAAAAAAA-shop/backend/tcp/t,
                 10.96.0.20 . udp . 80 : goto service-BBBBBBBB-shop/backend/udp/u }
  }
  chain filter-prerouting { type filter hook prerouting priority -110; ct state new jump firewall-check; }
  chain filter-input {
    type filter hook input priority -110
    ct state new jump nodeport-endpoints-check
    ct state new jump service-endpoints-check
  }
  chain filter-forward {
    type filter hook forward priority -110
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }
  chain filter-output {
    type filter hook output priority -110
    ct state new jump service-endpoints-check
    ct state new jump firewall-check
  }
  chain filter-output-post-dnat { type filter hook output priority -90; ct state new jump cluster-ips-check; }
  chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain nat-postrouting { type nat hook postrouting priority 100; jump masquerading; }
  chain nodeport-endpoints-check { ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports; }
  chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
  chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
  chain cluster-ips-check {
    ip daddr @cluster-ips reject
    ip daddr 10.96.0.0/16 drop
  }
  chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
  chain masquerading {
    meta mark and 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }
  chain services {
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }
  chain service-AAAAAAAA-shop/backend/tcp/t {
    ip daddr 10.96.0.20 tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade
    numgen random mod 1 vmap { 0 : goto endpoint-AAAAAAAA-shop/backend/tcp/t__10.244.0.3/8082 }
  }
  chain endpoint-AAAAAAAA-shop/backend/tcp/t__10.244.0.3/8082 {
    ip saddr 10.244.0.3 jump mark-for-masquerade
    meta l4proto tcp dnat to 10.244.0.3:8082
  }
  chain service-BBBBBBBB-shop/backend/udp/u {
    ip daddr 10.96.0.20 udp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade
    numgen random mod 1 vmap { 0 : goto endpoint-BBBBBBBB-shop/backend/udp/u__10.244.0.3/8082 }
  }
  chain endpoint-BBBBBBBB-shop/backend/udp/u__10.244.0.3/8082 {
    ip saddr 10.244.0.3 jump mark-for-masquerade
    meta l4proto udp dnat to 10.244.0.3:8082
  }
}
)";

/// The rules are there only while it is kube-proxy's turn: they cost every packet that the node forwards.
double with_proxy_rules(const Fd& node, Client& client, Load load) {
  char file[] = "/tmp/wt-service-rules-XXXXXX";
  Fd fd(mkstemp(file));
  st::write_file(file, kProxyRules);
  World::in(node, [&] { shell(std::string("nft -f ") + file); });
  unlink(file);
  double rate = client.run(load, kTurnMilliseconds);
  World::in(node, [] { shell("nft flush ruleset"); });
  return rate;
}

int run() {
  World world;
  Fd node(dup(world.netns()));
  Fd client_pod = add_pod(world, "client", kClient);
  Fd pod = add_pod(world, "backend", kPod);

  auto opened = service::ServiceEngine::open({world.bpf_dir(), world.cgroup(), {"node-1", ""}, {}});
  if (!opened) return fprintf(stderr, "%s\n", opened.error().message.c_str()), 1;
  auto& engine = **opened;
  engine.service_changed(nullptr, st::service("backend", {kVip}, {{"t", "TCP", 80}, {"u", "UDP", 80}}));
  engine.slice_changed(nullptr, st::slice("backend-1", "backend", {{"t", "TCP", 8080}, {"u", "UDP", 8080}},
                                          {st::endpoint(kPod)}));
  if (auto synced = engine.synced(); !synced)
    return fprintf(stderr, "%s\n", synced.error().message.c_str()), 1;

  // Who is in the cgroup lives with Weft; the other server and clients are on a node without it.
  Child server = start_server(world, pod.get(), 8080, true);
  Child bare_server = start_server(world, pod.get(), 8081, false);
  // A server of its own, as tuples that were translated leave TIME_WAIT sockets which untranslated ones
  // collide with.
  Child proxied_server = start_server(world, pod.get(), 8082, false);
  Client through(world, client_pod.get(), true, {address(kVip, 80)});
  Client direct(world, client_pod.get(), true, {address(kPod, 8080)});
  Client bare(world, client_pod.get(), false, {address(kPod, 8081)});
  Client proxied(world, client_pod.get(), false, {address(kVip, 80)});

  bool ok = true;
  for (Load load : {Load::tcp, Load::udp}) {
    std::string what = load == Load::tcp ? "TCP connect-request-close" : "UDP request-reply";
    auto weft = [&] { return through.run(load, kTurnMilliseconds); };
    weft();
    Turns to_direct, to_proxy, to_bare;
    to_direct.take(kRounds, weft, [&] { return direct.run(load, kTurnMilliseconds); });
    to_proxy.take(kFewRounds, weft, [&] { return with_proxy_rules(node, proxied, load); });
    to_bare.take(kFewRounds, weft, [&] { return bare.run(load, kTurnMilliseconds); });
    ok &= to_direct.report((what + ": ClusterIP vs the pod directly").c_str(), 0.97);
    ok &= to_proxy.report((what + ": ClusterIP vs kube-proxy's nftables").c_str(), 1.0);
    to_bare.report((what + ": ClusterIP vs the pod, no Weft at all").c_str(), 0);
  }
  return ok ? 0 : 1;
}

}  // namespace

int main() {
  spdlog::set_level(spdlog::level::warn);
  try {
    return run();
  } catch (const std::exception& e) {
    fprintf(stderr, "bench_service_rate: %s\n", e.what());
    return 2;
  }
}
