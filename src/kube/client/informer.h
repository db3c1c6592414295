#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kube/client/client.h"
#include "kube/meta.h"

namespace weft::kube {

/// "namespace/name", or "name" for cluster-scoped kinds.
std::string object_key(std::string_view ns, std::string_view name);
std::string object_key(const ObjectMeta& meta);

/// Keeps a copy of one collection equal to the server's: list, then watch from its resourceVersion with
/// bookmarks. A 410 or a broken watch lists again and reports only differences, so no consumer ever sees a
/// gap or a flicker; an object that was deleted and made again meanwhile is one update, with another uid.
/// Broken connections are retried with exponential back-off and jitter (50 ms to 10 s). Once in half to all
/// of `audit_period_seconds` the watch ends and a list is compared with the copy, a page at a time, against
/// events lost on the way. The untyped base of Informer<T>.
class Reflector {
 public:
  struct Options {
    std::string namespace_;  ///< empty: all
    std::string label_selector;
    std::string field_selector;
    int audit_period_seconds = 600;
    /// A custom kind that the cluster may not serve (yet): until it does, quietly try again each 2 s.
    bool may_be_absent = false;
  };
  virtual ~Reflector() = default;
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

 protected:
  Reflector(Client& client, const ResourceInfo& resource, Options options);
  /// Runs until cancelled (asio cancellation) or the io_context stops.
  asio::awaitable<void> run_loop();
  /// Stores one object (undecodable ones are logged and left out) or removes one.
  virtual void put(const json::value& object) = 0;
  virtual void erase(const std::string& key) = 0;
  virtual std::string version_of(const std::string& key) const = 0;  ///< resourceVersion held, "" if none
  virtual std::vector<std::string> keys() const = 0;
  virtual void on_list_complete() = 0;
  /// Of a kind that may be absent: the cluster does not serve it.
  virtual void on_absent() = 0;
  void log_undecodable(const json::value& object, const Error& error) const;

 private:
  asio::awaitable<Expected<void>> list();
  asio::awaitable<Expected<void>> watch();
  std::string query(bool watching) const;

  Client& client_;
  const ResourceInfo& resource_;
  Options options_;
  std::string version_;  ///< to watch from; "": list first
};

/// A typed, indexed cache of one collection. All calls and callbacks happen on the client's io_context.
template <class T>
class Informer : public Reflector {
 public:
  using Ptr = std::shared_ptr<const T>;
  /// before == nullptr: added; after == nullptr: deleted. Both are set for an update.
  using Handler = std::function<void(const Ptr& before, const Ptr& after)>;
  using IndexFn = std::function<std::vector<std::string>(const T&)>;

  explicit Informer(Client& client, Options options = {})
      : Reflector(client, resource_of<T>(), std::move(options)) {}

  /// Register before `run`. Handlers run in the order they were registered, after the cache has changed.
  void on_change(Handler handler) { handlers_.push_back(std::move(handler)); }
  /// Called once, when the first list is complete.
  void on_synced(std::function<void()> handler) { synced_handlers_.push_back(std::move(handler)); }
  /// Called at most once, when the cluster turns out not to serve a kind that may be absent; it may later.
  void on_not_served(std::function<void()> handler) { absent_handlers_.push_back(std::move(handler)); }
  /// An index: from the strings `fn` gives to the objects it gave them for.
  void add_index(const std::string& name, IndexFn fn) { indexes_[name].fn = std::move(fn); }

  /// List and watch until cancelled: asio::co_spawn(io, informer.run(), asio::detached).
  asio::awaitable<void> run() { return run_loop(); }

  bool synced() const { return synced_; }
  /// nullptr when there is none.
  Ptr get(const std::string& key) const {
    auto it = items_.find(key);
    return it == items_.end() ? nullptr : it->second;
  }
  const std::unordered_map<std::string, Ptr>& items() const { return items_; }
  std::vector<Ptr> by_index(const std::string& name, const std::string& value) const {
    std::vector<Ptr> out;
    auto index = indexes_.find(name);
    if (index == indexes_.end()) return out;
    auto found = index->second.keys.find(value);
    if (found == index->second.keys.end()) return out;
    for (const auto& key : found->second) out.push_back(items_.at(key));
    return out;
  }
  /// How many `by_index` would give.
  size_t count_by_index(const std::string& name, const std::string& value) const {
    auto index = indexes_.find(name);
    if (index == indexes_.end()) return 0;
    auto found = index->second.keys.find(value);
    return found == index->second.keys.end() ? 0 : found->second.size();
  }

 private:
  struct Index {
    IndexFn fn;
    std::unordered_map<std::string, std::set<std::string>> keys;
  };

  void put(const json::value& object) override {
    auto decoded = decode<T>(object);
    if (!decoded) return log_undecodable(object, decoded.error());
    replace(object_key(decoded->metadata), std::make_shared<const T>(std::move(*decoded)));
  }
  void erase(const std::string& key) override { replace(key, nullptr); }

  void replace(const std::string& key, const Ptr& after) {
    Ptr before = get(key);
    if (!before && !after) return;
    for (auto& [name, index] : indexes_) {
      if (before) drop(index, *before, key);
      if (after) {
        for (auto& value : index.fn(*after)) index.keys[value].insert(key);
      }
    }
    if (after) {
      items_[key] = after;
    } else {
      items_.erase(key);
    }
    for (const auto& handler : handlers_) handler(before, after);
  }

  static void drop(Index& index, const T& object, const std::string& key) {
    for (const auto& value : index.fn(object)) {
      auto it = index.keys.find(value);
      if (it == index.keys.end()) continue;
      it->second.erase(key);
      if (it->second.empty()) index.keys.erase(it);
    }
  }

  std::string version_of(const std::string& key) const override {
    auto object = get(key);
    return object ? object->metadata.resourceVersion : std::string();
  }
  std::vector<std::string> keys() const override {
    std::vector<std::string> out;
    out.reserve(items_.size());
    for (const auto& [key, object] : items_) out.push_back(key);
    return out;
  }
  void on_list_complete() override {
    if (std::exchange(synced_, true)) return;
    for (const auto& handler : synced_handlers_) handler();
  }
  void on_absent() override {
    for (const auto& handler : std::exchange(absent_handlers_, {})) handler();
  }

  std::unordered_map<std::string, Ptr> items_;
  std::map<std::string, Index> indexes_;
  std::vector<Handler> handlers_;
  std::vector<std::function<void()>> synced_handlers_, absent_handlers_;
  bool synced_ = false;
};

}  // namespace weft::kube
