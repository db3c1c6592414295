#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "cmd/commands.h"
#include "cmd/declared.h"
#include "cmd/node_page.h"
#include "kube/time.h"
#include "observe/filter.h"
#include "observe/recent_flows.h"
#include "policy/recent.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

constexpr std::chrono::milliseconds kAskEvery{200};

struct Flags {
  std::string cluster = "weft", since, format = "compact";
  std::optional<size_t> last;
  bool follow = false;
  observe::FlowFilter filter;
};

std::string time_of(const json::value& flow) { return std::string(kube::string_at(flow, "time")); }

/// Asks one node's agent for what it has not told yet.
class NodeFlows {
 public:
  NodeFlows(std::string cluster, std::string node) : cluster_(std::move(cluster)), node_(std::move(node)) {}

  Expected<void> read(std::vector<json::value>& out) {
    WEFT_CHECK(read_flows(out));
    return read_decisions(out);
  }
  const std::string& node() const { return node_; }
  /// Events that had made room before they were asked for, since this was asked last.
  uint64_t take_lost() { return std::exchange(lost_, 0); }

 private:
  Expected<json::value> page(const std::string& path) {
    WEFT_TRY(auto body, agent_page(cluster_, node_, path));
    boost::system::error_code error;
    auto value = json::parse(body, error);
    if (error || !value.is_object()) return fail(ErrorCode::invalid, path + ": its answer is no JSON object");
    return value;
  }

  static uint64_t number(const json::value& value, const char* name) {
    const auto* found = kube::member(value, name);
    boost::system::error_code error;
    auto out = found ? found->to_number<uint64_t>(error) : 0;
    return error ? 0 : out;
  }

  Expected<void> read_flows(std::vector<json::value>& out) {
    while (true) {
      WEFT_TRY(auto value, page(fmt::format("{}?after={}", observe::kFlowsPage, next_)));
      const auto* flows = kube::member(value, "flows");
      if (!flows || !flows->is_array()) return fail(ErrorCode::invalid, "its answer has no flows");
      next_ = number(value, "next");
      lost_ += number(value, "lost");
      for (const auto& flow : flows->get_array()) keep(flow, out);
      if (flows->get_array().size() < observe::kFlowsOfPage) return {};
    }
  }

  /// The page has all that is kept: what was told already is known by its time and text.
  Expected<void> read_decisions(std::vector<json::value>& out) {
    WEFT_TRY(auto value, page(std::string(policy::kDecisionsPage)));
    const auto* list = kube::member(value, "decisions");
    if (!list || !list->is_array()) return fail(ErrorCode::invalid, "its answer has no decisions");
    std::set<std::string> told;
    for (const auto& decision : list->get_array()) {
      if (!decision.is_object()) continue;
      auto text = json::serialize(decision);
      if (!told_.contains(text)) keep(observe::flow_of_decision(decision), out);
      told.insert(std::move(text));
    }
    told_ = std::move(told);
    return {};
  }

  void keep(json::value flow, std::vector<json::value>& out) const {
    if (!flow.is_object()) return;
    flow.get_object()["node"] = node_;
    out.push_back(std::move(flow));
  }

  std::string cluster_, node_;
  uint64_t next_ = 0;
  uint64_t lost_ = 0;
  std::set<std::string> told_;
};

Expected<std::vector<NodeFlows>> find_nodes(const std::string& cluster) {
  WEFT_TRY(auto config,
           kube::find_config(fmt::format("{}/{}/admin.kubeconfig", standalone::kRunRoot, cluster)));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  Expected<std::vector<kube::Node>> nodes = fail(ErrorCode::internal, "not asked");
  asio::co_spawn(io, list_all<kube::Node>(client),
                 [&](const std::exception_ptr& thrown, Expected<std::vector<kube::Node>> result) {
                   if (thrown) std::rethrow_exception(thrown);
                   nodes = std::move(result);
                   io.stop();
                 });
  io.run();
  if (!nodes) return std::unexpected(nodes.error());
  std::vector<NodeFlows> out;
  for (const auto& node : *nodes) out.emplace_back(cluster, node.metadata.name);
  return out;
}

/// "90s", "5m", "1h30m": as Go writes durations, of whole numbers.
Expected<std::chrono::seconds> parse_duration(const std::string& text) {
  std::chrono::seconds out{0};
  for (size_t at = 0; at < text.size();) {
    uint32_t number = 0;
    auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
    at = static_cast<size_t>(end - text.data());
    const char unit = error == std::errc() && at < text.size() ? text[at++] : '?';
    const int64_t seconds = unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : 0;
    if (seconds == 0)
      return fail(ErrorCode::invalid,
                  fmt::format("--since {}: expected a time such as 90s, 5m or 1h30m", text));
    out += std::chrono::seconds(seconds * number);
  }
  return out;
}

