#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kube/client/client.h"

/// The two sides of presence.h at an API server.
namespace weft::gateway {

/// Of a proxy: says that it serves, and goes on to. On the client's io_context.
class PresenceKeeper {
 public:
  /// `client` must outlive the io_context's run.
  PresenceKeeper(kube::Client& client, std::string ns, std::string node);
  ~PresenceKeeper();
  PresenceKeeper(const PresenceKeeper&) = delete;
  PresenceKeeper& operator=(const PresenceKeeper&) = delete;

  /// Call once, when the proxy serves. What fails is told once and tried again.
  void start();
  /// Says no more; another process has taken over and says it in our place.
  void stop();
  /// Takes it back. True: everybody has been told, and may be waited for.
  asio::awaitable<bool> leave();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// Of the controller: knows which nodes' proxies serve. On the client's io_context.
class PresenceWatch {
 public:
  struct Options {
    std::function<void()> on_synced;  ///< once
    std::function<void()> on_change;  ///< serves() may say something else of some node
  };

  PresenceWatch(kube::Client& client, std::string ns, Options options);
  ~PresenceWatch();
  PresenceWatch(const PresenceWatch&) = delete;
  PresenceWatch& operator=(const PresenceWatch&) = delete;

  void start();
  /// No callback is made any more.
  void stop();
  bool serves(const std::string& node) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::gateway
