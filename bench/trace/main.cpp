// Claims: the manifests of 10,000 pods, 2,000 Services, 2,000 NetworkPolicies and 1,000 HTTPRoutes are loaded
// in under 2 s; a trace then takes under 5 ms.
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

/// Of random connections of one kind; `most` in milliseconds.
void measure(const trace::World& world, const char* what, const std::vector<std::string>& from,
             const std::vector<std::string>& to) {
  std::minstd_rand random(1);
  auto any = [&](const auto& list) { return list[random() % list.size()]; };
  std::vector<double> times;
  size_t works = 0;
  for (int i = 0; i < kTraces; ++i) {
    auto source = any(from), destination = any(to);
    auto start = Clock::now();
    auto sources = must(trace::parse_source(world, source, "default"));
    auto target = must(trace::parse_destination(world, destination, "default"));
    auto trace = must(trace::trace_connection(world, sources, target, {}));
    times.push_back(milliseconds_since(start));
    works += trace.exit_code() == 0;
  }
  std::ranges::sort(times);
  double p99 = times[times.size() * 99 / 100];
  fmt::print("trace {}: median {:.2f} ms, p99 {:.2f} ms, {} of {} work (claim < 5) {}\n", what,
             times[times.size() / 2], p99, works, kTraces, verdict(p99 < 5));
}

void measure_traces(const trace::World& world) {
  std::vector<std::string> pods, names, hosts;
  for (const auto& [key, pod] : world.pods) pods.push_back(key);
  for (int space = 0; space < kNamespaces; ++space) {
    for (int app = 0; app < kApps; ++app) {
      names.push_back(fmt::format("http://app-{}.{}/", app, space_name(space)));
      hosts.push_back(fmt::format("http://app-{}.{}.example.com/", app, space_name(space)));
    }
  }
  measure(world, "from a pod to a Service by name", pods, names);
  measure(world, "from a pod to a pod", pods, [&] {
    std::vector<std::string> out;
    for (const auto& pod : pods) out.push_back("pod/" + pod);
    return out;
  }());
  measure(world, "from outside by a Gateway", {"outside"}, hosts);
}

}  // namespace

int main() {
  Folder folder;
  write_manifests(folder.path);
  auto loaded = load(folder.path.string());
  measure_traces(*loaded.world);
  return missed ? 1 : 0;
}
