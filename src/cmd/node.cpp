#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "cmd/commands.h"
#include "kube/json.h"
#include "standalone/node_power.h"

namespace weft::cmd {
namespace {

using standalone::NodePower;

struct Flags {
  std::string cluster = "weft";
  std::string node;
  bool json = false;
};

int run(const Flags& flags, const std::string& action, NodePower power) {
  auto done = standalone::set_node_power(flags.cluster, flags.node, power);
  if (flags.json) {
    json::object out{{"node", flags.node}, {"action", action}, {"done", done.has_value()}};
    if (!done) out["error"] = done.error().message;
    fmt::print("{}\n", json::serialize(out));
  } else if (!done) {
    fmt::print(stderr, "weft node: {}\n", done.error().message);
  }
  return done ? 0 : 2;
}

}  // namespace

void add_node_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("node", "Take a simulated node away, or bring it back; needs root");
  command->require_subcommand(1);
  struct Action {
    const char* name;
    const char* what;
    NodePower power;
  };
  for (const auto& action :
       {Action{"stop", "it and its pods stand still and nobody reaches them", NodePower::stopped},
        Action{"cut", "its cable is pulled; it runs on alone", NodePower::cut},
        Action{"start", "undo stop and cut", NodePower::on}}) {
    auto flags = std::make_shared<Flags>();
    CLI::App* sub = command->add_subcommand(action.name, action.what);
    sub->add_option("node", flags->node, "its name, as kubectl get nodes shows it")->required();
    sub->add_option("--name", flags->cluster, "of the cluster")->capture_default_str();
    sub->add_option(
           "-o", [flags](const CLI::results_t& values) { return (flags->json = values[0] == "json"); },
           "json")
        ->type_name("FORMAT");
    sub->callback([flags, action, &exit_code] { exit_code = run(*flags, action.name, action.power); });
  }
}

}  // namespace weft::cmd
