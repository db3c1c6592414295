#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "gateway/plan.h"
#include "kube/client/client.h"

namespace weft::gateway {

/// Follows all kinds of Gateway API and Ingress (those that the cluster serves), and what they refer to, and
/// keeps a plan of them. On the client's io_context.
class Follower {
 public:
  struct Options {
    /// Changes that come within this time are worked out at once.
    std::chrono::milliseconds settle{2};
    /// After the plan has changed. The first time when all lists are complete, whatever is in them.
    std::function<void(const PlanChanges&)> on_changes;
    /// As GatewayPlan's.
    bool parents = true;
    /// An object with a status is there or another: "HTTPRoute" and its key. Only of synced lists.
    std::function<void(const ObjectName&)> on_object;
  };

  /// `client` must outlive the io_context's run.
  Follower(kube::Client& client, Options options);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  void start();
  /// No callback is made any more.
  void stop();
  bool synced() const;
  const GatewayPlan& plan() const;
  /// The newest known; nullptr: there is none.
  template <class T>
  Ptr<T> get(const std::string& key) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::gateway
