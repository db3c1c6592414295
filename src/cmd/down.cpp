#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "cmd/commands.h"
#include "kube/json.h"
#include "standalone/cluster.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::string name = "weft";
  bool json = false;
};

int run(const Flags& flags) {
  auto removed = standalone::remove_cluster(flags.name);
  if (flags.json) {
    json::object out{{"name", flags.name}, {"removed", removed && *removed}};
    if (!removed) out["error"] = removed.error().message;
    fmt::print("{}\n", json::serialize(out));
  } else if (!removed) {
    fmt::print(stderr, "weft down: {}\n", removed.error().message);
  } else {
    fmt::print("{}\n", *removed ? "cluster " + flags.name + " is down" : "there is no cluster " + flags.name);
  }
  return removed ? 0 : 2;
}

}  // namespace

void add_down_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* down =
      app.add_subcommand("down", "Take a cluster down that weft up made, also one that was killed");
  down->add_option("--name", flags->name)->capture_default_str();
  down->add_option(
          "-o", [flags](const CLI::results_t& values) { return (flags->json = values[0] == "json"); }, "json")
      ->type_name("FORMAT");
  down->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace weft::cmd
