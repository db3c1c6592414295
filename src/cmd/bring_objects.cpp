#include "cmd/bring_objects.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "kube/node.h"
#include "standalone/manifests.h"

namespace weft::cmd {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Until each node is there and Ready.
asio::awaitable<void> wait_for_nodes(standalone::Cluster& cluster) {
  asio::steady_timer timer(cluster.client().io());
  for (const auto& node : cluster.layout().nodes) {
    while (!co_await cluster.client().get(kube::resource_of<kube::Node>(), "", node.name)) {
      timer.expires_after(5ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
  }
}

}  // namespace

asio::awaitable<Expected<void>> bring_objects(standalone::Cluster& cluster,
                                              const std::vector<kube::YamlDocument>& manifests,
                                              ProgressReport& report,
                                              std::optional<Clock::duration> patience) {
  co_await wait_for_nodes(cluster);
  auto nodes = cluster.layout().nodes.size();
  report.step(nodes == 1 ? "node is Ready" : fmt::format("{} nodes are Ready", nodes));
  if (manifests.empty()) co_return Expected<void>{};
  WEFT_CO_CHECK(co_await standalone::apply_manifests(cluster.client(), manifests, [](const std::string&) {}));
  report.step(fmt::format("applied {} objects", manifests.size()));
  asio::steady_timer timer(cluster.client().io());
  auto start = Clock::now();
  std::string last;
  while (true) {
    WEFT_CO_TRY(auto missing, co_await standalone::not_ready(cluster.client(), manifests));
    if (missing.empty()) break;
    auto what = fmt::format("{}", fmt::join(missing, "; "));
    if (patience && Clock::now() - start > *patience)
      co_return fail(ErrorCode::timeout, "not ready: " + what);
    if (what != last) spdlog::debug("waiting for {}", what);
    last = what;
    timer.expires_after(10ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  report.step("all pods are Ready");
  co_return Expected<void>{};
}

}  // namespace weft::cmd
