#include "standalone/sandbox/echo.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cmd/commands.h"
#include "standalone/sandbox/init.h"

namespace weft::cmd {

using namespace standalone::sandbox;

void add_echo_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<EchoOptions>();
  CLI::App* echo =
      app.add_subcommand("echo", "Answer HTTP, gRPC, TCP and UDP with what was asked and by whom");
  echo->add_option("--http,--port", flags->http,
                   "port for HTTP and gRPC, may be repeated; default: $PORT, else 8080")
      ->delimiter(',');
  echo->add_option("--tcp", flags->tcp, "port that sends every byte back; default: $TCP_PORT")
      ->delimiter(',');
  echo->add_option("--udp", flags->udp, "port that sends every datagram back; default: $UDP_PORT")
      ->delimiter(',');
  echo->callback([flags, &exit_code] {
    auto options = echo_options_from_environment();
    if (options) {
      if (!flags->http.empty()) options->http = flags->http;
      if (!flags->tcp.empty()) options->tcp = flags->tcp;
      if (!flags->udp.empty()) options->udp = flags->udp;
    }
    auto result = options ? run_echo(*options) : std::unexpected(options.error());
    if (result) return;
    spdlog::error("{}", result.error().message);
    exit_code = 2;
  });
}

void add_sandbox_init_command(CLI::App& app, int& /*exit_code*/) {
  app.add_subcommand("sandbox-init", "The first process of a container; started by weft up alone")
      ->group("")
      // It has forked and blocked every signal: nothing of the program's is to run at its end.
      ->callback([] { ::_exit(run_sandbox_init()); });
}

}  // namespace weft::cmd
