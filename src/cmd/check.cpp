#include "check/check.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iterator>

#include "cmd/commands.h"
#include "standalone/offline.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::vector<std::string> paths;
  std::string format = "text";
};

Expected<std::vector<kube::YamlDocument>> read(const std::vector<std::string>& paths) {
  std::vector<kube::YamlDocument> out;
  for (const auto& path : paths) {
    WEFT_TRY(auto more, kube::load_manifests(path));
    std::ranges::move(more, std::back_inserter(out));
  }
  return out;
}

void print_text(const std::vector<check::Finding>& findings) {
  size_t errors = 0, warnings = 0;
  for (const auto& finding : findings) {
    errors += finding.severity == check::Severity::error ? 1 : 0;
    warnings += finding.severity == check::Severity::warning ? 1 : 0;
    fmt::print("{}\n", finding.str());
  }
  fmt::print("{} errors, {} warnings, {} notes\n", errors, warnings, findings.size() - errors - warnings);
}

Expected<int> run(const Flags& flags) {
  WEFT_TRY(auto manifests, read(flags.paths));
  WEFT_TRY(auto findings,
           check::check(manifests, standalone::offline_cluster, std::chrono::system_clock::now()));
  if (flags.format == "json")
    fmt::print("{}\n", json::serialize(check::to_json(findings)));
  else if (flags.format == "sarif")
    fmt::print("{}\n", json::serialize(check::to_sarif(findings)));
  else
    print_text(findings);
  bool clean = std::ranges::all_of(
      findings, [](const check::Finding& finding) { return finding.severity == check::Severity::note; });
  return clean ? 0 : 1;
}

}  // namespace

void add_check_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "check", "What is wrong with networking manifests, and how to mend it; exit 1 for errors and warnings");
  command->add_option("path", flags->paths, "files or folders; - reads from standard input")->required();
  command->add_option("-o", flags->format, "text, json or sarif")
      ->check(CLI::IsMember({"text", "json", "sarif"}))
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft check: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
