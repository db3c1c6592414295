#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "cmd/commands.h"
#include "podnet/cni_client.h"

namespace weft::cmd {
namespace {

using podnet::CniError;
using podnet::CniResult;

/// No network configuration is larger.
constexpr size_t kMaxInput = 1 << 20;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

CniResult<podnet::CniConfig> read_config() {
  std::string text(kMaxInput, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::cin.gcount()));
  if (text.size() == kMaxInput)
    return std::unexpected(CniError{CniError::kDecode, "the network configuration is larger than 1 MiB", {}});
  return podnet::parse_config(text);
}

CniResult<json::object> call(std::string& version) {
  auto command = environment("CNI_COMMAND");
  if (command.empty()) {
    return std::unexpected(CniError{CniError::kInvalidEnvironment, "CNI_COMMAND: is not set",
                                    "weft cni is called by a container runtime, with its request in CNI_* "
                                    "variables and the network configuration on standard input"});
  }
  auto config = read_config();
  if (!config) return std::unexpected(config.error());
  version = config->version;
  auto args = podnet::parse_args(environment("CNI_ARGS"));
  if (!args) return std::unexpected(args.error());
  podnet::CniRequest request{.command = command,
                             .container_id = environment("CNI_CONTAINERID"),
                             .netns = environment("CNI_NETNS"),
                             .interface = environment("CNI_IFNAME"),
                             .args = *args,
                             .valid = config->valid};
  auto result = podnet::call_agent(config->socket, request);
  if (!result && request.command == "STATUS" && result.error().code == CniError::kTryAgain) {
    result.error().code = CniError::kNotAvailable;
  }
  return result;
}

}  // namespace

void add_cni_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("cni", "CNI plugin: connect pods by way of the node's agent (for runtimes)");
  command->callback([&exit_code] {
    if (environment("CNI_COMMAND") == "VERSION") {
      std::cout << json::serialize(podnet::supported_versions()) << "\n";
      return;
    }
    std::string version = podnet::kCniVersion;
    auto result = call(version);
    if (!result) {
      std::cout << json::serialize(podnet::to_json(result.error(), version)) << "\n";
      exit_code = 1;
      return;
    }
    if (result->empty()) return;
    podnet::convert_result(*result, version);
    std::cout << json::serialize(*result) << "\n";
  });
}

}  // namespace weft::cmd
