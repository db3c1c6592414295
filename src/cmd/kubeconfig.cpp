#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cmd/commands.h"
#include "kube/json.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::string name = "weft";
  bool json = false;
};

int run(const Flags& flags) {
  if (auto valid = standalone::check_cluster_name(flags.name); !valid) {
    fmt::print(stderr, "{}\n", valid.error().message);
    return 2;
  }
  auto path = fmt::format("{}/{}/admin.kubeconfig", standalone::kRunRoot, flags.name);
  bool there = ::access(path.c_str(), F_OK) == 0;
  if (flags.json) {
    json::object out{{"name", flags.name}, {"up", there}};
    if (there) out["kubeconfig"] = path;
    fmt::print("{}\n", json::serialize(out));
  } else if (there) {
    fmt::print("{}\n", path);
  } else {
    fmt::print(stderr, "cluster {0} is not up: sudo weft up --name {0} --detach\n", flags.name);
  }
  return there ? 0 : 1;
}

}  // namespace

void add_kubeconfig_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("kubeconfig", "Print where the kubeconfig of a cluster is");
  command->add_option("--name", flags->name)->capture_default_str();
  command
      ->add_option(
          "-o", [flags](const CLI::results_t& values) { return (flags->json = values[0] == "json"); }, "json")
      ->type_name("FORMAT");
  command->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace weft::cmd
