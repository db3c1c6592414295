#include "cmd/test_live.h"

#include <fmt/core.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_future.hpp>
#include <csignal>
#include <memory>
#include <thread>

#include "cmd/bring_objects.h"
#include "cmd/trace_source.h"
#include "expect/live.h"

namespace weft::cmd {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kBetweenRounds{200};
/// A machine that has much to do answers late: each round waits longer, up to so many times.
constexpr int kMorePatience = 4;

/// A resolv.conf that knows no server: outside this cluster no names exist.
class NoResolver {
 public:
  static Expected<std::unique_ptr<NoResolver>> make() {
    std::unique_ptr<NoResolver> out(new NoResolver);
    int fd = ::mkstemp(out->path_.data());
    if (fd < 0) return fail_errno("make " + out->path_, errno);
    // The DNS server, a user of its own, reads it.
    ::fchmod(fd, 0644);
    ::close(fd);
    return out;
  }
  ~NoResolver() { ::unlink(path_.c_str()); }
  NoResolver(const NoResolver&) = delete;
  NoResolver& operator=(const NoResolver&) = delete;
  const std::string& path() const { return path_; }

 private:
  NoResolver() = default;
  std::string path_ = "/tmp/weft-test-resolv-XXXXXX";
};

/// A cluster that is there as long as this object; its controllers run on a thread of their own.
class ThrowAway {
 public:
  static Expected<std::unique_ptr<ThrowAway>> start(standalone::ClusterOptions options,
                                                    ProgressReport& report) {
    std::unique_ptr<ThrowAway> out(new ThrowAway);
    WEFT_TRY(out->resolver_, NoResolver::make());
    options.resolv_conf = out->resolver_->path();
    auto* self = out.get();
    out->signals_.async_wait([self](auto error, int) {
      if (!error) self->interrupted_ = true;
    });
    WEFT_TRY(out->cluster_, standalone::Cluster::start(out->io_, std::move(options),
                                                       [&](const std::string& step) { report.step(step); }));
    out->thread_ = std::thread([self] { self->io_.run(); });
    return out;
  }

  ~ThrowAway() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    cluster_.reset();
  }
  ThrowAway(const ThrowAway&) = delete;
  ThrowAway& operator=(const ThrowAway&) = delete;

  bool interrupted() const { return interrupted_; }

  Expected<void> bring(const std::vector<kube::YamlDocument>& manifests, ProgressReport& report,
                       milliseconds patience) {
    auto done = asio::co_spawn(io_, bring_objects(*cluster_, manifests, report, patience), asio::use_future);
    while (done.wait_for(100ms) != std::future_status::ready) {
      if (interrupted_) return fail(ErrorCode::timeout, "interrupted");
    }
    return done.get();
  }

 private:
  ThrowAway() = default;

  asio::io_context io_{1};
  asio::signal_set signals_{io_, SIGINT, SIGTERM};
  std::atomic<bool> interrupted_ = false;
  std::unique_ptr<NoResolver> resolver_;
  std::unique_ptr<standalone::Cluster> cluster_;
  std::thread thread_;
};

/// Nodes are `weft up`'s own: manifests of them say how many there are, and their zones.
Expected<standalone::ClusterOptions> options_for(const LiveTest& how,
                                                 const std::vector<kube::YamlDocument>& manifests) {
  standalone::ClusterOptions out;
  out.name = fmt::format("test-{}", ::getpid());
  out.log_level = "warn";
  int nodes = 0;
  std::vector<std::string> zones;
  for (const auto& document : manifests) {
    if (kube::string_at(document.value, "kind") != "Node") continue;
    auto name = kube::string_at(document.value, "metadata.name");
    if (name != fmt::format("node-{}", ++nodes))
      return fail(
          ErrorCode::invalid,
          fmt::format("{}:{}: Node {}: nodes of a cluster of weft up are node-1, node-2, …, in this order",
                      document.file, document.line, name));
    const auto* labels = kube::at_path(document.value, "metadata.labels");
    const auto* zone = labels ? kube::member(*labels, "topology.kubernetes.io/zone") : nullptr;
    if (zone && zone->is_string()) zones.emplace_back(zone->get_string());
  }
  out.nodes = how.nodes > 0 ? how.nodes : std::max(nodes, 1);
  if (!zones.empty() && zones.size() == static_cast<size_t>(nodes)) out.zones = std::move(zones);
  return out;
}

/// Tries what does not hold yet, again and again: objects take a moment to be in force.
Expected<void> try_until_held(const LiveTest& how, const std::string& name, const ThrowAway& cluster,
                              std::vector<expect::Test*> pending, ProgressReport& report) {
  auto start = Clock::now();
  auto all = pending.size(), left = all + 1;
  for (int round = 1; !pending.empty(); ++round) {
    if (cluster.interrupted()) return fail(ErrorCode::timeout, "interrupted");
    WEFT_TRY(auto objects, read_objects({.files = {}, .cluster = name, .kubeconfig = {}}));
    WEFT_TRY(auto world, trace::build_world(objects.documents, objects.machinery));
    WEFT_CHECK(expect::try_once(name, *world, pending, how.timeout * std::min(round, kMorePatience)));
    std::erase_if(pending,
                  [](const expect::Test* test) { return test->judgement.state == expect::State::held; });
    if (pending.size() != left)
      report.step(fmt::format("tried {} connections, {} are as expected", all, all - pending.size()));
    left = pending.size();
    if (Clock::now() - start > how.patience) break;
    if (!pending.empty()) std::this_thread::sleep_for(kBetweenRounds);
  }
  return {};
}

}  // namespace

Expected<void> test_live(const LiveTest& how, const std::vector<kube::YamlDocument>& manifests,
                         std::vector<expect::Test>& tests) {
  if (::geteuid() != 0) return fail(ErrorCode::forbidden, "--live brings a cluster up: run it with sudo");
  ProgressReport report(STDERR_FILENO, false);
  WEFT_TRY(auto options, options_for(how, manifests));
  auto applied = manifests;
  std::erase_if(applied, [](const auto& one) { return kube::string_at(one.value, "kind") == "Node"; });
  std::vector<expect::Test*> pending;
  for (auto& test : tests) {
    if (test.judgement.state != expect::State::failed) pending.push_back(&test);
  }
  auto name = options.name;
  WEFT_TRY(auto cluster, ThrowAway::start(std::move(options), report));
  auto ready = cluster->bring(applied, report, how.patience);
  // Pods may be meant not to be Ready.
  if (!ready && (ready.error().code != ErrorCode::timeout || cluster->interrupted())) return ready;
  if (!ready) report.step(ready.error().message);
  return try_until_held(how, name, *cluster, std::move(pending), report);
}

}  // namespace weft::cmd
