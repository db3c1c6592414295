#include <fmt/color.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "cmd/commands.h"
#include "cmd/status_report.h"
#include "kube/json.h"
#include "kube/time.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::string cluster = "weft", kubeconfig, format;
};

/// "47s", "5m", "3h", "2d": as kubectl has it.
std::string age(const std::string& since) {
  auto when = kube::parse_time(since);
  if (!when) return "?";
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(kube::now_point() - *when).count();
  if (seconds < 120) return fmt::format("{}s", std::max<int64_t>(seconds, 0));
  if (seconds < 7200) return fmt::format("{}m", seconds / 60);
  return seconds < 172'800 ? fmt::format("{}h", seconds / 3600) : fmt::format("{}d", seconds / 86'400);
}

/// What is not well is red where there is somebody to see it, and in capitals everywhere.
void print_cell(const std::string& text, bool well, int width) {
  static const bool kColour = ::isatty(STDOUT_FILENO) == 1;
  // What is longer than its column still ends before the next one begins.
  auto padded = fmt::format("{:<{}}", width > 0 ? text + " " : text, width);
  if (well || !kColour) {
    fmt::print("{}", padded);
  } else {
    fmt::print(fmt::fg(fmt::terminal_color::red) | fmt::emphasis::bold, "{}", padded);
  }
}

void print_node(const NodeStatus& node, int width) {
  print_cell(node.name, true, width);
  print_cell(fmt::format("{} {}", node.ready ? "yes," : "NO,", age(node.since)), node.ready, 12);
  print_cell(node.agent.empty() ? "alive" : "NOT WELL", node.agent.empty(), 10);
  bool serves = !node.proxy || node.proxy->empty();
  print_cell(!node.proxy ? "-" : serves ? "alive" : "NOT WELL", serves, 10);
  if (node.services) {
    bool same = node.differences.empty();
    auto count = fmt::format("{} of {}", node.services->programmed, node.services->wanted);
    print_cell(same ? count : count + " DIFFERS", same, 20);
  } else {
    print_cell(node.kernel.empty() ? "not seen from here" : "NONE", node.kernel.empty(), 20);
  }
  bool policed = !node.policy || node.policy->differences.empty();
  auto policy = node.policy ? fmt::format("{} pods", node.policy->pods) : std::string("-");
  print_cell(policed ? policy : policy + " DIFFER", policed, 18);
  print_cell(fmt::format("{} of {}", node.ready_pods, node.pods), true, 12);
  bool roomy = node.full_maps.empty();
  print_cell(!node.services ? "-"
             : roomy        ? "have room"
                            : fmt::format("{} FULL", node.full_maps.size()),
             roomy, 0);
  fmt::print("\n");
}

void print_text(const StatusReport& report) {
  auto problems = report.problems();
  int width = 12;
  for (const auto& node : report.nodes) width = std::max(width, static_cast<int>(node.name.size()) + 2);
  fmt::print("{:<{}}{:<12}{:<10}{:<10}{:<20}{:<18}{:<12}{}\n", "NODE", width, "READY", "AGENT", "GATEWAY",
             "SERVICES", "POLICIES OF", "PODS READY", "BPF MAPS");
  for (const auto& node : report.nodes) print_node(node, width);
  const auto& controller = report.controller;
  fmt::print("\n{:<12}", "controller");
  print_cell(controller.problem.empty() ? controller.detail : "NOT WELL", controller.problem.empty(), 0);
  auto answering =
      std::ranges::count_if(report.dns, [](const auto& server) { return server.problem.empty(); });
  bool all = !report.dns.empty() && static_cast<size_t>(answering) == report.dns.size();
  fmt::print("\n{:<12}", "DNS");
  print_cell(fmt::format("{} of {} servers answer", answering, report.dns.size()), all, 0);
  fmt::print("\n{:<12}", "Gateways");
  print_cell(fmt::format("{} of {} programmed", report.gateways.programmed, report.gateways.all),
             report.gateways.problems.empty(), 0);
  fmt::print("\n\n");
  if (problems.empty()) {
    fmt::print("all is well\n");
    return;
  }
  print_cell("NOT WELL:", false, 0);
  fmt::print("\n");
  for (const auto& problem : problems) fmt::print("  {}\n", problem);
}

