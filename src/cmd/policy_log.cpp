#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/http/client.h"
#include "base/netns.h"
#include "cmd/policy_commands.h"
#include "policy/recent.h"

namespace weft::cmd {
namespace {

constexpr uint16_t kMetricsPort = 10249;
constexpr std::chrono::seconds kPatience{3};

struct Flags {
  std::string cluster = "weft", ns, pod, format;
};

/// Asked in the node's network namespace, on whose loopback the agent serves it.
Expected<std::string> ask(const std::string& cluster, const std::string& node) {
  WEFT_TRY(auto inside, InNetns::enter(netns_path(fmt::format("weft-{}-{}", cluster, node))));
  asio::io_context io(1);
  Expected<http::Response> answer = fail(ErrorCode::internal, "not asked");
  asio::co_spawn(io,
                 http::get(io, {*IpAddr::parse("127.0.0.1"), kMetricsPort},
                           std::string(policy::kDecisionsPage), kPatience),
                 [&](const std::exception_ptr& thrown, Expected<http::Response> result) {
                   if (thrown) std::rethrow_exception(thrown);
                   answer = std::move(result);
                 });
  io.run();
  if (!answer) return std::unexpected(answer.error());
  if (answer->status != 200)
    return fail(ErrorCode::unavailable, fmt::format("it answers {}", answer->status));
  return std::move(answer->body);
}

Expected<json::array> decisions_of(const std::string& cluster, const std::string& node) {
  WEFT_TRY(auto body, ask(cluster, node));
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
