#pragma once

#include "cmd/policy_source.h"

namespace CLI {
class App;
}

namespace weft::cmd {

/// --name and --kubeconfig.
void add_source_options(CLI::App& command, PolicySource& source);

/// The subcommands of `weft policy`, each as commands.h says.
void add_policy_list_command(CLI::App& policy, int& exit_code);
void add_policy_show_command(CLI::App& policy, int& exit_code);
void add_policy_matrix_command(CLI::App& policy, int& exit_code);
void add_policy_log_command(CLI::App& policy, int& exit_code);

}  // namespace weft::cmd