json::object to_json(const NodeStatus& node) {
  json::array differences, maps;
  for (const auto& way : node.differences) {
    differences.push_back(json::object{{"service", way.service},
                                       {"address", way.addr.str()},
                                       {"port", way.port},
                                       {"protocol", service::name_of(way.protocol)},
                                       {"difference", way.difference}});
  }
  for (const auto& map : node.full_maps)
    maps.push_back(json::object{{"map", map.name}, {"entries", map.entries}, {"capacity", map.capacity}});
  json::value services;
  if (node.services)
    services = json::object{{"wanted", node.services->wanted}, {"programmed", node.services->programmed}};
  json::value policy;
  if (node.policy)
    policy = json::object{{"pods", node.policy->pods},
                          {"differences", json::value_from(node.policy->differences)}};
  return {{"name", node.name},
          {"ready", node.ready},
          {"since", node.since},
          {"agent", json::object{{"alive", node.agent.empty()}, {"problem", node.agent}}},
          {"gateway", node.proxy ? json::value{{"alive", node.proxy->empty()}, {"problem", *node.proxy}}
                                 : json::value()},
          {"services", std::move(services)},
          {"differences", std::move(differences)},
          {"policy", std::move(policy)},
          {"pods", json::object{{"total", node.pods}, {"ready", node.ready_pods}}},
          {"fullMaps", std::move(maps)}};
}

json::object to_json(const PartStatus& part) {
  return {{"name", part.name},
          {"alive", part.problem.empty()},
          {"detail", part.detail},
          {"problem", part.problem}};
}

void print_json(const StatusReport& report) {
  auto problems = report.problems();
  json::array nodes, dns;
  for (const auto& node : report.nodes) nodes.push_back(to_json(node));
  for (const auto& server : report.dns) dns.push_back(to_json(server));
  fmt::print("{}\n", json::serialize(json::object{
                         {"well", problems.empty()},
                         {"problems", json::value_from(problems)},
                         {"nodes", std::move(nodes)},
                         {"controller", to_json(report.controller)},
                         {"dns", std::move(dns)},
                         {"gateways", json::object{{"total", report.gateways.all},
                                                   {"programmed", report.gateways.programmed}}}}));
}

Expected<int> run(const Flags& flags) {
  bool ours = flags.kubeconfig.empty();
  if (ours && ::geteuid() != 0)
    return fail(ErrorCode::forbidden, "it reads what nodes' kernels have: run it with sudo");
  auto path =
      ours ? fmt::format("{}/{}/admin.kubeconfig", standalone::kRunRoot, flags.cluster) : flags.kubeconfig;
  WEFT_TRY(auto config, kube::find_config(path));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  Expected<StatusReport> report = fail(ErrorCode::internal, "not asked");
  asio::co_spawn(io, read_status(client, {.cluster = ours ? flags.cluster : std::string()}),
                 [&](const std::exception_ptr& thrown, Expected<StatusReport> result) {
                   if (thrown) std::rethrow_exception(thrown);
                   report = std::move(result);
                   io.stop();
                 });
  io.run();
  if (!report) return std::unexpected(report.error());
  flags.format == "json" ? print_json(*report) : print_text(*report);
  return report->problems().empty() ? 0 : 1;
}

}  // namespace

void add_status_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("status", "Whether a cluster's nodes and parts are well; exit 1 when one is not");
  auto* name = command->add_option("--name", flags->cluster, "of the cluster that weft up made")
                   ->capture_default_str();
  command
      ->add_option("--kubeconfig", flags->kubeconfig,
                   "of another cluster, whose nodes' kernels are not looked at")
      ->excludes(name);
  command
      ->add_option("-o", flags->format,
                   "json: {well, problems, nodes: [{name, ready, since, agent, gateway, services: {wanted, "
                   "programmed}, "
                   "differences, policy: {pods, differences}, pods, fullMaps}], controller, dns, gateways: "
                   "{total, programmed}}")
      ->check(CLI::IsMember({"json"}));
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft status: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
