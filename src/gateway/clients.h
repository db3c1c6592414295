#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "gateway/config/config.h"
#include "kube/client/client.h"

namespace weft::gateway {

/// Which namespace a client is of: follows the pods of those namespaces that routes tell apart, and no
/// others. Pods on their host's network have no address of their own and are not among them. On the client's
/// io_context.
class ClientFollower {
 public:
  /// `on_change`: clients() is another. `client` must outlive the io_context's run.
  ClientFollower(kube::Client& client, std::function<void()> on_change);
  ~ClientFollower();
  ClientFollower(const ClientFollower&) = delete;
  ClientFollower& operator=(const ClientFollower&) = delete;

  /// From now on these namespaces.
  void follow(const std::set<std::string>& namespaces);
  const std::shared_ptr<const ClientNamespaces>& clients() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::gateway
