// Claim: with 10,000 pods in 100 namespaces and 2,000 NetworkPolicies, a pod that comes, one that is
// relabelled and a policy that is edited are in a node's kernel within 5 ms (median) of the write to the API
// server.
#include <algorithm>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <optional>

#include "../policy_cluster.h"
#include "../up_cluster.h"
#include "datapath/pod_policy.h"
#include "datapath/prefix_key.h"
#include "kube/codec.h"
#include "kube/node.h"
#include "policy/engine.h"

namespace {

using namespace weft;
using namespace weft::bench;
namespace json = boost::json;
using asio::awaitable;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int kPods = kNamespaces * kApps * kPodsOfApp;
constexpr int kChanges = 300;  // of each kind
constexpr auto kPause = 20ms;
constexpr double kMedianMs = 5;
const char* const kAgent = "agent-node-1";

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

json::object parsed(const std::string& text) { return json::parse(text).as_object(); }

/// Each namespace has one pod on the measured node, which runs; the node of all others is none.
bool is_local(int pod) {
  return pod % (kApps * kPodsOfApp) == pod / (kApps * kPodsOfApp) % kApps * kPodsOfApp;
}
int local_app(int space) { return space % kApps; }
int client_app(int space) { return (local_app(space) + 1) % kApps; }
int stranger_app(int space) { return (local_app(space) + 4) % kApps; }
/// The policy by which the clients' app reaches the local one.
int policy_of(int space) { return local_app(space) < 5 ? 10 + local_app(space) : local_app(space); }
int port_of(int space) { return 8080 + policy_of(space); }

kube::Pod pod_of(int pod) {
  auto out = make_pod(pod / (kApps * kPodsOfApp), pod / kPodsOfApp % kApps, pod % kPodsOfApp);
  out.spec.nodeName = is_local(pod) ? "node-1" : "elsewhere";
  auto& container = out.spec.containers[0];
  container.name = "c";
  container.image = "weft/host";
  container.command = {"sleep", "infinity"};
  return out;
}

kube::Pod latecomer(int space, int number) {
  auto out = pod_of(space * kApps * kPodsOfApp + client_app(space) * kPodsOfApp);
  out.metadata.name = fmt::format("latecomer-{}", number);
  out.spec.nodeName = "elsewhere";
  out.status.podIP = fmt::format("10.100.{}.{}", number / 250, number % 250 + 1);
  out.status.podIPs[0].ip = out.status.podIP;
  return out;
}

/// What a pod's programs would find in the maps.
class Kernel {
 public:
  explicit Kernel(datapath::PodPolicy maps) : maps_(std::move(maps)) {}

  bool allows(const std::string& peer, uint32_t subject, int port) const {
    auto prefix = datapath::prefix_key({*IpAddr::parse(peer), 32});
    auto identity = must(maps_.identities().lookup(prefix));
    policy::VerdictKey key{.subject = subject,
                           .direction = policy::Direction::ingress,
                           .peer = identity.value_or(WEFT_IDENTITY_ANY),
                           .protocol = IPPROTO_TCP,
                           .port = static_cast<uint16_t>(port),
                           .bits = 24};
    auto verdict = must(maps_.verdicts().lookup(policy::kernel_key(key)));
    if (!verdict) {
      key.peer = WEFT_IDENTITY_ANY;
      verdict = must(maps_.verdicts().lookup(policy::kernel_key(key)));
    }
    return verdict && verdict->verdict == WEFT_VERDICT_ALLOW;
  }
  size_t pods() const { return must(maps_.pods().read_all()).size(); }
  size_t identities() const { return must(maps_.identities().read_all()).size(); }
  size_t verdicts() const { return must(maps_.verdicts().read_all()).size(); }

 private:
  datapath::PodPolicy maps_;
};

class Bench {
 public:
  explicit Bench(UpCluster& cluster) : cluster_(cluster), client_(cluster.client()), timer_(cluster.io()) {}

