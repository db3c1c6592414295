#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <list>
#include <map>
#include <random>

#include "kube/client/testing/scripted_server.h"
#include "kube/json.h"

namespace weft::kube::test {

/// For tests: a small API server in memory, for controllers. It keeps objects by path and knows get, list,
/// create (generateName), update (also of the status alone) with optimistic locking, merge patch, apply
/// (which creates, and else merges), delete with a uid precondition and watch with a resourceVersion and a
/// label selector "k=v"; and it can be made to misbehave as servers do.
class MemoryApi {
 public:
  explicit MemoryApi(Fixture& fixture);

  /// Puts an object on the shelf, or a new version of it; `path` is that of its collection
  /// ("/api/v1/namespaces/a/pods"). For what other programs do.
  void put(const std::string& path, json::object object);
  void erase(const std::string& path, const std::string& name);
  /// All objects of a collection; of all namespaces with "/api/v1/pods".
  std::vector<json::value> all(const std::string& path) const;

  /// Cuts all watches; what happens until they come back is not lost. `forget`: they get 410 when they do.
  void break_watches(bool forget);
  /// One in `n` writes fails with a conflict although there was none. 0: never.
  int conflict_one_in = 0;
  int watch_delay_ms = 0;  ///< how late events arrive
  int write_delay_ms = 0;  ///< how long a write takes

  /// "POST /path" of every write so far, the order they came in.
  std::vector<std::string> writes;
  int most_writes_at_once = 0;

 private:
  struct Event {
    uint64_t version;
    std::string type;
    std::string path;
    json::object value;
  };
  asio::awaitable<void> handle(Exchange& x);
  asio::awaitable<void> list(Exchange& x, const std::string& path);
  asio::awaitable<void> watch(Exchange& x, const std::string& path, uint64_t from);
  asio::awaitable<void> write(Exchange& x, const std::string& path);
  static bool in_collection(const std::string& object_path, const std::string& collection);
  void record(const std::string& type, const std::string& path, json::object value);
  void wake();

  Fixture& fixture_;
  std::map<std::string, json::object> objects_;  ///< by path
  std::deque<Event> events_;
  uint64_t version_ = 100;
  uint64_t oldest_ = 100;  ///< a watch from before that is 410
  uint64_t epoch_ = 0;     ///< of watches; raised to end them
  std::list<asio::steady_timer*> waiting_;
  int writing_ = 0;
  std::minstd_rand random_{1};
};

}  // namespace weft::kube::test
