#include "standalone/apiserver/garbage_collector.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>

namespace weft::standalone {
namespace {

constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kForeground = "foregroundDeletion";

std::string uid_of(const Object& object) {
  return std::string(kube::string_at(object.value, "metadata.uid"));
}

bool has_finalizer(const json::value& object, std::string_view name) {
  const auto* list = kube::at_path(object, "metadata.finalizers");
  return list && list->is_array() &&
         std::ranges::find(list->get_array(), json::value(name)) != list->get_array().end();
}

/// Takes the matching elements out of a list of metadata, and the list when nothing is left.
template <class Match>
void erase_from(json::value& object, const char* list, Match match) {
  auto& metadata = kube::object_at(object.get_object(), "metadata");
  auto* value = metadata.if_contains(list);
  if (!value || !value->is_array()) return;
  json::array kept;
  for (auto& element : value->get_array()) {
    if (!match(element)) kept.push_back(std::move(element));
  }
  if (kept.empty()) {
    metadata.erase(list);
  } else {
    *value = std::move(kept);
  }
}

}  // namespace

GarbageCollector::GarbageCollector(boost::asio::io_context& io, Store& store, const KindTable& kinds,
                                   Registry& registry)
    : io_(io), store_(store), kinds_(kinds), registry_(registry) {
  store_.subscribe(
      "", [this](const std::string& resource, const Change& change) { on_change(resource, change); });
}

void GarbageCollector::restore() {
  for (const auto& resource : store_.resources()) {
    for (const auto& object : store_.list(resource, ""))
      on_change(resource, {object->version, nullptr, object});
  }
}

std::vector<GarbageCollector::Owner> GarbageCollector::owners_of(const ObjectPtr& object) {
  std::vector<Owner> out;
  if (!object) return out;
  const auto* list = kube::at_path(object->value, "metadata.ownerReferences");
  if (!list || !list->is_array()) return out;
  for (const auto& owner : list->get_array()) {
    const auto* blocks = kube::member(owner, "blockOwnerDeletion");
    out.push_back(
        {std::string(kube::string_at(owner, "uid")), blocks && blocks->is_bool() && blocks->get_bool()});
  }
  return out;
}

void GarbageCollector::later(Id id, void (GarbageCollector::*what)(const Id&)) {
  boost::asio::post(io_, [this, id = std::move(id), what] { (this->*what)(id); });
}

void GarbageCollector::track(const Id& id, const ObjectPtr& before, const ObjectPtr& after) {
  for (const auto& owner : owners_of(before)) {
    auto at = dependents_.find(owner.uid);
    if (at == dependents_.end()) continue;
    at->second.erase(id);
    if (at->second.empty()) dependents_.erase(at);
  }
  for (const auto& owner : owners_of(after)) dependents_[owner.uid].insert(id);
}

void GarbageCollector::on_change(const std::string& resource, const Change& change) {
  Id id{resource, std::string(kube::string_at(change.now->value, "metadata.namespace")),
        std::string(kube::string_at(change.now->value, "metadata.name"))};
  auto after = change.after();
  auto owners_before = owners_of(change.before), owners_after = owners_of(after);
  track(id, change.before, after);
  auto uid = uid_of(*change.now);
  if (after) {
    objects_[uid] = id;
    auto same = [](const Owner& a, const Owner& b) { return a.uid == b.uid && a.blocks == b.blocks; };
    if (!std::ranges::equal(owners_before, owners_after, same)) later(id, &GarbageCollector::check_owners);
    if (kube::at_path(after->value, "metadata.deletionTimestamp") &&
        (has_finalizer(after->value, kOrphan) || has_finalizer(after->value, kForeground))) {
      later(id, &GarbageCollector::carry_out_finalizers);
    }
  } else {
    objects_.erase(uid);
    if (dependents_.contains(uid)) boost::asio::post(io_, [this, uid] { release_dependents(uid); });
  }
  // An owner that waits for its dependents may have one less to wait for.
  for (const auto& owner : owners_before) {
    auto at = objects_.find(owner.uid);
    if (at != objects_.end()) later(at->second, &GarbageCollector::carry_out_finalizers);
  }
}

Write GarbageCollector::write_for(const Id& id) const {
  return {
      .kind = kinds_.find_stored(id.resource), .ns = id.ns, .name = id.name, .manager = "garbage-collector"};
}

void GarbageCollector::check_owners(const Id& id) {
  auto object = store_.get(id.resource, id.ns, id.name);
  auto owners = owners_of(object);
  if (owners.empty()) return;
  auto gone = [&](const Owner& owner) { return !objects_.contains(owner.uid); };
  if (std::ranges::all_of(owners, gone)) return remove(id, uid_of(*object), "Background");
  for (const auto& owner : owners) {
    if (gone(owner)) drop_owner(id, owner.uid);
  }
}

void GarbageCollector::release_dependents(const std::string& uid) {
  auto at = dependents_.find(uid);
  if (at == dependents_.end()) return;
  auto ids = at->second;
  for (const auto& id : ids) later(id, &GarbageCollector::check_owners);
}

void GarbageCollector::carry_out_finalizers(const Id& id) {
  auto object = store_.get(id.resource, id.ns, id.name);
  if (!object || !kube::at_path(object->value, "metadata.deletionTimestamp")) return;
  auto uid = uid_of(*object);
  if (has_finalizer(object->value, kOrphan)) {
    orphan_dependents(uid);
    drop_finalizer(id, kOrphan);
  } else if (has_finalizer(object->value, kForeground) && !dependents_block(uid)) {
    drop_finalizer(id, kForeground);
  }
}

void GarbageCollector::orphan_dependents(const std::string& uid) {
  auto at = dependents_.find(uid);
  if (at == dependents_.end()) return;
  auto ids = at->second;
  for (const auto& id : ids) drop_owner(id, uid);
}

/// Removes the dependents that no other owner holds; whether some of them still block their owner.
bool GarbageCollector::dependents_block(const std::string& uid) {
  auto at = dependents_.find(uid);
  if (at == dependents_.end()) return false;
  auto ids = at->second;
  bool block = false;
  for (const auto& id : ids) {
    auto object = store_.get(id.resource, id.ns, id.name);
    auto owners = owners_of(object);
    bool held = std::ranges::any_of(
        owners, [&](const Owner& owner) { return owner.uid != uid && objects_.contains(owner.uid); });
    if (held) {
      drop_owner(id, uid);
      continue;
    }
    if (!kube::at_path(object->value, "metadata.deletionTimestamp")) {
      auto own = uid_of(*object);
      remove(id, own, dependents_.contains(own) ? "Foreground" : "Background");
    }
    bool blocks =
        std::ranges::any_of(owners, [&](const Owner& owner) { return owner.uid == uid && owner.blocks; });
    block = block || (blocks && store_.get(id.resource, id.ns, id.name));
  }
  return block;
}

void GarbageCollector::drop_finalizer(const Id& id, std::string_view finalizer) {
  auto write = write_for(id);
  if (!write.kind) return;
  auto written = registry_.update(write, [&](const json::value& old, bool&) -> ApiResult<json::value> {
    json::value next = old;
    erase_from(next, "finalizers",
               [&](const json::value& element) { return element == json::value(finalizer); });
    return next;
  });
  if (!written)
    spdlog::warn("finalizer {} of {} {}/{}: {}", finalizer, id.resource, id.ns, id.name,
                 written.error().error.message);
}

void GarbageCollector::drop_owner(const Id& id, const std::string& uid) {
  auto write = write_for(id);
  if (!write.kind) return;
  auto written = registry_.update(write, [&](const json::value& old, bool&) -> ApiResult<json::value> {
    json::value next = old;
    erase_from(next, "ownerReferences",
               [&](const json::value& element) { return kube::string_at(element, "uid") == uid; });
    return next;
  });
  if (!written)
    spdlog::warn("owner of {} {}/{}: {}", id.resource, id.ns, id.name, written.error().error.message);
}

void GarbageCollector::remove(const Id& id, const std::string& uid, const char* propagation) {
  auto write = write_for(id);
  if (!write.kind) return;
  auto written = registry_.remove(
      write, {.grace_seconds = {}, .uid = uid, .resource_version = {}, .propagation = propagation});
  if (!written && written.error().error.code != ErrorCode::not_found) {
    spdlog::warn("{} {}/{} has no owner any more: {}", id.resource, id.ns, id.name,
                 written.error().error.message);
  }
}

}  // namespace weft::standalone
