// Claims: 10,000 Services with 50,000 endpoints cost a connection at most 5 % more than one Service, are
// applied from a cold cache in under 3 s, and are kept by an agent of under 150 MB; one endpoint's change is
// in the kernel within 2 ms.
#include <fmt/core.h>

#include "../service_load.h"
#include "base/log.h"
#include "kube/codec.h"

namespace {

using namespace weft;
using namespace weft::bench;

constexpr int kServices = 10'000;
constexpr int kEndpoints = 5;  // of each
constexpr int kTurnMilliseconds = 100;
constexpr int kRounds = 81;
constexpr int kChanges = 2'000;
const char* const kClient = "10.244.0.2";
const char* const kPod = "10.244.0.3";

std::string vip(int n) { return fmt::format("10.{}.{}.{}", 96 + n / 62'500, n / 250 % 250, n % 250 + 1); }
/// All Services share five pods (each Service has backends of its own in the maps all the same): so
/// connections go the same ways through the rest of the kernel, and what differs is Weft's.
std::string pod_ip(int n) { return fmt::format("10.128.0.{}", n + 1); }

/// As an API server sends them.
std::string service_json(int n) {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"Service","metadata":{{"name":"service-{0}","namespace":"shop","uid":"0a8f7c1e-6b5d-4c3b-9a29-{0:012}","resourceVersion":"{0}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"service-{0}"}}}},"spec":{{"clusterIP":"{1}","clusterIPs":["{1}"],"type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster","selector":{{"app":"service-{0}"}},"ports":[{{"name":"http","protocol":"TCP","port":80,"targetPort":8080}}]}},"status":{{"loadBalancer":{{}}}}}})",
      n, vip(n));
}

std::string slice_json(int n) {
  std::string endpoints;
  for (int i = 0; i < kEndpoints; ++i) {
    endpoints += fmt::format(
        R"({}{{"addresses":["{}"],"conditions":{{"ready":true,"serving":true,"terminating":false}},"nodeName":"node-{}","zone":"zone-a","targetRef":{{"kind":"Pod","namespace":"shop","name":"service-{}-6c9f8d7b5-{:05}","uid":"1b9f7c1e-6b5d-4c3b-9a29-{:012}"}}}})",
        i ? "," : "", pod_ip(i), i, n, i, n * kEndpoints + i);
  }
  return fmt::format(
      R"({{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{{"name":"service-{0}-x7k2p","namespace":"shop","uid":"2c8f7c1e-6b5d-4c3b-9a29-{0:012}","resourceVersion":"{0}","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"service-{0}","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io","kubernetes.io/service-name":"service-{0}"}},"ownerReferences":[{{"apiVersion":"v1","kind":"Service","name":"service-{0}","uid":"0a8f7c1e-6b5d-4c3b-9a29-{0:012}","controller":true,"blockOwnerDeletion":true}}]}},"addressType":"IPv4","endpoints":[{1}],"ports":[{{"name":"http","protocol":"TCP","port":8080}}]}})",
      n, endpoints);
}

template <class T>
std::shared_ptr<const T> decoded(const std::string& text) {
  auto object = kube::decode<T>(boost::json::parse(text));
  if (!object) throw std::runtime_error(object.error().message);
  return std::make_shared<const T>(std::move(*object));
}

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double memory_mib(const char* field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::stod(line.substr(std::strlen(field) + 1)) / 1024;
  }
  return 0;
}

