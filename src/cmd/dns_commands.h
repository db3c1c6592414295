#pragma once

namespace CLI {
class App;
}

namespace weft::cmd {

/// The subcommands of `weft dns`, each as commands.h says.
void add_dns_check_command(CLI::App& dns, int& exit_code);
void add_dns_query_command(CLI::App& dns, int& exit_code);

}  // namespace weft::cmd
