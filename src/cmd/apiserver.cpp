#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>

#include "base/log.h"
#include "cmd/commands.h"
#include "standalone/apiserver/authorizer.h"
#include "standalone/apiserver/server.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::string data;
  std::string pki;
  std::string kubeconfig;
  uint16_t port = 6443;
  std::vector<std::string> ranges{"10.96.0.0/16", "fd00:96::/112"};
};

Expected<standalone::ServiceRanges> parse_ranges(const std::vector<std::string>& texts) {
  standalone::ServiceRanges out;
  for (const auto& text : texts) {
    auto prefix = IpPrefix::parse(text);
    if (!prefix)
      return fail(ErrorCode::invalid, fmt::format("--service-cidr {}: not a prefix like 10.96.0.0/16", text));
    out.cluster_ips.push_back(*prefix);
  }
  return out;
}

Expected<void> run(const Flags& flags) {
  // Before any thread is made, so that all of them have it.
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  std::error_code error;
  std::filesystem::create_directories(flags.pki, error);
  if (error) return fail(ErrorCode::system, fmt::format("--pki {}: {}", flags.pki, error.message()));
  standalone::ApiServerOptions options{.data_dir = flags.data, .pki_dir = flags.pki};
  WEFT_TRY(options.ranges, parse_ranges(flags.ranges));
  WEFT_TRY(auto socket, standalone::listen_on("127.0.0.1", flags.port));
  options.sockets.push_back(std::move(socket));
  WEFT_TRY(auto server, standalone::ApiServer::start(std::move(options)));
  WEFT_TRY(auto admin, server->client_config("admin", {standalone::kAdminGroup}, flags.port));
  WEFT_CHECK(standalone::write_private_file(flags.kubeconfig, kube::write_kubeconfig(admin, "weft")));
  auto url = fmt::format("https://127.0.0.1:{}", flags.port);
  spdlog::info("serving on {}; export KUBECONFIG={}", url, flags.kubeconfig);
  int signal = 0;
  sigwait(&signals, &signal);
  return {};
}

}  // namespace

void add_apiserver_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("apiserver", "Serve the Kubernetes API on loopback, without nodes");
  command->add_option("--data", flags->data, "folder that keeps the state; default: in memory");
  command->add_option("--pki", flags->pki, "folder of the certificate authority; made if absent")->required();
  command->add_option("--kubeconfig", flags->kubeconfig, "file to write an administrator's kubeconfig to")
      ->required();
  command->add_option("--port", flags->port)->capture_default_str();
  command->add_option("--service-cidr", flags->ranges, "address ranges of Services, the primary family first")
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    if (auto result = run(*flags); !result) {
      spdlog::error("{}", result.error().message);
      exit_code = 2;
    }
  });
}

}  // namespace weft::cmd
