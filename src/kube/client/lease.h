#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "kube/client/client.h"
#include "kube/config.h"

namespace weft::kube {

/// Leader election on a coordination.k8s.io/v1 Lease, by the rules of client-go: a lease that has not changed
/// for its duration, by the watcher's own clock, is free. Clocks need not agree, only run at like speed.
class LeaderElection {
 public:
  struct Options {
    std::string namespace_ = "kube-system";
    std::string name;
    std::string identity;  ///< unique among the candidates
    std::chrono::milliseconds duration{
        15'000};  ///< others wait so long for a leader that is silent (whole seconds)
    std::chrono::milliseconds renew_deadline{10'000};  ///< a leader that cannot renew for so long gives up
    std::chrono::milliseconds retry{2'000};            ///< between two attempts
  };

  LeaderElection(Client& client, Options options);

  /// Returns when we are the leader; tries for ever.
  asio::awaitable<void> acquire();
  /// Renews until that has failed for `renew_deadline` or another holds the lease; says why. Call after
  /// `acquire`. Whoever leads must then stop all work at once.
  asio::awaitable<Error> hold();
  /// Gives the lease up, so that the next one need not wait. Call when the work has stopped.
  asio::awaitable<void> release();

 private:
  asio::awaitable<Expected<void>> try_once();
  asio::awaitable<Expected<void>> write(Lease lease, bool exists);
  asio::awaitable<void> pause();

  Client& client_;
  Options options_;
  std::optional<Lease> observed_;
  std::chrono::steady_clock::time_point observed_at_{};
};

}  // namespace weft::kube
