#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "cmd/commands.h"
#include "cmd/policy_commands.h"

namespace weft::cmd {

void add_source_options(CLI::App& command, PolicySource& source) {
  auto* name =
      command.add_option("--name", source.cluster, "of the cluster that weft up made")->capture_default_str();
  command.add_option("--kubeconfig", source.kubeconfig, "of another cluster")->excludes(name);
}

void add_policy_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("policy", "NetworkPolicies and ClusterNetworkPolicies: what is in force and why");
  command->require_subcommand(1);
  for (auto* add :
       {add_policy_list_command, add_policy_show_command, add_policy_matrix_command, add_policy_log_command})
    add(*command, exit_code);
}

}  // namespace weft::cmd
