#pragma once

namespace CLI {
class App;
}

namespace weft::cmd {

/// The subcommand of `weft gateway`, as commands.h says.
void add_gateway_routes_command(CLI::App& gateway, int& exit_code);

}  // namespace weft::cmd
