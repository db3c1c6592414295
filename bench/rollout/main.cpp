// Claim: with 10,000 Services and 100,000 endpoints on three nodes a Deployment's rolling update fails not
// one connection to its Service.
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "../up_cluster.h"
#include "client.h"
#include "kube/apps.h"
#include "kube/pod.h"
#include "kube/service.h"

namespace {

using namespace weft;
using namespace weft::bench;
namespace fs = std::filesystem;
namespace json = boost::json;
using asio::awaitable;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int kNodes = 3;
constexpr int kServices = 10'000;
constexpr int kEndpoints = 10;  // of each
constexpr auto kPatience = 300s;
constexpr int kPods = 1'000;
const char* const kNamespace = "default";

json::object parsed(const std::string& text) { return json::parse(text).as_object(); }

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string service_of(int n) {
  return fmt::format(
      R"({{"metadata":{{"name":"service-{}"}},"spec":{{"ports":[{{"port":80,"targetPort":8080}}]}}}})", n);
}

std::string slice_of(int n) {
  std::string endpoints;
  for (int i = 0; i < kEndpoints; ++i) {
    int number = n * kEndpoints + i;
    endpoints += fmt::format(
        R"({}{{"addresses":["10.{}.{}.{}"],"conditions":{{"ready":true}},"nodeName":"node-{}"}})",
        i ? "," : "", 128 + number / 62'500, number / 250 % 250, number % 250 + 1, number % kNodes + 1);
  }
  return fmt::format(
      R"({{"metadata":{{"name":"service-{0}-1","labels":{{"kubernetes.io/service-name":"service-{0}"}}}},"addressType":"IPv4","endpoints":[{1}],"ports":[{{"name":"","protocol":"TCP","port":8080}}]}})",
      n, endpoints);
}

/// A pod that is told to end goes on for a moment: nodes learn of it at the same time as it does.
std::string deployment(int pods) {
  return fmt::format(
      R"({{"metadata":{{"name":"rollout"}},"spec":{{"replicas":{},"selector":{{"matchLabels":{{"app":"rollout"}}}},"template":{{"metadata":{{"labels":{{"app":"rollout"}}}},"spec":{{"containers":[{{"name":"echo","image":"weft/echo","lifecycle":{{"preStop":{{"sleep":{{"seconds":2}}}}}},"readinessProbe":{{"tcpSocket":{{"port":8080}}}}}}]}}}}}}}})",
      pods);
}

std::string client_pod(const std::string& address, const std::string& folder) {
  return fmt::format(
      R"({{"metadata":{{"name":"client"}},"spec":{{"containers":[{{"name":"client","image":"weft/host","command":["{}","client","{}","/bench"],"volumeMounts":[{{"name":"bench","mountPath":"/bench"}}]}}],"volumes":[{{"name":"bench","hostPath":{{"path":"{}"}}}}]}}}})",
      fs::read_symlink("/proc/self/exe").string(), address, folder);
}

class Bench {
 public:
  Bench(UpCluster& cluster, std::string folder, int pods)
      : cluster_(cluster), client_(cluster.client()), folder_(std::move(folder)), pods_(pods) {
    for (int n = 1; n <= kNodes; ++n) agents_.push_back(fmt::format("agent-node-{}", n));
  }

  int run() {
    auto start = Clock::now();
    cluster_.each(kServices, [this](int n) { return write(n); });
    fmt::print("{} Services, {} endpoints: written in {:.1f} s", kServices, kServices * kEndpoints,
               seconds_since(start));
    cluster_.settle(agents_);
    fmt::print(", agents at rest after {:.1f} s\n", seconds_since(start));
    fflush(stdout);

    start = Clock::now();
    must(cluster_.wait(deploy()));
    fmt::print("{} pods Ready after {:.1f} s\n", pods_, seconds_since(start));
    cluster_.settle(agents_);
    fflush(stdout);
    return update();
  }

 private:
  awaitable<Expected<void>> write(int n) {
    WEFT_CO_TRY(auto service, co_await client_.create(kube::resource_of<kube::Service>(), kNamespace,
                                                      parsed(service_of(n))));
    WEFT_CO_TRY(auto slice, co_await client_.create(kube::resource_of<kube::EndpointSlice>(), kNamespace,
                                                    parsed(slice_of(n))));
    co_return Expected<void>{};
  }

  awaitable<Expected<void>> deploy() {
    auto service = parsed(
        R"({"metadata":{"name":"rollout"},"spec":{"selector":{"app":"rollout"},"ports":[{"port":80,"targetPort":8080}]}})");
    WEFT_CO_TRY(auto created,
                co_await client_.create(kube::resource_of<kube::Service>(), kNamespace, service));
    std::string address(kube::string_at(created, "spec.clusterIP"));
    WEFT_CO_TRY(created, co_await client_.create(kube::resource_of<kube::Deployment>(), kNamespace,
                                                 parsed(deployment(pods_))));
    WEFT_CO_CHECK(co_await rolled_out());
    WEFT_CO_TRY(created, co_await client_.create(kube::resource_of<kube::Pod>(), kNamespace,
                                                 parsed(client_pod(address, folder_))));
    co_await pause(2s);
    co_return Expected<void>{};
  }

  int update() {
    double agents = cluster_.cpu_seconds(agents_),
           others = cluster_.cpu_seconds("controller") + cluster_.cpu_seconds("up");
    auto start = Clock::now();
    must(cluster_.wait(replace_all()));
    double took = seconds_since(start);
    agents = cluster_.cpu_seconds(agents_) - agents;
    others = cluster_.cpu_seconds("controller") + cluster_.cpu_seconds("up") - others;
    std::ofstream(folder_ + "/stop") << "\n";
    while (!fs::exists(folder_ + "/attempts")) usleep(10'000);
    auto attempts = read_attempts(folder_);
    long failed = 0;
    for (const auto& [problem, count] : attempts.failed) {
      fmt::print("  {} attempts failed: {}\n", count, problem);
      failed += count;
    }
    fmt::print(
        "{} pods replaced in {:.1f} s: {} connections answered (the longest after {:.0f} ms), {} failed "
        "(claim: 0) {}\n",
        pods_, took, attempts.answered, attempts.longest_ms, failed,
        failed || !attempts.answered ? "MISSED" : "ok");
    fmt::print(
        "CPU of all agents {:.1f} s; of controller, API server, kubelets and the rest of the cluster {:.1f} "
        "s\n",
        agents, others);
    return failed || !attempts.answered ? 1 : 0;
  }

  awaitable<Expected<void>> replace_all() {
    auto patch = json::parse(R"({"spec":{"template":{"metadata":{"annotations":{"version":"2"}}}}})");
    WEFT_CO_TRY(auto patched, co_await client_.merge_patch(kube::resource_of<kube::Deployment>(), kNamespace,
                                                           "rollout", patch));
    WEFT_CO_CHECK(co_await rolled_out());
    // Those that are on their way out still answer.
    co_await pause(2s);
    co_return Expected<void>{};
  }

  awaitable<Expected<void>> rolled_out() {
    for (auto start = Clock::now(); Clock::now() < start + kPatience;) {
      WEFT_CO_TRY(auto object,
                  co_await client_.get(kube::resource_of<kube::Deployment>(), kNamespace, "rollout"));
      auto deployment = kube::decode<kube::Deployment>(object);
      if (!deployment) co_return std::unexpected(deployment.error());
      const auto& status = deployment->status;
      seen_ = fmt::format("{} pods, {} updated, {} available", status.replicas, status.updatedReplicas,
                          status.availableReplicas);
      if (status.observedGeneration >= deployment->metadata.generation && status.replicas == pods_ &&
          status.updatedReplicas == pods_ && status.availableReplicas == pods_)
        co_return Expected<void>{};
      co_await pause(100ms);
    }
    co_return fail(ErrorCode::unavailable,
                   fmt::format("not rolled out after {} s: {}", kPatience.count(), seen_));
  }

  awaitable<void> pause(Clock::duration time) {
    asio::steady_timer timer(cluster_.io(), time);
    co_await timer.async_wait(asio::use_awaitable);
  }

  UpCluster& cluster_;
  kube::Client& client_;
  std::string folder_, seen_;
  int pods_;
  std::vector<std::string> agents_;
};

int run(int pods) {
  char folder[] = "/tmp/wt-rollout-XXXXXX";
  if (!mkdtemp(folder)) throw std::runtime_error("mkdtemp");
  int code = 2;
  try {
    UpCluster cluster({"--nodes", std::to_string(kNodes)});
    code = Bench(cluster, folder, pods).run();
  } catch (const std::exception& e) {
    fprintf(stderr, "bench_rollout: %s\n", e.what());
  }
  fs::remove_all(folder);
  return code;
}

}  // namespace

/// Without arguments, or with the number of pods.
int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "client") return attempt_until_stopped(argv[2], argv[3]);
  return run(argc > 1 ? std::atoi(argv[1]) : kPods);
}
