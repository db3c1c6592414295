#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "kube/node.h"
#include "kube/time.h"

namespace weft::service {

/// A moment by both clocks: one that only goes forward, and the one people read.
struct Moment {
  std::chrono::steady_clock::time_point steady;
  kube::TimePoint wall;
  static Moment now();
};

/// Whether a node's Service proxy does its work, by kube-proxy's rules: it is unhealthy until its first
/// synchronization is done, and when a change has waited for the kernel for a minute. Pure; moments are
/// given.
class ProxyHealth {
 public:
  /// As kube-proxy: twice its sync period.
  static constexpr std::chrono::seconds kOverdue{60};

  /// There is something to program from now on, unless there was already.
  void pending(const Moment& now);
  /// All that was asked for until now is in the kernel.
  void programmed(const Moment& now);
  /// The Node that this proxy runs on; nullptr: it was deleted.
  void node_changed(const kube::Node* node);

  bool healthy(const Moment& now) const;

  /// What /healthz answers: the state of the proxy and the node's.
  struct Answer {
    bool ok = false;
    std::string body;  ///< kube-proxy's JSON
  };
  Answer healthz(const Moment& now) const;
  /// What /livez answers: the state of the proxy alone.
  Answer livez(const Moment& now) const;

 private:
  kube::TimePoint last_updated(const Moment& now) const;
  std::optional<std::chrono::steady_clock::time_point> pending_since_;
  std::optional<kube::TimePoint> programmed_;
  bool eligible_ = true;  ///< load balancers may send here: the node is not on its way out
};

}  // namespace weft::service
