#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cmd/commands.h"
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
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

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

Expected<int> run(const Flags& flags) {
  WEFT_TRY(auto objects, read_objects(flags.source));
  WEFT_TRY(auto world, trace::build_world(objects.documents, objects.machinery));
  std::ranges::move(objects.notes, std::back_inserter(world->notes));
  WEFT_TRY(auto sources, trace::parse_source(*world, flags.from, flags.ns));
  WEFT_TRY(auto to, trace::parse_destination(*world, flags.to, flags.ns));
  WEFT_TRY(auto request, request_of(flags));
  WEFT_TRY(auto trace, trace::trace_connection(*world, sources, to, request));
  if (flags.format == "json") {
    fmt::print("{}\n", json::serialize(trace.to_json()));
  } else {
    fmt::print("{}", trace.to_text());
  }
  return trace.exit_code();
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
                   "gateway/NAME; KIND/NAMESPACE/NAME for another namespace")
      ->required();
  auto* name = command->add_option("--name", flags->source.cluster, "of the cluster that weft up made")
                   ->capture_default_str();
  auto* kubeconfig = command->add_option("--kubeconfig", flags->source.kubeconfig, "of another cluster");
  command
      ->add_option("-f,--filename", flags->source.files,
                   "files or folders of manifests, instead of a cluster")
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