/// The agent: caches as its informers keep them, and the engine. Ends when the pipe does.
int agent(const World& world, int services, bool measure, int ready, int stop) {
  std::unordered_map<std::string, service::ServicePtr> service_cache;
  std::unordered_map<std::string, service::SlicePtr> slice_cache;
  auto opened = service::ServiceEngine::open({world.bpf_dir(), world.cgroup(), {"node-1", ""}, {}});
  if (!opened) return fprintf(stderr, "%s\n", opened.error().message.c_str()), 1;
  auto& engine = **opened;
  auto start = Clock::now();
  for (int n = 0; n < services; ++n) {
    auto& svc = service_cache["shop/service-" + std::to_string(n)] = decoded<kube::Service>(service_json(n));
    engine.service_changed(nullptr, svc);
    auto& slice = slice_cache["shop/service-" + std::to_string(n) + "-x7k2p"] =
        decoded<kube::EndpointSlice>(slice_json(n));
    engine.slice_changed(nullptr, slice);
  }
  double decode = milliseconds_since(start);
  start = Clock::now();
  if (auto synced = engine.synced(); !synced)
    return fprintf(stderr, "%s\n", synced.error().message.c_str()), 1;
  double apply = milliseconds_since(start);
  int missed = 0;
  if (measure) {
    std::vector<double> times;
    std::minstd_rand random(1);
    for (int i = 0; i < kChanges; ++i) {
      int n = static_cast<int>(random() % static_cast<unsigned>(services));
      auto& slot = slice_cache["shop/service-" + std::to_string(n) + "-x7k2p"];
      auto next = std::make_shared<kube::EndpointSlice>(*slot);
      auto& conditions = next->endpoints[0].conditions;
      conditions.ready = conditions.serving = !*conditions.ready;
      start = Clock::now();
      engine.slice_changed(slot, next);
      times.push_back(milliseconds_since(start));
      slot = next;
    }
    std::sort(times.begin(), times.end());
    auto verdict = [&](bool ok) {
      missed += !ok;
      return ok ? "ok" : "MISSED";
    };
    auto stats = engine.stats();
    double total = decode + apply, memory = memory_mib("VmHWM:");
    printf(
        "%zu Services, %zu backends: objects decoded in %.0f ms, applied in %.0f ms, together %.0f ms (claim "
        "< 3000) %s\n",
        stats.services, stats.backends, decode, apply, total, verdict(total < 3000));
    printf("one endpoint's change in the kernel: median %.3f ms, p99 %.3f ms (claim < 2) %s\n",
           times[times.size() / 2], times[times.size() * 99 / 100], verdict(times[times.size() / 2] < 2));
    printf("memory of the agent's caches and engine: now %.0f MB, at most %.0f MB (claim < 150) %s\n",
           memory_mib("VmRSS:"), memory, verdict(memory < 150));
    fflush(stdout);
  }
  char byte = missed ? 'm' : 'x';
  if (write(ready, &byte, 1) != 1) return 1;
  return read(stop, &byte, 1) == 0 ? 0 : 1;
}

struct Agent {
  Child child;
  Fd stop;
  bool met = false;
  Agent(World& world, int services, bool measure) {
    int ready[2], stop_ends[2];
    require(pipe2(ready, O_CLOEXEC) == 0 && pipe2(stop_ends, O_CLOEXEC) == 0, "pipe");
    stop.reset(stop_ends[1]);
    child = world.spawn(
        [&] {
          stop.reset();
          return agent(world, services, measure, ready[1], stop_ends[0]);
        },
        false);
    close(ready[1]);
    close(stop_ends[0]);
    char byte = 0;
    require(read(ready[0], &byte, 1) == 1, "agent did not start");
    close(ready[0]);
    met = byte == 'x';
  }
};

int run() {
  // Two nodes: one knows one Service, one all. Their clients sit in the same pod, so only the maps differ.
  World one, many;
  Fd client_pod = add_pod(one, "client", kClient);
  Fd pod = add_pod(one, "backend", kPod);
  World::in(Fd(dup(one.netns())), [] { shell("ip route add 10.128.0.0/24 via 10.244.0.3 dev backend"); });
  World::in(pod, [] { shell("ip route add local 10.128.0.0/24 dev lo"); });  // the one server is every pod

  Agent all(many, kServices, true);
  Agent single(one, 1, false);
  Child server = start_server(one, pod.get(), 8080, false);
  std::vector<sockaddr_in> everywhere, pods;
  for (int n = 0; n < kServices; ++n) everywhere.push_back(address(vip(n), 80));
  for (int n = 0; n < kEndpoints; ++n) pods.push_back(address(pod_ip(n), 8080));
  Client to_one(one, client_pod.get(), true, {address(vip(0), 80)});
  Client to_same(many, client_pod.get(), true, {address(vip(0), 80)});
  Client to_many(many, client_pod.get(), true, everywhere);
  Client to_pods(many, client_pod.get(), true, pods);

  auto tcp = [](Client& client) { return [&] { return client.run(Load::tcp, kTurnMilliseconds); }; };
  tcp(to_many)();
  Turns same, spread, against_pods;
  same.take(kRounds, tcp(to_same), tcp(to_one));
  spread.take(kRounds, tcp(to_many), tcp(to_one));
  against_pods.take(kRounds, tcp(to_many), tcp(to_pods));
  bool ok = same.report("TCP to one Service: of 10,000 vs of 1", 0.95);
  ok &= spread.report("TCP to any of 10,000 Services vs to the only one", 0.95);
  against_pods.report("TCP to any of 10,000 Services vs to their pods directly", 0);
  return ok && all.met ? 0 : 1;
}

}  // namespace

int main() {
  spdlog::set_level(spdlog::level::warn);
  try {
    return run();
  } catch (const std::exception& e) {
    fprintf(stderr, "bench_service_scale: %s\n", e.what());
    return 2;
  }
}
