#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "cmd/dns_commands.h"
#include "dns/config_file.h"
#include "dns/overrides.h"

namespace weft::cmd {
namespace {

void print_summary(const dns::ConfigFile& file) {
  const dns::Config& config = file.config;
  if (file.zone) fmt::print("zone {}\n", file.zone->str());
  for (const auto& forward : config.forwards) {
    std::vector<std::string> upstreams;
    for (const auto& upstream : forward.upstreams)
      upstreams.push_back(upstream.address.str() + (upstream.tls() ? " over TLS" : ""));
    fmt::print("names under {} go to {}\n", forward.domain.str(), fmt::join(upstreams, ", "));
  }
  if (!file.says_forwards) fmt::print("other names go to the name servers of --resolv-conf\n");
  if (!config.hosts.entries.empty()) fmt::print("{} hosts entries\n", config.hosts.entries.size());
  if (!config.rewrites.empty()) fmt::print("{} rewrites\n", config.rewrites.size());
  fmt::print("cache {}\n", config.cache.enabled ? "on" : "off");
}

int check(const std::string& path) {
  std::error_code unreadable;
  if (!std::filesystem::exists(path, unreadable)) {
    fmt::print(stderr, "{}: there is no such file\n", path);
    return 2;
  }
  auto file = dns::load_config(path);
  if (!file) {
    fmt::print(stderr, "{}\n", file.error().message);
    return file.error().code == ErrorCode::invalid ? 1 : 2;
  }
  for (const auto& warning : file->warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (auto compiled = dns::Overrides::compile(file->config); !compiled) {
    fmt::print(stderr, "{}: {}\n", path, compiled.error().message);
    return 1;
  }
  print_summary(*file);
  return 0;
}

}  // namespace

void add_dns_check_command(CLI::App& dns, int& exit_code) {
  auto path = std::make_shared<std::string>();
  CLI::App* command = dns.add_subcommand(
      "check",
      "Whether a configuration file can be used: exit code 0, 1 (it is wrong) or 2 (cannot be read)");
  command->add_option("FILE", *path, "Weft's configuration or a Corefile")->required();
  command->callback([path, &exit_code] { exit_code = check(*path); });
}

}  // namespace weft::cmd
