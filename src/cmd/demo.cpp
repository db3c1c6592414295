#include "standalone/demo.h"

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "cmd/bring_objects.h"
#include "cmd/commands.h"
#include "cmd/progress.h"
#include "kube/yaml.h"
#include "standalone/cluster.h"

namespace weft::cmd {
namespace {

using namespace std::chrono_literals;
using Walks = std::vector<standalone::Walk>;

constexpr auto kPatience = 60s;

struct Flags {
  std::string name = "demo";
  std::string manifests = "examples/shop";
  bool json = false;
};

asio::awaitable<Expected<Walks>> show(standalone::Cluster& cluster, std::vector<kube::YamlDocument> manifests,
                                      ProgressReport& report) {
  WEFT_CO_CHECK(co_await bring_objects(cluster, manifests, report, kPatience));
  asio::steady_timer timer(cluster.client().io());
  // A pod is Ready before its EndpointSlice is written and its node has it.
  timer.expires_after(200ms);
  co_await timer.async_wait(asio::use_awaitable);
  auto exec = [&](const std::string& ns, const std::string& pod, const std::vector<std::string>& command) {
    return cluster.exec(ns, pod, command);
  };
  co_return co_await standalone::walk_shop(cluster.client(), exec);
}

Expected<Walks> run_demo(const Flags& flags, ProgressReport& report) {
  WEFT_TRY(auto manifests, kube::load_manifests(flags.manifests));
  asio::io_context io(1);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  Expected<Walks> result = fail(ErrorCode::timeout, "interrupted");
  signals.async_wait([&io](auto, int) { io.stop(); });
  standalone::ClusterOptions options;
  options.name = flags.name;
  WEFT_TRY(auto cluster,
           standalone::Cluster::start(io, options, [&](const std::string& step) { report.step(step); }));
  asio::co_spawn(io, show(*cluster, std::move(manifests), report),
                 [&](const std::exception_ptr& thrown, Expected<Walks> walks) {
                   io.stop();
                   if (thrown) std::rethrow_exception(thrown);
                   result = std::move(walks);
                 });
  io.run();
  return result;
}

int run(const Flags& flags) {
  // Progress goes to standard error, the result to standard output.
  ProgressReport report(STDERR_FILENO, flags.json);
  auto walks = run_demo(flags, report);
  if (!walks) {
    report.failed(walks.error());
    return 2;
  }
  bool good = std::ranges::all_of(*walks, &standalone::Walk::as_declared);
  if (flags.json) {
    fmt::print("{}\n", json::serialize(standalone::to_json(*walks)));
  } else {
    fmt::print("{}{}\n", standalone::render(*walks),
               good ? "every hop is as declared" : "NOT every hop is as declared");
  }
  return good ? 0 : 1;
}

}  // namespace

void add_demo_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* demo =
      app.add_subcommand("demo", "Bring examples/shop up, send real requests, show each hop, take it down");
  demo->add_option("manifests", flags->manifests)->capture_default_str();
  demo->add_option("--name", flags->name, "of the cluster it makes")->capture_default_str();
  demo->add_option(
          "-o", [flags](const CLI::results_t& values) { return (flags->json = values[0] == "json"); }, "json")
      ->type_name("FORMAT");
  demo->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace weft::cmd