void print(const std::vector<json::value>& flows, const Flags& flags) {
  for (const auto& flow : flows) {
    fmt::print("{}\n", flags.format == "json" ? json::serialize(flow) : observe::compact(flow));
  }
  std::fflush(stdout);
}

/// What is new on all nodes, in the order of time. False: a node did not answer.
bool gather(std::vector<NodeFlows>& nodes, const Flags& flags, std::vector<json::value>& out) {
  bool complete = true;
  for (auto& node : nodes) {
    if (auto read = node.read(out); !read) {
      fmt::print(stderr, "weft observe: {}: {}\n", node.node(), read.error().message);
      complete = false;
    }
    if (auto lost = node.take_lost(); lost > 0)
      fmt::print(stderr, "weft observe: {}: {} events were lost\n", node.node(), lost);
  }
  std::erase_if(out, [&](const json::value& flow) { return !flags.filter.wants(flow); });
  std::ranges::stable_sort(out, {}, time_of);
  return complete;
}

Expected<int> run(const Flags& flags) {
  std::string earliest;
  if (!flags.since.empty()) {
    WEFT_TRY(auto since, parse_duration(flags.since));
    earliest = kube::format_micro_time(kube::now_point() - since);
  }
  WEFT_TRY(auto nodes, find_nodes(flags.cluster));
  std::vector<json::value> flows;
  bool complete = gather(nodes, flags, flows);
  std::erase_if(flows, [&](const json::value& flow) { return time_of(flow) < earliest; });
  // As Hubble does: what came before is shown if somebody asks for it, or for nothing else.
  const size_t most = flags.last.value_or(!flags.since.empty() ? flows.size() : flags.follow ? 0 : 20);
  if (flows.size() > most) flows.erase(flows.begin(), flows.end() - static_cast<ptrdiff_t>(most));
  print(flows, flags);
  while (flags.follow && complete) {
    std::this_thread::sleep_for(kAskEvery);
    flows.clear();
    complete = gather(nodes, flags, flows);
    print(flows, flags);
  }
  return complete ? 0 : 2;
}

void add_filters(CLI::App& command, observe::FlowFilter& filter) {
  command.add_option("--pod", filter.pod, "from or to pods that begin so: NAMESPACE/NAME or NAME");
  command.add_option("--from-pod", filter.from_pod, "from such pods");
  command.add_option("--to-pod", filter.to_pod, "to such pods");
  command.add_option("-n,--namespace", filter.ns, "from or to pods of the namespace");
  command.add_option("--from-namespace", filter.from_ns, "from its pods");
  command.add_option("--to-namespace", filter.to_ns, "to its pods");
  command.add_option("--ip", filter.ip, "from or to the address");
  command.add_option("--from-ip", filter.from_ip, "from it");
  command.add_option("--to-ip", filter.to_ip, "to it");
  command.add_option("--service,--to-service", filter.service,
                     "that asked for the Service: NAMESPACE/NAME or NAME");
  command.add_option("--port", filter.port, "either end's, or the Service's");
  command.add_option("--to-port", filter.to_port, "the target's, or the Service's");
  command.add_option("--protocol", filter.protocol, "TCP, UDP, …");
  command.add_option("--verdict", filter.verdict, "FORWARDED, DROPPED, AUDIT, ERROR");
  command.add_option("--type", filter.event, "connected, accepted, failed, closed, sent, decided");
  command.add_flag("--not", filter.invert, "those that do not fit all this");
}

}  // namespace

void add_observe_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "observe", "Connections of a cluster that weft up made, in names, with verdicts; needs root");
  command->add_option("--name", flags->cluster, "of the cluster")->capture_default_str();
  command->add_flag("-f,--follow", flags->follow, "go on with what comes");
  command->add_option("--last", flags->last, "so many of those before; default 20, with -f none");
  command->add_option("--since", flags->since, "all of the time before: 90s, 5m, 1h30m");
  add_filters(*command, flags->filter);
  command
      ->add_option(
          "-o,--output", flags->format,
          "compact, or json: a line each, {time, node, event, verdict, error, protocol, seen_at, from: "
          "{pod, address, port}, to, service: {name, address, port}, took_us, sent, received}, of "
          "decisions why and policies")
      ->check(CLI::IsMember({"compact", "json"}))
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    // A reader that has enough ends it.
    std::signal(SIGPIPE, SIG_DFL);
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft observe: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
