#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <random>

#include "base/log.h"
#include "cmd/commands.h"
#include "endpoints/controller.h"
#include "kube/client/client.h"
#include "kube/client/lease.h"

namespace weft::cmd {
namespace {

using asio::awaitable;

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

/// Waits for the lease, works, and ends the process when the lease is lost: whatever is under way then must
/// not go on.
awaitable<void> lead(kube::LeaderElection& election, endpoints::Controller& controller, bool& leading,
                     int& exit_code) {
  co_await election.acquire();
  leading = true;
  controller.start();
  auto why = co_await election.hold();
  leading = false;
  spdlog::error("no longer the leader: {}", why.message);
  exit_code = 2;
}

Expected<void> run(const Flags& flags, int& exit_code) {
  WEFT_TRY(auto config, kube::find_config(flags.kubeconfig));
  asio::io_context io(1);
  kube::Client client(io, std::move(config));
  kube::LeaderElection election(
      client, {.namespace_ = flags.lease_namespace, .name = "weft-controller", .identity = identity()});
  endpoints::Controller controller(client);
  bool leading = false;

  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](auto error, int) {
    if (!error) io.stop();
  });
  if (flags.no_leader_election) {
    controller.start();
  } else {
    asio::co_spawn(io, lead(election, controller, leading, exit_code),
                   [&](std::exception_ptr) { io.stop(); });
  }
  io.run();
  if (!leading) return {};
  // Nothing of ours runs any more but this: the next leader need not wait.
  bool done = false;
  io.restart();
  asio::co_spawn(io, election.release(), [&](std::exception_ptr) {
    done = true;
    io.stop();
  });
  io.run_for(std::chrono::seconds(2));
  if (!done) spdlog::warn("the lease could not be given back in time");
  return {};
}

}  // namespace

void add_controller_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* controller = app.add_subcommand("controller", "Keep the EndpointSlices of Services; one leads");
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
