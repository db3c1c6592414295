#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "cmd/test_commands.h"
#include "probe/probe.h"

namespace weft::cmd {

void add_probe_agent_command(CLI::App& app, int& exit_code) {
  auto place = std::make_shared<probe::Place>();
  CLI::App* command =
      app.add_subcommand("probe-agent",
                         "Sends probes from another place; started by weft trace and weft test alone")
          ->group("");
  command->add_option("--cgroup", place->cgroup);
  command->add_option("--netns", place->netns);
  command->add_option("--pid", place->pid);
  command->callback([place, &exit_code] {
    auto result = probe::run_agent(*place);
    if (!result) fmt::print(stderr, "weft probe-agent: {}\n", result.error().message);
    exit_code = result ? 0 : 2;
  });
}

}  // namespace weft::cmd
