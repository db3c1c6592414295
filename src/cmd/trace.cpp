#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/trace_live.h"
#include "cmd/trace_source.h"
#include "policy/rules.h"
#include "trace/walk.h"

namespace weft::cmd {
namespace {

struct Flags {
  std::string from, to, ns = "default", protocol = "tcp", method = "GET", format = "text";
  std::vector<std::string> headers;
  TraceSource source;
  uint16_t port = 0;
  bool live = false;
  double timeout = 1.5;  ///< s, of a probe
};

Expected<trace::Request> request_of(const Flags& flags) {
  trace::Request out;
  auto protocol = flags.protocol;
  std::ranges::transform(protocol, protocol.begin(), [](unsigned char c) { return std::toupper(c); });
  out.protocol = policy::protocol_number(protocol).value_or(0);
  if (flags.port != 0) out.port = flags.port;
  out.method = flags.method;
  for (const auto& header : flags.headers) {
    auto end = header.find_first_of("=:");
    if (end == header.npos || end == 0)
      return fail(ErrorCode::invalid, fmt::format("--header \"{}\": expected NAME=VALUE", header));
    auto value = header.substr(end + 1);
    value.erase(0, value.find_first_not_of(' '));
    out.headers.emplace_back(lower(header.substr(0, end)), value);
  }
  return out;
}

/// Probes from outside begin on this machine, so the prediction is made for its addresses.
Expected<void> place_outside(const Flags& flags, std::vector<trace::Source>& sources) {
  if (!flags.live) return {};
  WEFT_TRY(auto own, probe::outside_of(flags.source.cluster));
  for (auto& source : sources) {
    if (source.kind == trace::Source::Kind::outside && !source.stated) source.addresses = own;
  }
  return {};
}

Expected<int> run(const Flags& flags) {
  WEFT_TRY(auto objects, read_objects(flags.source));
  WEFT_TRY(auto world, trace::build_world(objects.documents, objects.machinery));
  std::ranges::move(objects.notes, std::back_inserter(world->notes));
  WEFT_TRY(auto sources, trace::parse_source(*world, flags.from, flags.ns));
  WEFT_TRY(auto to, trace::parse_destination(*world, flags.to, flags.ns));
  WEFT_TRY(auto request, request_of(flags));
  WEFT_CHECK(place_outside(flags, sources));
  WEFT_TRY(auto trace, trace::trace_connection(*world, sources, to, request));
  std::vector<LiveSource> seen;
  if (flags.live) {
    std::chrono::milliseconds patience(static_cast<int>(flags.timeout * 1000));
    WEFT_TRY(seen, trace_live({flags.source.cluster, patience}, *world, sources, to, request));
  }
  if (flags.format == "json") {
    auto out = trace.to_json();
    if (flags.live) out["observed"] = to_json(seen);
    fmt::print("{}\n", json::serialize(out));
  } else {
    fmt::print("{}{}", trace.to_text(), to_text(seen));
  }
  bool differs = std::ranges::any_of(seen, [](const auto& one) { return !one.difference.empty(); });
  return differs ? 1 : trace.exit_code();
}

}  // namespace

void add_trace_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("trace",
                         "What becomes of a connection, hop by hop, and why: in a cluster, or by manifests "
                         "alone. Exit 0 it works, 1 it does not, 3 nobody knows");
  command
      ->add_option(
          "from", flags->from,
          "who connects: NAMESPACE/POD, POD, deployment/NAME (statefulset, daemonset, …), node/NAME, an "
          "address, or outside")
      ->required();
  command
      ->add_option("to", flags->to,
                   "whom it asks for: a URL, a name or address with :PORT or not, service/NAME, pod/NAME, "
                   "gateway/NAME, node/NAME; KIND/NAMESPACE/NAME for another namespace")
      ->required();
  auto* name = command->add_option("--name", flags->source.cluster, "of the cluster that weft up made")
                   ->capture_default_str();
  auto* kubeconfig = command->add_option("--kubeconfig", flags->source.kubeconfig, "of another cluster");
  command
      ->add_option("-f,--filename", flags->source.files,
                   "files or folders of manifests (-: standard input), instead of a cluster")
      ->excludes(name)
      ->excludes(kubeconfig);
  kubeconfig->excludes(name);
  command->add_option("-n,--namespace", flags->ns, "of names that are written without")
      ->capture_default_str();
  command->add_option("--port", flags->port, "default: the destination's only one")
      ->check(CLI::Range(1, 65535));
  command->add_option("--protocol", flags->protocol)
      ->check(CLI::IsMember({"tcp", "udp", "sctp"}))
      ->capture_default_str();
  command->add_option("--method", flags->method, "of an HTTP request")->capture_default_str();
  command->add_option("--header", flags->headers, "NAME=VALUE of an HTTP request; host too");
  auto* live =
      command
          ->add_flag("--live", flags->live,
                     "send a real probe, too: from a pod, a node or this machine (outside) of the cluster "
                     "--name; exit 1 as well when what is seen is not what was foretold. Needs root")
          ->excludes("-f")
          ->excludes(kubeconfig);
  command->add_option("--timeout", flags->timeout, "seconds after which nobody has answered a probe")
      ->needs(live)
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  command->add_option("-o", flags->format, "text, or json as docs/trace.md has it")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft trace: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
