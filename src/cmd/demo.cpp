#include "standalone/demo.h"

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cmd/commands.h"
#include "cmd/throw_away.h"
#include "cmd/trace_source.h"
#include "expect/judge.h"

namespace weft::cmd {
namespace {

using namespace std::chrono_literals;
using Walks = std::vector<standalone::Walk>;

constexpr auto kPatience = 60s;
constexpr auto kTimeout = 1s;

struct Flags {
  std::string name = "demo";
  std::vector<std::string> paths = {"examples/shop", "examples/shop.weft.yaml"};
  bool json = false;
};

/// What the demo has seen.
struct Shown {
  Walks walks;
  expect::Suite suite;
  std::vector<expect::Test> tests;  ///< of the suite's expectations
  std::vector<std::string> traces;  ///< of each test, as people read it

  bool good() const {
    return std::ranges::all_of(walks, &standalone::Walk::as_declared) &&
           expect::count(tests).exit_code() == 0;
  }
};

/// The ways that the cluster's own objects foretell; fills in what becomes of each test.
Expected<std::vector<std::string>> trace_tests(const std::string& cluster, std::vector<expect::Test>& tests) {
  WEFT_TRY(auto objects, read_objects({.files = {}, .cluster = cluster, .kubeconfig = {}}));
  WEFT_TRY(auto world, trace::build_world(objects.documents, objects.machinery));
  WEFT_TRY(auto outside, probe::outside_of(cluster));
  std::vector<std::string> out;
  for (auto& test : tests) {
    WEFT_TRY(auto found, expect::look_up(*world, *test.what, outside));
    test.foretold = found.traces.front().outcome;
    auto& text = out.emplace_back();
    for (const auto& trace : found.traces) text += trace.to_text();
  }
  return out;
}

Expected<Shown> run_demo(const Flags& flags, ProgressReport& report) {
  Shown out;
  WEFT_TRY(out.suite, expect::load_suite(flags.paths));
  standalone::ClusterOptions options;
  options.name = flags.name;
  WEFT_TRY(auto box, ThrowAway::start(options, report));
  WEFT_CHECK(box->bring(out.suite.manifests, kPatience));
  std::vector<expect::Test*> pending;
  for (const auto& what : out.suite.expectations)
    out.tests.push_back({.what = &what, .judgement = {}, .foretold = {}, .seen = {}});
  for (auto& test : out.tests) pending.push_back(&test);
  WEFT_CHECK(box->try_until_held(std::move(pending), kTimeout, kPatience));
  WEFT_TRY(out.traces, trace_tests(flags.name, out.tests));
  auto& cluster = box->cluster();
  auto exec = [&cluster](const std::string& ns, const std::string& pod,
                         const std::vector<std::string>& command) { return cluster.exec(ns, pod, command); };
  WEFT_TRY(out.walks, box->run(standalone::walk_shop(cluster.client(), exec)));
  return out;
}

std::string indented(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    out += fmt::format("      {}\n", line);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return out;
}

void print_text(const Shown& shown) {
  fmt::print("{}", standalone::render(shown.walks));
  for (size_t i = 0; i < shown.tests.size(); ++i) {
    const auto& test = shown.tests[i];
    bool held = test.judgement.state == expect::State::held;
    fmt::print("{} {}\n{}", held ? "ok " : "BAD", test.what->name, indented(shown.traces[i]));
    for (const auto& seen : test.seen) fmt::print("      observed: {}\n", seen.str());
    if (!held) fmt::print("      {}: {}\n", expect::name_of(test.judgement.state), test.judgement.why);
  }
  fmt::print("{}\n", shown.good() ? "every hop is as declared, every connection as foretold"
                                  : "NOT every hop is as declared, or not every connection as foretold");
}

int run(const Flags& flags) {
  // Progress goes to standard error, the result to standard output.
  ProgressReport report(STDERR_FILENO, flags.json);
  auto shown = run_demo(flags, report);
  if (!shown) {
    report.failed(shown.error());
    return 2;
  }
  if (flags.json) {
    json::object out{{"walks", standalone::to_json(shown->walks)},
                     {"connections", expect::to_json(shown->tests)}};
    fmt::print("{}\n", json::serialize(out));
  } else {
    print_text(*shown);
  }
  return shown->good() ? 0 : 1;
}

}  // namespace

void add_demo_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* demo =
      app.add_subcommand("demo",
                         "Bring examples/shop up, send real requests, show each hop and what was foretold "
                         "beside what was seen, take it down");
  demo->add_option("path", flags->paths, "manifests, and what is expected of their connections")
      ->capture_default_str();
  demo->add_option("--name", flags->name, "of the cluster it makes")->capture_default_str();
  demo->add_option(
          "-o", [flags](const CLI::results_t& values) { return (flags->json = values[0] == "json"); }, "json")
      ->type_name("FORMAT");
  demo->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace weft::cmd
