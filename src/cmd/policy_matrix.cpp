#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cmd/policy_commands.h"
#include "kube/yaml.h"
#include "policy/matrix.h"

namespace weft::cmd {
namespace {

struct Flags {
  PolicySource source;
  std::string ns, manifests, protocol = "tcp", format = "table";
  uint16_t port = 0;
};

Expected<policy::PolicyObjects> read_objects(const Flags& flags) {
  if (flags.manifests.empty()) return read_policy_objects(flags.source);
  WEFT_TRY(auto manifests, kube::load_manifests(flags.manifests));
  return policy::objects_of(manifests);
}

std::string label_of(const policy::MatrixGroup& group, size_t number) {
  auto label = fmt::format("{} {}", number, group.name);
  return group.pods.size() == 1 ? label : fmt::format("{} ({} pods)", label, group.pods.size());
}

/// Columns have the numbers of the rows.
void print_table(const policy::Matrix& matrix) {
  size_t count = matrix.groups.size();
  if (count == 0) return fmt::print("no pods\n");
  size_t first = 0;
  std::vector<size_t> widths(count, 3);
  for (size_t from = 0; from < count; ++from) {
    first = std::max(first, label_of(matrix.groups[from], from + 1).size());
    for (size_t to = 0; to < count; ++to)
      widths[to] = std::max(widths[to], matrix.cells[from][to].str(matrix.only_port).size());
  }
  auto print_row = [&](const std::string& label, const auto& cell) {
    auto line = fmt::format("{:<{}}", label, first);
    for (size_t to = 0; to < count; ++to) line += fmt::format("  {:<{}}", cell(to), widths[to]);
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  };
  print_row("FROM \\ TO", [](size_t to) { return std::to_string(to + 1); });
  for (size_t from = 0; from < count; ++from)
    print_row(label_of(matrix.groups[from], from + 1),
              [&](size_t to) { return matrix.cells[from][to].str(matrix.only_port); });
}

Expected<int> run(const Flags& flags) {
  WEFT_TRY(auto objects, read_objects(flags));
  policy::PolicyPlan plan({.node = {}});
  fill(plan, objects);
  policy::MatrixOptions options{.namespace_ = flags.ns, .port = std::nullopt};
  if (flags.port != 0) {
    auto protocol = flags.protocol;
    std::ranges::transform(protocol, protocol.begin(), ::toupper);
    options.port = flags.port;
    options.protocol = policy::protocol_number(protocol).value();
  }
  auto matrix = make_matrix(plan, objects.pods, options);
  if (flags.format == "json") {
    fmt::print("{}\n", json::serialize(matrix.to_json()));
  } else {
    print_table(matrix);
  }
  return 0;
}

}  // namespace

void add_policy_matrix_command(CLI::App& policy, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = policy.add_subcommand("matrix", "Who may talk to whom, in a cluster or by manifests");
  command->add_option("-n,--namespace", flags->ns, "only its pods");
  auto* port = command
                   ->add_option("--port", flags->port,
                                "of destinations; default: those that their containers declare, else TCP 80")
                   ->check(CLI::Range(1, 65535));
  command->add_option("--protocol", flags->protocol, "of --port")
      ->check(CLI::IsMember({"tcp", "udp", "sctp"}))
      ->needs(port)
      ->capture_default_str();
  add_source_options(*command, flags->source);
  command
      ->add_option("-f", flags->manifests,
                   "a file or folder of manifests (-: standard input), instead of a cluster")
      ->excludes("--name")
      ->excludes("--kubeconfig");
  command
      ->add_option("-o", flags->format,
                   "table or json: {groups: [{name, pods}], cells: [{from, to, verdict, ports: [{protocol, "
                   "port, family, verdict: allowed|denied|audit, egress, ingress}]}]}")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft policy matrix: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
