#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kube/client/client.h"
#include "kube/meta.h"

namespace weft::kube {

/// "namespace/name", or "name" for cluster-scoped kinds.
std::string object_key(std::string_view ns, std::string_view name);
std::string object_key(const ObjectMeta& meta);

/// Keeps a copy of one collection equal to the server's: list, then watch from its resourceVersion with bookmarks; a
/// 410 or a broken watch lists again and reports only differences, so no consumer ever sees a gap or a flicker. Broken
/// connections are retried with exponential back-off and jitter (50 ms to 10 s). Every `audit_period` a list is compared with
/// the copy, against events lost on the way. The untyped base of Informer<T>; see informer.cpp.
class Reflector {
 public:
  struct Options {
    std::string namespace_;  ///< empty: all
    std::string label_selector;
    std::string field_selector;
    int audit_period_seconds = 600;
  };
  virtual ~Reflector() = default;

 protected:
  Reflector(Client& client, const ResourceInfo& resource, Options options);
  /// Runs until cancelled (asio cancellation) or the io_context stops.
  asio::awaitable<void> run_loop();
  /// Stores one object (undecodable ones are logged, counted and left out) or removes one.
  virtual void put(const json::value& object) = 0;
  virtual void erase(const std::string& key) = 0;
  virtual std::string version_of(const std::string& key) const = 0;  ///< resourceVersion held, "" if none
  virtual std::vector<std::string> keys() const = 0;
  virtual void on_list_complete() = 0;

 private:
  Client& client_;
  const ResourceInfo& resource_;
  Options options_;
};

/// A typed, indexed cache of one collection. All calls and callbacks happen on the client's io_context.
template <class T>
class Informer : public Reflector {
 public:
  using Ptr = std::shared_ptr<const T>;
  /// before == nullptr: added; after == nullptr: deleted. Both are set for an update.
  using Handler = std::function<void(const Ptr& before, const Ptr& after)>;
  using IndexFn = std::function<std::vector<std::string>(const T&)>;

  explicit Informer(Client& client, Options options = {});

  /// Register before `run`. Handlers run in the order they were registered, after the cache has changed.
  void on_change(Handler handler);
  /// Called once, when the first list is complete.
  void on_synced(std::function<void()> handler);
  /// An index: from the strings `fn` gives to the objects it gave them for.
  void add_index(const std::string& name, IndexFn fn);

  /// List and watch until cancelled: asio::co_spawn(io, informer.run(), asio::detached).
  asio::awaitable<void> run();

  bool synced() const;
  Ptr get(const std::string& key) const;
  const std::unordered_map<std::string, Ptr>& items() const;
  std::vector<Ptr> by_index(const std::string& name, const std::string& value) const;
};

}  // namespace weft::kube
