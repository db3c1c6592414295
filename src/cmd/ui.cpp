#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>

#include "cmd/commands.h"
#include "cmd/node_flows.h"
#include "cmd/trace_source.h"
#include "standalone/offline.h"
#include "ui/site.h"

namespace weft::cmd {
namespace {

using namespace std::chrono_literals;

/// How often nodes are asked for flows, and how often who they are, until that is known.
constexpr std::chrono::milliseconds kAskEvery = 250ms;
constexpr std::chrono::milliseconds kLookAgain = 2s;
/// A trace of a big cluster takes longer than a health check.
constexpr auto kPatience = 60s;
constexpr size_t kMostManifests = 1 << 20;

struct Flags {
  TraceSource source;
  uint16_t port = 7357;
  std::string format = "text";
};

/// Follows the flows of a cluster that `weft up` made, on a thread of its own.
class FlowFollower {
 public:
  FlowFollower(std::string cluster, std::shared_ptr<ui::FlowLog> log)
      : cluster_(std::move(cluster)),
        log_(std::move(log)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

 private:
  void run(const std::stop_token& stop) {
    std::vector<NodeFlows> nodes;
    while (nodes.empty()) {
      auto found = find_nodes(cluster_);
      if (found)
        nodes = std::move(*found);
      else
        log_->set_problem(found.error().message);
      if (is_over(stop, nodes.empty() ? kLookAgain : kAskEvery)) return;
    }
    do gather(nodes);
    while (!is_over(stop, kAskEvery));
  }

  void gather(std::vector<NodeFlows>& nodes) {
    std::vector<json::value> flows;
    std::string problem;
    for (auto& node : nodes) {
      if (auto read = node.read(flows); !read)
        problem = fmt::format("{}: {}", node.node(), read.error().message);
      else if (auto lost = node.take_lost(); lost > 0)
        problem = fmt::format("{}: {} events were lost", node.node(), lost);
    }
    std::ranges::stable_sort(flows, {}, time_of);
    log_->add(std::move(flows));
    log_->set_problem(std::move(problem));
  }

  bool is_over(const std::stop_token& stop, std::chrono::milliseconds after) {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, stop, after, [&] { return stop.stop_requested(); });
  }

  std::string cluster_;
  std::shared_ptr<ui::FlowLog> log_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  ///< the last: it uses all others
};

ui::SiteOptions options_of(const TraceSource& source) {
  ui::SiteOptions out;
  out.read = [source]() -> Expected<ui::Objects> {
    WEFT_TRY(auto objects, read_objects(source));
    return ui::Objects{.documents = std::move(objects.documents),
                       .machinery = std::move(objects.machinery),
                       .notes = std::move(objects.notes)};
  };
  out.offline = standalone::offline_cluster;
  if (!source.files.empty()) {
    out.title = "manifests";
    out.without_flows = "manifests alone have no flows";
  } else if (!source.kubeconfig.empty()) {
    out.title = "cluster of " + source.kubeconfig;
    out.without_flows =
        "the agents of another cluster are not asked: their pages are on their nodes' loopback";
  } else {
    out.title = "cluster " + source.cluster;
  }
  return out;
}

void print(const Flags& flags, const ui::Gate& gate) {
  if (flags.format == "json")
    fmt::print("{}\n", json::serialize(json::object{{"url", gate.url()}}));
  else
    fmt::print("{}\n", gate.url());
  std::fflush(stdout);
}

Expected<int> run(const Flags& flags) {
  if (std::ranges::find(flags.source.files, "-") != flags.source.files.end())
    return fail(ErrorCode::invalid, "-f -: the page reads manifests anew each time, standard input ends");
  auto options = options_of(flags.source);
  // What cannot be read at all is told here and not on the page.
  WEFT_CHECK(options.read());
  asio::io_context io(1);
  http::Server server(io, {.patience = kPatience, .body = kMostManifests});
  auto log = std::make_shared<ui::FlowLog>();
  const bool follows = options.without_flows.empty();
  auto site = std::make_shared<ui::Site>(io, std::move(options), log);
  auto gate = std::make_shared<ui::Gate>(ui::make_token());
  WEFT_TRY(auto listener,
           server.listen({*IpAddr::parse("127.0.0.1"), flags.port}, ui::handler_of(site, gate)));
  gate->set_port(listener->port());
  std::optional<FlowFollower> follower;
  if (follows) follower.emplace(flags.source.cluster, log);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) { io.stop(); });
  print(flags, *gate);
  io.run();
  site->stop();
  return 0;
}

}  // namespace

void add_ui_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "ui", "A web page on this machine's loopback: the service map, flows as they come, and traces");
  auto* name = command->add_option("--name", flags->source.cluster, "of the cluster that weft up made")
                   ->capture_default_str();
  auto* kubeconfig = command->add_option("--kubeconfig", flags->source.kubeconfig,
                                         "of another cluster, whose flows are not seen");
  command
      ->add_option("-f,--filename", flags->source.files,
                   "files or folders of manifests, instead of a cluster")
      ->excludes(name)
      ->excludes(kubeconfig);
  kubeconfig->excludes(name);
  command->add_option("--port", flags->port, "of 127.0.0.1; 0: any free one")->capture_default_str();
  command->add_option("-o", flags->format, "text: the URL to open; json: {url}")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft ui: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
