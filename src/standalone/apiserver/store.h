#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/json.h"

namespace weft::standalone {

/// One stored version of an object. Immutable and shared by the store, its history and every watcher that
/// still has to send it.
struct Object {
  uint64_t version = 0;  ///< resourceVersion, also in metadata
  json::value value;
  std::string text;  ///< `value` as JSON, written once for all readers
};
using ObjectPtr = std::shared_ptr<const Object>;

/// One change of one object.
struct Change {
  uint64_t version = 0;
  ObjectPtr before;  ///< null: the object is new
  ObjectPtr now;     ///< of a deletion: the last state, at the deletion's version
  bool deleted = false;
  ObjectPtr after() const { return deleted ? nullptr : now; }
};

/// Where acknowledged writes go to survive the process.
class Journal {
 public:
  virtual ~Journal() = default;
  struct Row {
    std::string resource, key, text;  ///< an empty text: deleted
  };
  /// All rows and the version are on the way to disk together when it returns; nothing is when it fails.
  virtual Expected<void> commit(const std::vector<Row>& rows, uint64_t version) = 0;
};

/// All objects of all resources, with one version counter and a bounded history for watches. A resource is
/// named by "group/plural" ("/pods", "apps/deployments"): all served versions of a kind share its storage.
/// Not thread-safe: it belongs to the server's thread.
class Store {
 public:
  /// How many changes of one resource are kept; a watch from before them is told 410 Expired.
  static constexpr size_t kHistory = 10000;

  /// Where writes go from now on.
  void set_journal(std::unique_ptr<Journal> journal) { journal_ = std::move(journal); }
  /// Puts what a journal had back in place, before anything else.
  void restore(const std::string& resource, const std::string& key, json::value value, uint64_t version);
  void restore_version(uint64_t version);

  uint64_t version() const { return version_; }
  /// nullptr when there is none.
  ObjectPtr get(const std::string& resource, std::string_view ns, std::string_view name) const;
  /// In the order of namespace and name; `ns` empty: all. `after`: only keys greater than it.
  std::vector<ObjectPtr> list(const std::string& resource, std::string_view ns, const std::string& after = {},
                              size_t limit = 0) const;
  /// The same as it was at `version`; gone when the history does not reach back that far.
  Expected<std::vector<ObjectPtr>> list_at(const std::string& resource, std::string_view ns,
                                           const std::string& after, size_t limit, uint64_t version) const;
  size_t count(const std::string& resource) const;
  std::vector<std::string> resources() const;

  /// Stores a new object; its metadata has namespace and name. Sets metadata.resourceVersion. already_exists
  /// when it is there.
  Expected<ObjectPtr> create(const std::string& resource, json::object object);
  /// Replaces an object if its stored version is still `expected`; conflict otherwise, not_found when it is
  /// gone.
  Expected<ObjectPtr> update(const std::string& resource, json::object object, uint64_t expected);
  /// Removes if the stored version is still `expected` (0: whatever it is); conflict or not_found otherwise.
  /// The result is the last state, at the version of the deletion: the stored one, or `last` if that is
  /// given.
  Expected<ObjectPtr> remove(const std::string& resource, std::string_view ns, std::string_view name,
                             uint64_t expected = 0, json::value last = nullptr);

  /// The first changes of a resource after `version`, at most `limit`; gone when the history does not reach
  /// back that far.
  Expected<std::vector<Change>> since(const std::string& resource, uint64_t version,
                                      size_t limit = SIZE_MAX) const;

  using Watcher = std::function<void(const std::string& resource, const Change&)>;
  /// Called after each change of `resource` ("": of all) in commit order, within the call that made it. A
  /// watcher may write to the store (its change is told after the one at hand).
  int subscribe(const std::string& resource, Watcher watcher);
  void unsubscribe(int id);

  static std::string key_of(std::string_view ns, std::string_view name);

 private:
  struct Resource {
    std::map<std::string, ObjectPtr, std::less<>> objects;
    std::deque<Change> history;
    uint64_t forgotten = 0;  ///< the newest version that history no longer has
  };
  struct Subscription {
    std::string resource;
    Watcher watcher;
  };

  Expected<ObjectPtr> commit(const std::string& resource, const std::string& key, ObjectPtr before,
                             json::object object, bool remove);
  void tell();
  std::unexpected<Error> too_old(uint64_t version) const;

  std::unique_ptr<Journal> journal_;
  uint64_t version_ = 1;
  std::map<std::string, Resource> resources_;
  std::map<int, std::shared_ptr<Subscription>> subscriptions_;
  int next_subscription_ = 1;
  std::deque<std::pair<std::string, Change>> untold_;
  bool telling_ = false;
};

}  // namespace weft::standalone