  int run() {
    auto start = Clock::now();
    fill();
    fmt::print("{} pods in {} namespaces, {} NetworkPolicies: written in {:.1f} s", kPods, kNamespaces,
               kNamespaces * kPolicies, milliseconds_since(start) / 1e3);
    kernel_.emplace(must(datapath::PodPolicy::find(cluster_.bpf_dir(1))));
    while (kernel_->pods() < kNamespaces) sleep(1);
    cluster_.settle({kAgent, "controller"});
    fmt::print(", the node at rest after {:.1f} s\n", milliseconds_since(start) / 1e3);
    fmt::print("{} pods of the node, {} prefixes, {} verdicts; memory of the agent {:.0f} MiB\n",
               kernel_->pods(), kernel_->identities(), kernel_->verdicts(), cluster_.memory_mib(kAgent));
    fflush(stdout);
    find_subjects();
    bool ok = must(cluster_.wait(measure("a pod comes", &Bench::add)));
    ok &= must(cluster_.wait(measure("a pod is relabelled", &Bench::relabel)));
    ok &= must(cluster_.wait(measure("a port of a policy is edited", &Bench::edit)));
    fmt::print("memory of the agent {:.0f} MiB\n", cluster_.memory_mib(kAgent));
    return ok ? 0 : 1;
  }

 private:
  using Change = awaitable<Expected<void>> (Bench::*)(int);

  void fill() {
    auto node = [this](int) {
      return create<kube::Node>("", parsed(R"({"metadata":{"name":"elsewhere"}})"));
    };
    cluster_.each(1, node);
    auto space = [this](int n) { return create<kube::Namespace>("", kube::encode(make_namespace(n))); };
    cluster_.each(kNamespaces, space);
    auto policy = [this](int n) {
      int at = n / kPolicies;
      return create<kube::NetworkPolicy>(space_name(at), kube::encode(make_policy(at, n % kPolicies)));
    };
    cluster_.each(kNamespaces * kPolicies, policy);
    cluster_.each(kPods, [this](int n) { return make(n); });
  }

  template <class T>
  awaitable<Expected<void>> create(std::string ns, json::object object) {
    WEFT_CO_TRY(auto created, co_await client_.create(kube::resource_of<T>(), ns, std::move(object)));
    co_return Expected<void>{};
  }

  awaitable<Expected<void>> make(int number) {
    auto pod = pod_of(number);
    WEFT_CO_CHECK(co_await create<kube::Pod>(pod.metadata.namespace_, kube::encode(pod)));
    if (is_local(number)) co_return Expected<void>{};
    co_return co_await set_status(pod);
  }

  /// As a kubelet does.
  awaitable<Expected<void>> set_status(kube::Pod pod) {
    json::object patch{{"status", kube::encode(pod).at("status")}};
    WEFT_CO_TRY(auto done,
                co_await client_.merge_patch(kube::resource_of<kube::Pod>(), pod.metadata.namespace_,
                                             pod.metadata.name, std::move(patch), "status"));
    co_return Expected<void>{};
  }

  /// A plan has the same numbers in every process.
  void find_subjects() {
    policy::PolicyPlan plan({.node = "node-1"});
    for (int n = 0; n < kNamespaces; ++n) plan.put(make_namespace(n));
    for (int n = 0; n < kPods; ++n) plan.put(pod_of(n));
    for (int n = 0; n < kNamespaces * kPolicies; ++n) plan.put(make_policy(n / kPolicies, n % kPolicies));
    plan.take_changes();
    for (int n = 0; n < kPods; ++n) {
      if (!is_local(n)) continue;
      auto pod = pod_of(n);
      auto entry = plan.entry_of(pod.metadata.namespace_ + "/" + pod.metadata.name);
      if (!entry) throw std::runtime_error(pod.metadata.name + " is no subject");
      subjects_.push_back(entry->subject);
    }
  }

  awaitable<Expected<bool>> measure(const char* what, Change change) {
    written_.clear();
    reached_.clear();
    for (int i = 0; i < kChanges; ++i) {
      timer_.expires_after(kPause);
      co_await timer_.async_wait(asio::use_awaitable);
      WEFT_CO_CHECK(co_await (this->*change)(i));
    }
    std::ranges::sort(written_);
    std::ranges::sort(reached_);
    double median = reached_[kChanges / 2];
    fmt::print(
        "{}: from the write until the kernel has it: median {:.2f} ms (claim < {}) {}, 90th percentile "
        "{:.2f}, 99th {:.2f}; the write's answer took {:.2f}\n",
        what, median, kMedianMs, median < kMedianMs ? "ok" : "MISSED", reached_[kChanges * 9 / 10],
        reached_[kChanges * 99 / 100], written_[kChanges / 2]);
    fflush(stdout);
    co_return median < kMedianMs;
  }

