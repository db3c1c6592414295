#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <random>

#include "base/log.h"
#include "base/seccomp.h"
#include "cmd/commands.h"
#include "endpoints/controller.h"
#include "endpoints/mirror_controller.h"
#include "gateway/infrastructure_controller.h"
#include "gateway/status_controller.h"
#include "kube/client/client.h"
#include "kube/client/lease.h"
#include "policy/warning_controller.h"
#include "service/pool_controller.h"

namespace weft::cmd {
namespace {

using asio::awaitable;

/// How long the end of the process may take.
constexpr std::chrono::seconds kPatience{2};

struct Flags {
  std::string kubeconfig;
  bool no_leader_election = false;
  std::string lease_namespace = "kube-system";
};

/// "host_0123456789abcdef": another at each start, so that a restarted process does not take itself for the
/// leader.
std::string identity() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  std::random_device random;
  return fmt::format("{}_{:08x}{:08x}", host, random(), random());
}

/// All that the leader keeps.
struct Controllers {
  explicit Controllers(kube::Client& client)
      : slices(client),
        mirrored(client),
        pools(client),
        policies(client),
        entrances(client),
        gateways(client, {.on_entrance =
                              [this](const std::string& gateway, const gateway::Entrance* entrance) {
                                if (entrance) return entrances.want(*entrance);
                                entrances.unwant(gateway);
                              },
                          .on_complete = [this] { entrances.complete(); }}) {}
  void start() {
    slices.start();
    mirrored.start();
    pools.start();
    policies.start();
    entrances.start();
    gateways.start();
  }
  void stop() {
    slices.stop();
    mirrored.stop();
    pools.stop();
    policies.stop();
    gateways.stop();
    entrances.stop();
  }
  bool idle() const {
    return slices.idle() && mirrored.idle() && pools.idle() && entrances.idle() && gateways.idle();
  }

  endpoints::Controller slices;
  endpoints::MirrorController mirrored;
  service::PoolController pools;
  policy::WarningController policies;
  gateway::InfrastructureController entrances;
  gateway::StatusController gateways;
};

/// Waits for the lease, works, and returns when the lease is lost.
awaitable<void> lead(kube::LeaderElection& election, Controllers& controllers, bool& leading) {
  co_await election.acquire();
  leading = true;
  controllers.start();
  auto why = co_await election.hold();
  leading = false;
  spdlog::error("no longer the leader: {}", why.message);
}

/// Ends in good order: first the work, then the lease, so that the next leader need not wait for it.
awaitable<void> shut_down(asio::io_context& io, kube::LeaderElection& election, Controllers& controllers,
                          const bool& leading) {
  controllers.stop();
  asio::steady_timer timer(io);
  while (!controllers.idle()) {
    timer.expires_after(std::chrono::milliseconds(5));
    co_await timer.async_wait(asio::use_awaitable);
  }
  if (leading) co_await election.release();
}

Expected<void> run(const Flags& flags, int& exit_code) {
  WEFT_CHECK(give_up_system_calls());
  WEFT_TRY(auto config, kube::find_config(flags.kubeconfig));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  kube::LeaderElection election(
      client, {.namespace_ = flags.lease_namespace, .name = "weft-controller", .identity = identity()});
  Controllers controllers(client);
  bool leading = false;

  asio::signal_set signals(io, SIGINT, SIGTERM);
  asio::steady_timer patience(io);
  signals.async_wait([&](auto error, int) {
    if (error) return;
    patience.expires_after(kPatience);
    patience.async_wait([&io](auto) { io.stop(); });
    asio::co_spawn(io, shut_down(io, election, controllers, leading),
                   [&io](const std::exception_ptr&) { io.stop(); });
  });
  if (flags.no_leader_election) {
    controllers.start();
  } else {
    // Whoever has lost the lease must not finish what he is at: the process ends as it stands.
    asio::co_spawn(io, lead(election, controllers, leading), [&](const std::exception_ptr&) {
      exit_code = 2;
      io.stop();
    });
  }
  io.run();
  return {};
}

}  // namespace

void add_controller_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* controller = app.add_subcommand("controller",
                                            "Keep Services' EndpointSlices and load balancer addresses, "
                                            "Gateways' ways in and statuses, and tell of policies that "
                                            "cannot be enforced; one leads");
  controller->add_option("--kubeconfig", flags->kubeconfig,
                         "default: $KUBECONFIG, else the service account of the pod");
  controller->add_flag("--no-leader-election", flags->no_leader_election,
                       "act at once: there is only one of us");
  controller->add_option("--lease-namespace", flags->lease_namespace, "where the Lease weft-controller is")
      ->capture_default_str();
  controller->callback([flags, &exit_code] {
    if (auto result = run(*flags, exit_code); !result) {
      spdlog::error("{}", result.error().message);
      exit_code = 2;
    }
  });
}

}  // namespace weft::cmd
