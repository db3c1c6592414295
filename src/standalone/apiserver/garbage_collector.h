#pragma once

#include <boost/asio/io_context.hpp>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "standalone/apiserver/registry.h"

namespace weft::standalone {

/// Removes objects whose owners are gone, and carries out the finalizers "orphan" and "foregroundDeletion"
/// (metadata.ownerReferences). Fed by the store; it works on the event loop after the write that caused it.
class GarbageCollector {
 public:
  GarbageCollector(boost::asio::io_context& io, Store& store, const KindTable& kinds, Registry& registry);
  /// Takes in what the store has, at start.
  void restore();

 private:
  struct Id {
    std::string resource, ns, name;
    auto operator<=>(const Id&) const = default;
  };
  struct Owner {
    std::string uid;
    bool blocks = false;
  };

  void on_change(const std::string& resource, const Change& change);
  void track(const Id& id, const ObjectPtr& before, const ObjectPtr& after);
  void later(Id id, void (GarbageCollector::*what)(const Id&));
  /// Removes a dependent none of whose owners is there, or what points to those that are not.
  void check_owners(const Id& id);
  void release_dependents(const std::string& uid);
  void carry_out_finalizers(const Id& id);
  void orphan_dependents(const std::string& uid);
  bool dependents_block(const std::string& uid);
  void drop_finalizer(const Id& id, std::string_view finalizer);
  void drop_owner(const Id& id, const std::string& uid);
  void remove(const Id& id, const std::string& uid, const char* propagation);
  /// Its kind is null when no CustomResourceDefinition serves it any more: then it is left alone.
  Write write_for(const Id& id) const;
  static std::vector<Owner> owners_of(const ObjectPtr& object);

  boost::asio::io_context& io_;
  Store& store_;
  const KindTable& kinds_;
  Registry& registry_;
  std::unordered_map<std::string, Id> objects_;               ///< by uid
  std::unordered_map<std::string, std::set<Id>> dependents_;  ///< by the owner's uid
};

}  // namespace weft::standalone
