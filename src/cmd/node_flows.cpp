#include "cmd/node_flows.h"

#include <fmt/core.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "cmd/declared.h"
#include "cmd/node_page.h"
#include "observe/filter.h"
#include "observe/recent_flows.h"
#include "policy/recent.h"
#include "standalone/cluster_options.h"

namespace weft::cmd {
namespace {

uint64_t number(const json::value& value, const char* name) {
  const auto* found = kube::member(value, name);
  boost::system::error_code error;
  auto out = found ? found->to_number<uint64_t>(error) : 0;
  return error ? 0 : out;
}

}  // namespace

Expected<void> NodeFlows::read(std::vector<json::value>& out) {
  WEFT_CHECK(read_flows(out));
  return read_decisions(out);
}

Expected<json::value> NodeFlows::page(const std::string& path) {
  WEFT_TRY(auto body, agent_page(cluster_, node_, path));
  boost::system::error_code error;
  auto value = json::parse(body, error);
  if (error || !value.is_object()) return fail(ErrorCode::invalid, path + ": its answer is no JSON object");
  return value;
}

Expected<void> NodeFlows::read_flows(std::vector<json::value>& out) {
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
Expected<void> NodeFlows::read_decisions(std::vector<json::value>& out) {
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

void NodeFlows::keep(json::value flow, std::vector<json::value>& out) const {
  if (!flow.is_object()) return;
  flow.get_object()["node"] = node_;
  out.push_back(std::move(flow));
}

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

std::string time_of(const json::value& flow) { return std::string(kube::string_at(flow, "time")); }

}  // namespace weft::cmd
