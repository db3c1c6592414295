#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "cmd/test_commands.h"
#include "cmd/test_live.h"
#include "standalone/cluster_options.h"
#include "standalone/offline.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::vector<std::string> paths;
  std::string format = "text";
  bool live = false;
  std::string cluster;
  int nodes = 0;
  double timeout = 1;    ///< s
  double patience = 60;  ///< s
};

std::chrono::milliseconds milliseconds_of(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

/// What the manifests alone say.
Expected<std::vector<expect::Test>> foretell(const expect::Suite& suite) {
  auto machinery = standalone::offline_cluster(suite.manifests);
  WEFT_TRY(auto world, trace::build_world(suite.manifests, machinery));
  std::vector<expect::Test> out;
  for (const auto& what : suite.expectations) {
    auto start = std::chrono::steady_clock::now();
    WEFT_TRY(auto found, expect::look_up(*world, what));
    expect::Test test{.what = &what,
                      .judgement = expect::judge(*world, found),
                      .foretold = found.traces.front().outcome,
                      .seen = {}};
    for (const auto& trace : found.traces) {
      if (test.foretold.verdict == trace::Verdict::works) test.foretold = trace.outcome;
    }
    test.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    out.push_back(std::move(test));
  }
  return out;
}

void print(const Flags& flags, const std::vector<expect::Test>& tests) {
  if (flags.format == "json") {
    fmt::print("{}\n", json::serialize(expect::to_json(tests)));
  } else if (flags.format == "sarif") {
    fmt::print("{}\n", json::serialize(expect::to_sarif(tests)));
  } else if (flags.format == "junit") {
    fmt::print("{}", expect::to_junit(tests));
  } else {
    const char* plain = std::getenv("NO_COLOR");
    bool colours = ::isatty(STDOUT_FILENO) != 0 && (!plain || *plain == '\0');
    for (const auto& test : tests) fmt::print("{}", expect::to_text(test, colours));
    auto counts = expect::count(tests);
    fmt::print("{} held, {} failed, {} unknown\n", counts.held, counts.failed, counts.unknown);
  }
}

Expected<int> run(const Flags& flags) {
  WEFT_TRY(auto suite, expect::load_suite(flags.paths));
  WEFT_TRY(auto tests, foretell(suite));
  if (flags.live) {
    LiveTest how{.cluster = flags.cluster,
                 .nodes = flags.nodes,
                 .timeout = milliseconds_of(flags.timeout),
                 .patience = milliseconds_of(flags.patience)};
    WEFT_CHECK(test_live(how, suite.manifests, tests));
  }
  print(flags, tests);
  return expect::count(tests).exit_code();
}

}  // namespace

void add_test_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("test",
                         "Whether connections are as files *.weft.yaml expect them, by the manifests beside "
                         "those alone or by real "
                         "packets as well. Exit 0 all hold, 1 some do not, 3 of some nobody knows");
  command
      ->add_option("path", flags->paths,
                   "files and folders of manifests and expectations; - reads manifests from standard input")
      ->required();
  auto* live =
      command->add_flag("--live", flags->live,
                        "try them, too, in a cluster that is brought up for it and taken down; needs root");
  auto* name =
      command
          ->add_option("--name", flags->cluster,
                       "instead: in the cluster that weft up made and that has the manifests already")
          ->needs(live);
  command->add_option("--nodes", flags->nodes, "of that cluster; default: as many as the manifests have")
      ->needs(live)
      ->excludes(name)
      ->check(CLI::Range(1, standalone::kMaxNodes));
  command->add_option("--timeout", flags->timeout, "seconds after which nobody has answered a probe")
      ->needs(live)
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  command
      ->add_option("--patience", flags->patience,
                   "seconds until pods have to be Ready, and then until all holds")
      ->needs(live)
      ->check(CLI::Range(1.0, 3600.0))
      ->capture_default_str();
  command->add_option("-o", flags->format, "text, json, junit or sarif")
      ->check(CLI::IsMember({"text", "json", "junit", "sarif"}))
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft test: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
