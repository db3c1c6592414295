#include <CLI/CLI.hpp>
#include <csignal>

#include "base/log.h"
#include "cmd/test_commands.h"

int main(int argc, char** argv) {
  using namespace weft::cmd;
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Weft: Kubernetes networking in one program", "weft"};
  app.require_subcommand(1);
  std::string level = "info";
  app.add_option("--log-level", level, "trace, debug, info, warn or error");
  app.parse_complete_callback([&] { weft::init_log(app.get_subcommands().front()->get_name(), level); });
  int exit_code = 0;
  for (auto* add :
       {add_up_command,         add_down_command,         add_node_command,       add_status_command,
        add_services_command,   add_policy_command,       add_observe_command,    add_trace_command,
        add_test_command,       add_diff_command,         add_check_command,      add_ui_command,
        add_kubeconfig_command, add_demo_command,         add_apiserver_command,  add_agent_command,
        add_cni_command,        add_controller_command,   add_dns_command,        add_gateway_command,
        add_echo_command,       add_sandbox_init_command, add_probe_agent_command}) {
    add(app, exit_code);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}
