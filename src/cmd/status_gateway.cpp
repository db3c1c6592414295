#include "cmd/status_gateway.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "cmd/declared.h"
#include "gateway/names.h"
#include "gateway/presence.h"
#include "kube/client/informer.h"
#include "kube/config.h"
#include "kube/gateway.h"
#include "kube/time.h"

namespace weft::cmd {
namespace {

using asio::awaitable;

template <class T>
awaitable<Expected<std::vector<T>>> list_if_served(kube::Client& client) {
  auto all = co_await list_all<T>(client);
  if (!all && all.error().code == ErrorCode::not_found) co_return std::vector<T>();
  co_return all;
}

void count(const kube::Gateway& gateway, GatewayCount& out) {
  ++out.all;
  const auto& conditions = gateway.status.conditions;
  auto programmed = std::ranges::find(conditions, "Programmed", &kube::Condition::type);
  if (programmed != conditions.end() && programmed->status == "True") {
    ++out.programmed;
    return;
  }
  auto why = programmed == conditions.end() ? std::string("the controller has said nothing of it")
                                            : fmt::format("{}: {}", programmed->reason, programmed->message);
  out.problems.push_back(
      fmt::format("Gateway {}: not programmed: {}", kube::object_key(gateway.metadata), why));
}

std::string problem_of(const kube::Lease& lease) {
  auto renewed = kube::parse_time(lease.spec.renewTime.value_or(""));
  if (!renewed) return "its Lease was never renewed";
  auto since = kube::now_point() - *renewed;
  if (since <= std::chrono::seconds(lease.spec.leaseDurationSeconds.value_or(0))) return "";
  return fmt::format("it has not renewed the Lease {} for {} s", kube::object_key(lease.metadata),
                     std::chrono::duration_cast<std::chrono::seconds>(since).count());
}

}  // namespace

awaitable<Expected<GatewayCount>> read_gateways(kube::Client& client) {
  WEFT_CO_TRY(auto classes, co_await list_if_served<kube::GatewayClass>(client));
  std::set<std::string> ours;
  for (const auto& one : classes) {
    if (one.spec.controllerName == gateway::kController) ours.insert(one.metadata.name);
  }
  WEFT_CO_TRY(auto gateways, co_await list_if_served<kube::Gateway>(client));
  GatewayCount out;
  for (const auto& one : gateways) {
    if (ours.contains(one.spec.gatewayClassName)) count(one, out);
  }
  co_return out;
}

awaitable<Expected<std::map<std::string, std::string>>> read_proxies(kube::Client& client) {
  WEFT_CO_TRY(auto leases, co_await list_all<kube::Lease>(client));
  std::map<std::string, std::string> out;
  for (const auto& lease : leases) {
    auto node = gateway::node_of(lease);
    if (node && lease.metadata.namespace_ == gateway::kPresenceNamespace) out[*node] = problem_of(lease);
  }
  co_return out;
}

}  // namespace weft::cmd
