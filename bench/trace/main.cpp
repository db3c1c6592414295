// Claims: the manifests of 10,000 pods, 2,000 Services, 2,000 NetworkPolicies and 1,000 HTTPRoutes are loaded
// in under 2 s; a trace then takes under 5 ms, and who of the 1,000 workloads can reach whom under 2 s.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "../must.h"
#include "../policy_cluster.h"
#include "cluster.h"
#include "reach/reach.h"
#include "standalone/offline.h"
#include "trace/walk.h"

namespace {

using namespace weft;
using namespace weft::bench;
using Clock = std::chrono::steady_clock;

constexpr int kTraces = 1'000;

int missed = 0;
const char* verdict(bool ok) {
  missed += !ok;
  return ok ? "ok" : "MISSED";
}

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// A folder that goes with it.
struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-bench-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder can be made");
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

struct Loaded {
  std::vector<kube::YamlDocument> documents;
  std::unique_ptr<trace::World> world;
};

Loaded load(const std::string& folder) {
  Loaded out;
  auto start = Clock::now();
  out.documents = must(kube::load_manifests(folder));
  double read = milliseconds_since(start);
  out.world = must(trace::build_world(out.documents, standalone::offline_cluster(out.documents)));
  double all = milliseconds_since(start);
  fmt::print("load {} documents: {:.0f} ms, of which {:.0f} ms for reading YAML (claim < 2000) {}\n",
             out.documents.size(), all, read, verdict(all < 2000));
  return out;
}

struct Connection {
  std::string from, to;
};

void measure(const trace::World& world, const char* what, const std::vector<Connection>& connections) {
  std::vector<double> times;
  size_t works = 0;
  for (const auto& connection : connections) {
    auto start = Clock::now();
    auto sources = must(trace::parse_source(world, connection.from, "default"));
    auto target = must(trace::parse_destination(world, connection.to, "default"));
    auto trace = must(trace::trace_connection(world, sources, target, {}));
    times.push_back(milliseconds_since(start));
    works += trace.exit_code() == 0;
  }
  std::ranges::sort(times);
  double p99 = times[times.size() * 99 / 100];
  fmt::print("trace {}: median {:.2f} ms, p99 {:.2f} ms, {} of {} work (claim < 5) {}\n", what,
             times[times.size() / 2], p99, works, times.size(), verdict(p99 < 5));
}

/// One app's pods, by the key of each.
std::string pod_of(int space, int app, int number) {
  auto pod = make_pod(space, app, number);
  return pod.metadata.namespace_ + "/" + pod.metadata.name;
}

/// Every other one is to an app that policies let it reach, the rest to any.
void measure_traces(const trace::World& world) {
  std::minstd_rand random(1);
  auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
  std::vector<Connection> names, pods, hosts;
  for (int i = 0; i < kTraces; ++i) {
    int space = below(kNamespaces), app = below(kApps), to_space = space, to_app = (app + kApps - 1) % kApps;
    if (i % 2) to_space = below(kNamespaces), to_app = below(kApps);
    auto from = pod_of(space, app, below(kPodsOfApp));
    names.push_back({from, fmt::format("http://app-{}.{}/", to_app, space_name(to_space))});
    pods.push_back({from, "pod/" + pod_of(to_space, to_app, below(kPodsOfApp))});
    hosts.push_back({"outside", fmt::format("http://app-{}.{}.example.com/", to_app, space_name(to_space))});
  }
  measure(world, "from a pod to a Service by name", names);
  measure(world, "from a pod to a pod", pods);
  measure(world, "from outside by a Gateway", hosts);
}

void measure_matrix(const trace::World& world) {
  auto start = Clock::now();
  reach::Reach reach(world);
  size_t asked = 0, works = 0;
  for (size_t from = 0; from < reach.workloads().size(); ++from) {
    for (size_t to = 0; to < reach.targets().size(); ++to) {
      auto verdict = reach.verdict(from, to);
      asked += verdict.has_value();
      works += verdict == trace::Verdict::works;
    }
  }
  double took = milliseconds_since(start);
  fmt::print("matrix of {} workloads and {} targets: {:.0f} ms, {} of {} work (claim < 2000) {}\n",
             reach.workloads().size(), reach.targets().size(), took, works, asked, verdict(took < 2000));
}

}  // namespace

int main() {
  Folder folder;
  write_manifests(folder.path);
  auto loaded = load(folder.path.string());
  measure_traces(*loaded.world);
  measure_matrix(*loaded.world);
  return missed ? 1 : 0;
}
