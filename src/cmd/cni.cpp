#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <iterator>

#include "cmd/commands.h"
#include "podnet/cni_client.h"

namespace weft::cmd {
namespace {

using podnet::CniError;
using podnet::CniResult;

constexpr const char* kDefaultSocket = "/run/weft/cni.sock";
constexpr const char* kVersions[] = {"0.3.1", "0.4.0", "1.0.0", "1.1.0"};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// The network configuration on standard input.
struct Config {
  std::string version = podnet::kCniVersion;
  std::string socket = kDefaultSocket;
  std::vector<std::string> valid;
};

CniResult<Config> read_config() {
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  boost::system::error_code bad;
  auto value = json::parse(text, bad);
  if (bad || !value.is_object()) {
    return std::unexpected(CniError{CniError::kDecode, "the network configuration is no JSON object", {}});
  }
  Config out;
  out.version = kube::string_at(value, "cniVersion");
  if (auto socket = kube::string_at(value, "socket"); !socket.empty()) out.socket = socket;
  const auto* valid = kube::member(value, "cni.dev/valid-attachments");
  if (valid && valid->is_array()) {
    for (const auto& one : valid->get_array()) out.valid.emplace_back(kube::string_at(one, "containerID"));
  }
  if (std::ranges::find(kVersions, out.version) == std::end(kVersions)) {
    return std::unexpected(CniError{CniError::kIncompatibleVersion,
                                    fmt::format("cniVersion \"{}\" is not supported", out.version),
                                    "supported are 0.3.1, 0.4.0, 1.0.0 and 1.1.0"});
  }
  return out;
}

CniResult<json::object> call(std::string& version) {
  auto config = read_config();
  if (!config) return std::unexpected(config.error());
  version = config->version;
  auto args = podnet::parse_args(environment("CNI_ARGS"));
  if (!args) return std::unexpected(args.error());
  podnet::CniRequest request{.command = environment("CNI_COMMAND"),
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
      std::cout << R"({"cniVersion":"1.1.0","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]})" << "\n";
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
