#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <map>

#include "cmd/commands.h"
#include "kube/client/client.h"
#include "kube/node.h"
#include "service/compare.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

using service::Way;

struct Flags {
  std::string service, ns, cluster = "weft", kubeconfig, node, bpf_dir, format;
  bool json() const { return format == "json"; }
};

/// What the API says.
struct Declared {
  std::vector<kube::Node> nodes;
  std::vector<std::shared_ptr<const kube::Service>> services;
  std::map<std::string, std::vector<service::SlicePtr>> slices;  ///< by Service
};

/// What one node has of it.
struct NodeWays {
  std::string node;
  std::vector<Way> ways;
};

template <class T>
asio::awaitable<Expected<std::vector<T>>> all(kube::Client& client) {
  WEFT_CO_TRY(auto list, co_await client.list(kube::resource_of<T>(), ""));
  std::vector<T> out;
  const auto* items = kube::member(list, "items");
  if (!items || !items->is_array()) co_return out;
  for (const auto& item : items->get_array()) {
    WEFT_CO_TRY(auto object, kube::decode<T>(item));
    out.push_back(std::move(object));
  }
  co_return out;
}

asio::awaitable<Expected<Declared>> read_declared(kube::Client& client, const Flags& flags) {
  Declared out;
  WEFT_CO_TRY(out.nodes, co_await all<kube::Node>(client));
  WEFT_CO_TRY(auto services, co_await all<kube::Service>(client));
  for (auto& object : services) out.services.push_back(std::make_shared<kube::Service>(std::move(object)));
  WEFT_CO_TRY(auto slices, co_await all<kube::EndpointSlice>(client));
  for (auto& slice : slices)
    out.slices[service::service_of(slice)].push_back(std::make_shared<kube::EndpointSlice>(std::move(slice)));
  if (!flags.node.empty())
    std::erase_if(out.nodes, [&](const auto& node) { return node.metadata.name != flags.node; });
  if (out.nodes.empty())
    co_return fail(ErrorCode::not_found, "no node " + flags.node + ": see kubectl get nodes");
  co_return out;
}

service::NodeFacts facts_of(const kube::Node& node) {
  service::NodeFacts facts{.name = node.metadata.name};
  auto zone = node.metadata.labels.find("topology.kubernetes.io/zone");
  if (zone != node.metadata.labels.end()) facts.zone = zone->second;
  for (const auto& address : node.status.addresses) {
    if (address.type != "InternalIP") continue;
    if (auto ip = IpAddr::parse(address.address)) facts.addresses.push_back(*ip);
  }
  return facts;
}

bool is_asked_for(const Way& way, const Flags& flags) {
  if (flags.service.empty() && flags.ns.empty()) return true;
  auto slash = way.service.find('/');
  if (slash == std::string::npos) return false;
  return (flags.ns.empty() || way.service.substr(0, slash) == flags.ns) &&
         (flags.service.empty() || way.service.substr(slash + 1) == flags.service);
}

Expected<NodeWays> look_at(const Declared& declared, const kube::Node& node, const Flags& flags) {
  auto dir = flags.bpf_dir.empty()
                 ? fmt::format("{}/{}/bpf/{}", standalone::kRunRoot, flags.cluster, node.metadata.name)
                 : flags.bpf_dir;
  WEFT_TRY(auto kernel, service::dump_frontends(dir));
  auto facts = facts_of(node);
  std::vector<service::NamedPlan> plans;
  for (const auto& object : declared.services) {
    auto slices = declared.slices.find(object->metadata.namespace_ + "/" + object->metadata.name);
    static const std::vector<service::SlicePtr> kNone;
    plans.push_back(
        {object.get(),
         service::plan_service(*object, slices == declared.slices.end() ? kNone : slices->second, facts)});
  }
  NodeWays out{.node = node.metadata.name, .ways = service::compare(plans, kernel)};
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
  asio::co_spawn(io, read_declared(client, flags),
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
