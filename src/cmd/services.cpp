#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "cmd/commands.h"
#include "cmd/declared.h"
#include "kube/client/client.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

using service::Way;

struct Flags {
  std::string service, ns, cluster = "weft", kubeconfig, node, bpf_dir, format;
  bool json() const { return format == "json"; }
};

/// What one node has of it.
struct NodeWays {
  std::string node;
  std::vector<Way> ways;
};

asio::awaitable<Expected<Declared>> read_nodes(kube::Client& client, const Flags& flags) {
  WEFT_CO_TRY(auto out, co_await read_declared(client));
  if (!flags.node.empty())
    std::erase_if(out.nodes, [&](const auto& node) { return node.metadata.name != flags.node; });
  if (out.nodes.empty())
    co_return fail(ErrorCode::not_found, "no node " + flags.node + ": see kubectl get nodes");
  co_return out;
}

bool is_asked_for(const Way& way, const Flags& flags) {
  if (flags.service.empty() && flags.ns.empty()) return true;
  auto slash = way.service.find('/');
  if (slash == std::string::npos) return false;
  return (flags.ns.empty() || way.service.substr(0, slash) == flags.ns) &&
         (flags.service.empty() || way.service.substr(slash + 1) == flags.service);
}

Expected<NodeWays> look_at(const Declared& declared, const kube::Node& node, const Flags& flags) {
  auto dir = flags.bpf_dir.empty() ? bpf_dir_of(flags.cluster, node.metadata.name) : flags.bpf_dir;
  NodeWays out{.node = node.metadata.name, .ways = {}};
  WEFT_TRY(out.ways, compare_node(declared, node, dir));
  std::erase_if(out.ways, [&](const Way& way) { return !is_asked_for(way, flags); });
  return out;
}

json::object to_json(const Way& way) {
  return {{"service", way.service},
          {"kind", service::name_of(way.kind)},
          {"address", way.addr.str()},
          {"port", way.port},
          {"protocol", service::name_of(way.protocol)},
          {"why", way.why},
          {"backends", json::value_from(way.backends)},
          {"edgeBackends", json::value_from(way.edge_backends)},
          {"difference", way.difference}};
}

void print_json(const std::vector<NodeWays>& nodes) {
  json::array out;
  for (const auto& [node, ways] : nodes) {
    json::array list;
    for (const auto& way : ways) list.push_back(to_json(way));
    out.push_back(json::object{{"node", node}, {"frontends", std::move(list)}});
  }
  fmt::print("{}\n", json::serialize(out));
}

void print_table(const std::vector<NodeWays>& nodes, bool wide) {
  fmt::print("{:<10} {:<28} {:<13} {:<44} {:<10} {}\n", "NODE", "SERVICE", "KIND", "ADDRESS", "BACKENDS",
             "KERNEL");
  for (const auto& [node, ways] : nodes) {
    for (const auto& way : ways) {
      auto address = fmt::format("{} {}/{}", way.addr.str(), way.port, service::name_of(way.protocol));
      fmt::print("{:<10} {:<28} {:<13} {:<44} {:<10} {}\n", node, way.service.empty() ? "-" : way.service,
                 service::name_of(way.kind), address, way.backends.size(),
                 way.difference.empty() ? "same" : "DIFFERS: " + way.difference);
      if (!wide) continue;
      fmt::print("{:<10}   {}: {}\n", "", way.why, fmt::join(way.backends, ", "));
      if (way.edge_backends != way.backends)
        fmt::print("{:<10}   from elsewhere: {}\n", "", fmt::join(way.edge_backends, ", "));
    }
  }
}

Expected<int> run(const Flags& flags) {
  auto path = flags.kubeconfig;
  if (path.empty() && flags.bpf_dir.empty())
    path = fmt::format("{}/{}/admin.kubeconfig", standalone::kRunRoot, flags.cluster);
  WEFT_TRY(auto config, kube::find_config(path));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  Expected<Declared> declared = fail(ErrorCode::internal, "not asked");
  asio::co_spawn(io, read_nodes(client, flags),
                 [&](const std::exception_ptr& thrown, Expected<Declared> result) {
                   if (thrown) std::rethrow_exception(thrown);
                   declared = std::move(result);
                   io.stop();
                 });
  io.run();
  if (!declared) return std::unexpected(declared.error());
  std::vector<NodeWays> nodes;
  bool same = true;
  for (const auto& node : declared->nodes) {
    WEFT_TRY(auto ways, look_at(*declared, node, flags));
    for (const auto& way : ways.ways) same = same && way.difference.empty();
    nodes.push_back(std::move(ways));
  }
  if (!flags.service.empty() && std::ranges::all_of(nodes, [](const NodeWays& n) { return n.ways.empty(); }))
    return fail(ErrorCode::not_found, fmt::format("no Service {} with an address", flags.service));
  flags.json() ? print_json(nodes) : print_table(nodes, flags.format == "wide");
  return same ? 0 : 1;
}

}  // namespace

void add_services_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "services",
      "What nodes' kernels have for Services, beside what the API asks for; exit 1 when they differ");
  command->add_option("service", flags->service, "only this one");
  command->add_option("-n,--namespace", flags->ns, "only its Services");
  command->add_option("--name", flags->cluster, "of the cluster that weft up made")->capture_default_str();
  command->add_option("--node", flags->node, "only this one");
  command->add_option("--kubeconfig", flags->kubeconfig, "default: that cluster's");
  command->add_option("--bpf-dir", flags->bpf_dir, "of the agent on a real node; name the node too")
      ->needs(command->get_option("--node"));
  command->add_option("-o", flags->format, "wide or json")->check(CLI::IsMember({"wide", "json"}));
  command->callback([flags, &exit_code] {
    auto result = run(*flags);
    if (!result) fmt::print(stderr, "weft services: {}\n", result.error().message);
    exit_code = result.value_or(2);
  });
}

}  // namespace weft::cmd
