#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cmd/node_page.h"
#include "cmd/policy_commands.h"
#include "policy/recent.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::string cluster = "weft", ns, pod, format;
};

Expected<json::array> decisions_of(const std::string& cluster, const std::string& node) {
  WEFT_TRY(auto body, agent_page(cluster, node, std::string(policy::kDecisionsPage)));
  boost::system::error_code error;
  auto value = json::parse(body, error);
  const auto* list = error ? nullptr : kube::member(value, "decisions");
  if (!list || !list->is_array()) return fail(ErrorCode::invalid, "its answer is no list of decisions");
  auto out = list->get_array();
  for (auto& item : out) {
    if (!item.is_object()) return fail(ErrorCode::invalid, "its answer is no list of decisions");
    item.get_object()["node"] = node;
  }
  return out;
}

std::string text_at(const json::value& item, const char* name) {
  return std::string(kube::string_at(item, name));
}

/// "NAMESPACE/NAME", or the address of what is no pod.
std::string name_of(const json::value& end) {
  auto pod = text_at(end, "pod");
  return pod.empty() ? text_at(end, "address") : pod;
}

bool is_asked_for(const json::value& decision, const Flags& flags) {
  if (flags.ns.empty() && flags.pod.empty()) return true;
  auto fits = [&](const char* side) {
    const auto* end = kube::member(decision, side);
    auto pod = end ? text_at(*end, "pod") : std::string();
    auto slash = pod.find('/');
    if (slash == std::string::npos) return false;
    return (flags.ns.empty() || pod.substr(0, slash) == flags.ns) &&
           (flags.pod.empty() || pod.substr(slash + 1) == flags.pod);
  };
  return fits("from") || fits("to");
}

std::string end_text(const json::value& decision, const char* side) {
  const auto* end = kube::member(decision, side);
  if (!end) return "?";
  const auto* port = kube::member(*end, "port");
  boost::system::error_code error;
  auto number = port ? port->to_number<int64_t>(error) : 0;
  return number == 0 ? name_of(*end) : fmt::format("{} port {}", name_of(*end), number);
}

void print_line(const json::value& decision) {
  fmt::print("{}  {}  {:<8} {:<8} {} to {}/{}: {}\n", text_at(decision, "time"), text_at(decision, "node"),
             text_at(decision, "verdict"), text_at(decision, "direction"), end_text(decision, "from"),
             end_text(decision, "to"), text_at(decision, "protocol"), text_at(decision, "why"));
}

Expected<int> run(const Flags& flags) {
  WEFT_TRY(auto objects, read_policy_objects(PolicySource{.cluster = flags.cluster, .kubeconfig = {}}));
  std::vector<json::value> all;
  bool complete = true;
  for (const auto& node : objects.nodes) {
    auto decisions = decisions_of(flags.cluster, node.metadata.name);
    if (!decisions) {
      fmt::print(stderr, "weft policy log: {}: {}\n", node.metadata.name, decisions.error().message);
      complete = false;
      continue;
    }
    for (auto& decision : *decisions) {
      if (is_asked_for(decision, flags)) all.push_back(std::move(decision));
    }
  }
  std::ranges::stable_sort(all, {}, [](const json::value& decision) { return text_at(decision, "time"); });
  if (flags.format == "json") {
    fmt::print("{}\n", json::serialize(json::array(all.begin(), all.end())));
  } else {
    for (const auto& decision : all) print_line(decision);
  }
  return complete ? 0 : 2;
}

}  // namespace

void add_policy_log_command(CLI::App& policy, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = policy.add_subcommand(
      "log",
      "What policies denied lately on any node of a cluster that weft up made, or audited; needs root");
  command->add_option("-n,--namespace", flags->ns, "only what is from or to its pods");
  command->add_option("--pod", flags->pod, "only what is from or to pods of this name");
  command->add_option("--name", flags->cluster, "of the cluster")->capture_default_str();
  command
      ->add_option("-o", flags->format,
                   "json: [{time, node, verdict: denied|audited|allowed, direction, protocol, from: {pod, "
                   "address, port}, to, policies, why}]")
      ->check(CLI::IsMember({"json"}));
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft policy log: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
