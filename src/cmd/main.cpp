#include <CLI/CLI.hpp>
#include <csignal>

#include "base/log.h"
#include "cmd/commands.h"

// TEMPORARY while rooms are being built: a command that is not linked yet is left out.
namespace weft::cmd {
#define WEFT_WEAK(name) void name(CLI::App&, int&) __attribute__((weak))
WEFT_WEAK(add_up_command);
WEFT_WEAK(add_down_command);
WEFT_WEAK(add_kubeconfig_command);
WEFT_WEAK(add_demo_command);
WEFT_WEAK(add_apiserver_command);
WEFT_WEAK(add_agent_command);
WEFT_WEAK(add_cni_command);
WEFT_WEAK(add_controller_command);
WEFT_WEAK(add_dns_command);
WEFT_WEAK(add_echo_command);
WEFT_WEAK(add_sandbox_init_command);
}  // namespace weft::cmd

int main(int argc, char** argv) {
  using namespace weft::cmd;
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Weft: Kubernetes networking in one program", "weft"};
  app.require_subcommand(1);
  std::string level = "info";
  app.add_option("--log-level", level, "trace, debug, info, warn or error");
  app.parse_complete_callback([&] { weft::init_log(app.get_subcommands().front()->get_name(), level); });
  int exit_code = 0;
  using Add = void (*)(CLI::App&, int&);
  for (Add add :
       {Add(add_up_command), Add(add_down_command), Add(add_kubeconfig_command), Add(add_demo_command),
        Add(add_apiserver_command), Add(add_agent_command), Add(add_cni_command), Add(add_controller_command),
        Add(add_dns_command), Add(add_echo_command), Add(add_sandbox_init_command)}) {
    if (add) add(app, exit_code);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}
