#pragma once

namespace CLI {
class App;
}

namespace weft::cmd {

/// Each adds one subcommand. Its callback runs the subcommand and stores the process's exit code:
/// 0 yes, 1 no (denied, failed expectation), 2 wrong use or could not run, 3 unknown.
void add_up_command(CLI::App& app, int& exit_code);
void add_down_command(CLI::App& app, int& exit_code);
void add_services_command(CLI::App& app, int& exit_code);
void add_policy_command(CLI::App& app, int& exit_code);
void add_observe_command(CLI::App& app, int& exit_code);
void add_trace_command(CLI::App& app, int& exit_code);
void add_diff_command(CLI::App& app, int& exit_code);
void add_check_command(CLI::App& app, int& exit_code);
void add_ui_command(CLI::App& app, int& exit_code);
void add_status_command(CLI::App& app, int& exit_code);
void add_node_command(CLI::App& app, int& exit_code);
void add_kubeconfig_command(CLI::App& app, int& exit_code);
void add_demo_command(CLI::App& app, int& exit_code);
void add_apiserver_command(CLI::App& app, int& exit_code);
void add_agent_command(CLI::App& app, int& exit_code);
void add_cni_command(CLI::App& app, int& exit_code);
void add_controller_command(CLI::App& app, int& exit_code);
void add_dns_command(CLI::App& app, int& exit_code);
void add_gateway_command(CLI::App& app, int& exit_code);
void add_echo_command(CLI::App& app, int& exit_code);
void add_sandbox_init_command(CLI::App& app, int& exit_code);

}  // namespace weft::cmd