  awaitable<Expected<void>> add(int i) {
    int space = i % kNamespaces;
    auto pod = latecomer(space, i);
    WEFT_CO_CHECK(co_await create<kube::Pod>(pod.metadata.namespace_, kube::encode(pod)));
    co_return co_await time(set_status(pod), pod.status.podIP, space, port_of(space), true);
  }

  /// One that may not connect becomes one that may, and the next time what it was.
  awaitable<Expected<void>> relabel(int i) {
    int space = i / 2 % kNamespaces;
    bool becomes = i % 2 == 0;
    auto pod = pod_of(space * kApps * kPodsOfApp + stranger_app(space) * kPodsOfApp + 3);
    json::object labels{{"app", fmt::format("app-{}", becomes ? client_app(space) : stranger_app(space))}};
    auto write = patch<kube::Pod>(pod.metadata.namespace_, pod.metadata.name,
                                  {{"metadata", json::object{{"labels", std::move(labels)}}}});
    co_return co_await time(std::move(write), pod.status.podIP, space, port_of(space), becomes);
  }

  awaitable<Expected<void>> edit(int i) {
    int space = i % kNamespaces, port = 10'000 + i;
    auto policy = make_policy(space, policy_of(space));
    policy.spec.ingress[0].ports[0].port->value = port;
    auto peer = pod_of(space * kApps * kPodsOfApp + client_app(space) * kPodsOfApp + 3).status.podIP;
    auto write = patch<kube::NetworkPolicy>(policy.metadata.namespace_, policy.metadata.name,
                                            {{"spec", kube::encode(policy).at("spec")}});
    co_return co_await time(std::move(write), peer, space, port, true);
  }

  template <class T>
  awaitable<Expected<void>> patch(std::string ns, std::string name, json::object patch) {
    WEFT_CO_TRY(auto done, co_await client_.merge_patch(kube::resource_of<T>(), ns, name, std::move(patch)));
    co_return Expected<void>{};
  }

  /// From before the request is sent until the namespace's pod lets the peer in, or not any more.
  awaitable<Expected<void>> time(awaitable<Expected<void>> write, std::string peer, int space, int port,
                                 bool allowed) {
    auto subject = subjects_[static_cast<size_t>(space)];
    if (kernel_->allows(peer, subject, port) == allowed)
      co_return fail(ErrorCode::internal, fmt::format("{}: already as it will be", peer));
    Expected<void> result;
    bool answered = false;
    auto start = Clock::now();
    asio::co_spawn(cluster_.io(), std::move(write), [&](const std::exception_ptr&, Expected<void> done) {
      written_.push_back(milliseconds_since(start));
      result = std::move(done);
      answered = true;
    });
    double reached = 0;
    while (!answered || reached == 0) {
      timer_.expires_after(50us);
      co_await timer_.async_wait(asio::use_awaitable);
      if (reached == 0 && kernel_->allows(peer, subject, port) == allowed)
        reached = milliseconds_since(start);
      if (answered && !result) co_return result;
      if (milliseconds_since(start) > 5'000)
        co_return fail(ErrorCode::timeout, fmt::format("{} in {}: not in the kernel after 5 s", peer, space));
    }
    reached_.push_back(reached);
    co_return Expected<void>{};
  }

  UpCluster& cluster_;
  kube::Client& client_;
  std::optional<Kernel> kernel_;
  asio::steady_timer timer_;
  std::vector<uint32_t> subjects_;  ///< of each namespace's pod on the node
  std::vector<double> written_, reached_;
};

}  // namespace

int main() {
  try {
    UpCluster cluster({"--nodes", "1"});
    return Bench(cluster).run();
  } catch (const std::exception& e) {
    fprintf(stderr, "bench_policy_latency: %s\n", e.what());
    return 2;
  }
}
