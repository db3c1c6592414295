#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <optional>
#include <thread>

#include "base/ip.h"
#include "cmd/commands.h"
#include "cmd/node_flows.h"
#include "kube/time.h"
#include "observe/filter.h"

namespace weft::cmd {
namespace {

constexpr std::chrono::milliseconds kAskEvery{200};

struct Flags {
  std::string cluster = "weft", since, format = "compact";
  std::optional<size_t> last;
  bool follow = false;
  observe::FlowFilter filter;
};

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

/// As flows have it.
std::string canonical_address(std::string& text) {
  auto address = IpAddr::parse(text);
  if (!address) return fmt::format("{} is no IPv4 or IPv6 address", text);
  text = address->str();
  return {};
}

void add_filters(CLI::App& command, observe::FlowFilter& filter) {
  const CLI::Validator address(canonical_address, "");
  command.add_option("--pod", filter.pod, "from or to pods that begin so: NAMESPACE/NAME or NAME");
  command.add_option("--from-pod", filter.from_pod, "from such pods");
  command.add_option("--to-pod", filter.to_pod, "to such pods");
  command.add_option("-n,--namespace", filter.ns, "from or to pods of the namespace");
  command.add_option("--from-namespace", filter.from_ns, "from its pods");
  command.add_option("--to-namespace", filter.to_ns, "to its pods");
  command.add_option("--ip", filter.ip, "from or to the address")->transform(address);
  command.add_option("--from-ip", filter.from_ip, "from it")->transform(address);
  command.add_option("--to-ip", filter.to_ip, "to it")->transform(address);
  command.add_option("--service,--to-service", filter.service,
                     "that asked for the Service: NAMESPACE/NAME or NAME");
  command.add_option("--port", filter.port, "either end's, or the Service's");
  command.add_option("--to-port", filter.to_port, "the target's, or the Service's");
  command.add_option("--protocol", filter.protocol, "TCP, UDP, SCTP, or a number")
      ->check(CLI::IsMember({"TCP", "UDP", "SCTP"}, CLI::ignore_case) | CLI::Range(0, 255));
  command.add_option("--verdict", filter.verdict, "what became of it")
      ->check(CLI::IsMember({"FORWARDED", "DROPPED", "AUDIT", "ERROR"}, CLI::ignore_case));
  command.add_option("--type", filter.event, "of event")
      ->check(
          CLI::IsMember({"connected", "accepted", "failed", "closed", "sent", "decided"}, CLI::ignore_case));
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
