#include "cmd/trace_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "kube/client/client.h"
#include "kube/registry.h"
#include "standalone/cluster_options.h"
#include "standalone/offline.h"

namespace weft::cmd {
namespace {

/// What a trace reads; of kinds that are not served a cluster has none.
constexpr std::array kKinds = {"ConfigMap",
                               "EndpointSlice",
                               "Namespace",
                               "Node",
                               "Pod",
                               "Secret",
                               "Service",
                               "DaemonSet",
                               "Deployment",
                               "ReplicaSet",
                               "StatefulSet",
                               "Job",
                               "Ingress",
                               "IngressClass",
                               "NetworkPolicy",
                               "AddressPool",
                               "ClusterNetworkPolicy",
                               "Gateway",
                               "GatewayClass",
                               "GRPCRoute",
                               "HTTPRoute",
                               "ListenerSet",
                               "TCPRoute",
                               "ReferenceGrant",
                               "TLSRoute",
                               "BackendTLSPolicy",
                               "UDPRoute"};

/// Proxies read Secrets of TLS alone.
std::string query_for(const kube::ResourceInfo& kind) {
  return kind.kind == "Secret" ? "fieldSelector=type%3Dkubernetes.io%2Ftls" : "";
}

asio::awaitable<Expected<void>> list_kind(kube::Client& client, const kube::ResourceInfo& kind,
                                          TraceObjects& out) {
  auto list = co_await client.list(kind, "", query_for(kind));
  if (!list && list.error().code == ErrorCode::not_found) co_return Expected<void>{};
  if (!list && list.error().code == ErrorCode::forbidden) {
    out.notes.push_back(fmt::format("{} could not be read ({}): taken as if there were none", kind.plural,
                                    list.error().message));
    co_return Expected<void>{};
  }
  if (!list) co_return std::unexpected(list.error());
  auto* items = list->is_object() ? list->get_object().if_contains("items") : nullptr;
  if (!items || !items->is_array()) co_return Expected<void>{};
  for (auto& item : items->get_array()) {
    if (!item.is_object()) continue;
    item.get_object()["apiVersion"] = kind.api_version();
    item.get_object()["kind"] = kind.kind;
    out.documents.push_back({.value = std::move(item), .file = {}, .line = 0, .lines = {}});
  }
  co_return Expected<void>{};
}

asio::awaitable<Expected<TraceObjects>> list_cluster(kube::Client& client) {
  TraceObjects out;
  out.machinery.observed = true;
  for (const auto& kind : kube::builtin_kinds()) {
    if (std::ranges::find(kKinds, kind.resource.kind) == kKinds.end()) continue;
    WEFT_CO_CHECK(co_await list_kind(client, kind.resource, out));
  }
  co_return out;
}

Expected<TraceObjects> read_cluster(const TraceSource& source) {
  auto path = source.kubeconfig;
  if (path.empty()) path = fmt::format("{}/{}/admin.kubeconfig", standalone::kRunRoot, source.cluster);
  WEFT_TRY(auto config, kube::find_config(path));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  Expected<TraceObjects> out = fail(ErrorCode::internal, "not asked");
  asio::co_spawn(io, list_cluster(client),
                 [&](const std::exception_ptr& thrown, Expected<TraceObjects> result) {
                   if (thrown) std::rethrow_exception(thrown);
                   out = std::move(result);
                   io.stop();
                 });
  io.run();
  return out;
}

}  // namespace

Expected<TraceObjects> read_objects(const TraceSource& source) {
  if (source.files.empty()) return read_cluster(source);
  TraceObjects out;
  for (const auto& file : source.files) {
    WEFT_TRY(auto more, kube::load_manifests(file));
    std::ranges::move(more, std::back_inserter(out.documents));
  }
  out.machinery = standalone::offline_cluster(out.documents);
  return out;
}

}  // namespace weft::cmd
