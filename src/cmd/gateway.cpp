#include <fcntl.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <optional>
#include <set>
#include <thread>

#include "base/http/server.h"
#include "base/log.h"
#include "base/seccomp.h"
#include "cmd/commands.h"
#include "cmd/gateway_commands.h"
#include "gateway/clients.h"
#include "gateway/follower.h"
#include "gateway/presence.h"
#include "gateway/presence_engine.h"
#include "gateway/proxy/metrics.h"
#include "gateway/proxy/proxy.h"
#include "kube/client/client.h"

namespace weft::cmd {
namespace {

using gateway::Proxy;
using gateway::Snapshot;

struct Flags {
  std::string kubeconfig, node_name;
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::string access_log;
  std::string metrics_address = "127.0.0.1:10254";
  std::string handover;
  int drain_seconds = 30;
};

/// "-" is what the process prints to.
Expected<Fd> open_log(const std::string& path) {
  if (path.empty()) return Fd();
  Fd log(path == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                     : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!log) return fail_errno("--access-log " + path, errno);
  return log;
}

/// What cannot be used is told once, however many snapshots have it.
class Problems {
 public:
  void tell(const std::vector<Error>& errors) {
    std::vector<std::string> now;
    for (const auto& error : errors) now.push_back(error.message);
    for (const auto& message : now) {
      if (std::ranges::find(told_, message) == told_.end()) spdlog::error("{}", message);
    }
    told_ = std::move(now);
  }

 private:
  std::vector<std::string> told_;
};

/// The namespaces whose clients some port tells apart.
std::set<std::string> consumers_in(const Snapshot& snapshot) {
  std::set<std::string> out;
  for (const auto& port : snapshot.ports) {
    for (const auto& [name, listener] : port->consumers) out.insert(name);
  }
  return out;
}

http::Handler metrics_of(const Proxy& proxy) {
  return http::answer_with([&proxy](const http::Request& request) -> http::Answer {
    if (request.path != "/metrics")
      return {.status = 404, .headers = {}, .body = "not found: see /metrics\n"};
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
            .headers = {},
            .body = prometheus::TextSerializer().Serialize(metric_families(proxy.stats()))};
  });
}

/// Says that this node's proxy serves, as soon as it does; and at its end that it does not, so that others
/// get what comes from then on.
class Presence {
 public:
  Presence(kube::Client& client, const std::string& node) : client_(client) {
    if (!node.empty()) keeper_.emplace(client, gateway::kPresenceNamespace, node);
  }
  void begin() {
    if (keeper_ && !std::exchange(begun_, true)) keeper_->start();
  }
  void hand_over() {
    if (keeper_) keeper_->stop();
    begun_ = false;
  }
  /// Then stops the io_context, after kPatience at the latest.
  void end() {
    if (!begun_) return client_.io().stop();
    timer_.expires_after(kPatience);
    timer_.async_wait([this](auto error) {
      if (!error) client_.io().stop();
    });
    asio::co_spawn(client_.io(), keeper_->leave(), [this](const std::exception_ptr&, bool told) {
      timer_.expires_after(told ? kNewsTravels : std::chrono::milliseconds(0));
      timer_.async_wait([this](auto) { client_.io().stop(); });
    });
  }

 private:
  static constexpr std::chrono::milliseconds kPatience{1000};
  /// Until no node sends connections here any more.
  static constexpr std::chrono::milliseconds kNewsTravels{200};

  kube::Client& client_;
  std::optional<gateway::PresenceKeeper> keeper_;
  asio::steady_timer timer_{client_.io()};
  bool begun_ = false;
};

Expected<void> run(const Flags& flags) {
  WEFT_CHECK(give_up_system_calls());
  WEFT_TRY(auto config, kube::find_config(flags.kubeconfig));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  Presence presence(client, flags.node_name);

  gateway::ProxyOptions options;
  options.threads = flags.threads;
  WEFT_TRY(options.access_log, open_log(flags.access_log));
  options.handover = flags.handover;
  options.on_handed_over = [&io, &presence] {
    asio::post(io, [&io, &presence] {
      presence.hand_over();
      spdlog::info("another process has taken over");
      io.stop();
    });
  };
  WEFT_TRY(auto proxy, Proxy::start(std::move(options)));

  http::Server server(io);
  std::unique_ptr<http::Server::Listener> metrics;
  if (!flags.metrics_address.empty()) {
    auto address = http::Address::parse(flags.metrics_address);
    if (!address)
      return fail(ErrorCode::invalid,
                  "--metrics-bind-address " + flags.metrics_address + ": expected ADDRESS:PORT");
    WEFT_TRY(metrics, server.listen(*address, metrics_of(*proxy)));
  }

  Problems problems;
  const gateway::GatewayPlan* plan = nullptr;
  const gateway::ClientFollower* known = nullptr;
  auto apply = [&] {
    auto snapshot = std::make_shared<Snapshot>(plan->snapshot());
    snapshot->clients = known->clients();
    problems.tell(proxy->apply(std::move(snapshot)));
  };
  gateway::ClientFollower clients(client, apply);
  known = &clients;
  gateway::Follower follower(client, {.on_changes =
                                          [&](const gateway::PlanChanges& changes) {
                                            if (changes.snapshot) {
                                              clients.follow(consumers_in(plan->snapshot()));
                                              apply();
                                            }
                                            presence.begin();
                                          },
                                      .parents = false,
                                      .on_object = {}});
  plan = &follower.plan();
  follower.start();
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&presence](auto, int) { presence.end(); });
  io.run();
  proxy->drain(std::chrono::seconds(flags.drain_seconds));
  return {};
}

}  // namespace

void add_gateway_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* gateway = app.add_subcommand("gateway", "Serve Gateways and Ingresses: the proxy of a node");
  gateway->add_option("--kubeconfig", flags->kubeconfig,
                      "default: $KUBECONFIG, else the service account of the pod");
  gateway->add_option(
      "--node-name", flags->node_name,
      "of the Node object: keeps a Lease that says that its proxy serves. Of all proxies or none");
  gateway->add_option("--threads", flags->threads, "that forward; default: one a processor")
      ->check(CLI::Range(1, 256));
  gateway->add_option("--access-log", flags->access_log,
                      "a JSON line a request or stream goes here; -: what is printed");
  gateway->add_option("--metrics-bind-address", flags->metrics_address, "\"\": no metrics")
      ->capture_default_str();
  gateway->add_option("--handover", flags->handover,
                      "Unix socket by which the next process takes the listening sockets over");
  gateway->add_option("--drain-seconds", flags->drain_seconds, "how long connections may go on at the end")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  add_gateway_routes_command(*gateway, exit_code);
  gateway->callback([flags, gateway, &exit_code] {
    if (!gateway->get_subcommands().empty()) return;
    if (auto result = run(*flags); !result) {
      spdlog::error("{}", result.error().message);
      exit_code = 2;
    }
  });
}

}  // namespace weft::cmd
