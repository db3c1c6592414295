#pragma once

#include "cmd/commands.h"

namespace weft::cmd {

void add_test_command(CLI::App& app, int& exit_code);
void add_probe_agent_command(CLI::App& app, int& exit_code);

}  // namespace weft::cmd
