#include "standalone/apiserver/store.h"

#include <fmt/core.h>

#include <algorithm>

namespace weft::standalone {

namespace {

std::string key_of_object(const Object& object) {
  return Store::key_of(kube::string_at(object.value, "metadata.namespace"),
                       kube::string_at(object.value, "metadata.name"));
}

}  // namespace

std::unexpected<Error> Store::too_old(uint64_t version) const {
  return fail(ErrorCode::gone, fmt::format("too old resource version: {} ({})", version, version_));
}

std::string Store::key_of(std::string_view ns, std::string_view name) {
  return fmt::format("{}/{}", ns, name);
}

void Store::restore(const std::string& resource, const std::string& key, json::value value,
                    uint64_t version) {
  auto text = json::serialize(value);
  resources_[resource].objects[key] =
      std::make_shared<const Object>(Object{version, std::move(value), std::move(text)});
}

void Store::restore_version(uint64_t version) {
  version_ = version;
  for (auto& [name, resource] : resources_) resource.forgotten = version;
}

ObjectPtr Store::get(const std::string& resource, std::string_view ns, std::string_view name) const {
  auto found = resources_.find(resource);
  if (found == resources_.end()) return nullptr;
  auto object = found->second.objects.find(key_of(ns, name));
  return object == found->second.objects.end() ? nullptr : object->second;
}

std::vector<ObjectPtr> Store::list(const std::string& resource, std::string_view ns, const std::string& after,
                                   size_t limit) const {
  std::vector<ObjectPtr> out;
  auto found = resources_.find(resource);
  if (found == resources_.end()) return out;
  const auto& objects = found->second.objects;
  auto prefix = ns.empty() ? std::string() : fmt::format("{}/", ns);
  auto it = after.empty() ? objects.lower_bound(prefix) : objects.upper_bound(after);
  for (; it != objects.end() && it->first.starts_with(prefix); ++it) {
    out.push_back(it->second);
    if (limit && out.size() == limit) break;
  }
  return out;
}

size_t Store::count(const std::string& resource) const {
  auto found = resources_.find(resource);
  return found == resources_.end() ? 0 : found->second.objects.size();
}

std::vector<std::string> Store::resources() const {
  std::vector<std::string> out;
  for (const auto& [name, resource] : resources_) out.push_back(name);
  return out;
}

Expected<ObjectPtr> Store::create(const std::string& resource, json::object object) {
  json::value value(std::move(object));
  auto name = kube::string_at(value, "metadata.name");
  auto ns = kube::string_at(value, "metadata.namespace");
  if (get(resource, ns, name))
    return fail(ErrorCode::already_exists, fmt::format("\"{}\" already exists", name));
  return commit(resource, key_of(ns, name), nullptr, std::move(value.get_object()), false);
}

Expected<ObjectPtr> Store::update(const std::string& resource, json::object object, uint64_t expected) {
  json::value value(std::move(object));
  auto name = kube::string_at(value, "metadata.name");
  auto ns = kube::string_at(value, "metadata.namespace");
  auto before = get(resource, ns, name);
  if (!before) return fail(ErrorCode::not_found, fmt::format("\"{}\" not found", name));
  if (before->version != expected) {
    return fail(
        ErrorCode::conflict,
        "the object has been modified; please apply your changes to the latest version and try again");
  }
  return commit(resource, key_of(ns, name), std::move(before), std::move(value.get_object()), false);
}

Expected<ObjectPtr> Store::remove(const std::string& resource, std::string_view ns, std::string_view name,
                                  uint64_t expected, json::value last) {
  auto before = get(resource, ns, name);
  if (!before) return fail(ErrorCode::not_found, fmt::format("\"{}\" not found", name));
  if (expected && before->version != expected) {
    return fail(ErrorCode::conflict, "the object has been modified; get it again before deleting it");
  }
  if (!last.is_object()) last = before->value;
  return commit(resource, key_of(ns, name), std::move(before), std::move(last.get_object()), true);
}

Expected<ObjectPtr> Store::commit(const std::string& resource, const std::string& key, ObjectPtr before,
                                  json::object object, bool remove) {
  auto next = version_ + 1;
  kube::object_at(object, "metadata")["resourceVersion"] = std::to_string(next);
  auto stored = std::make_shared<Object>();
  stored->version = next;
  stored->value = std::move(object);
  stored->text = json::serialize(stored->value);
  if (journal_) WEFT_CHECK(journal_->commit({{resource, key, remove ? std::string() : stored->text}}, next));

  version_ = next;
  auto& slot = resources_[resource];
  if (remove) {
    slot.objects.erase(key);
  } else {
    slot.objects[key] = stored;
  }
  Change change{next, std::move(before), stored, remove};
  slot.history.push_back(change);
  if (slot.history.size() > kHistory) {
    slot.forgotten = slot.history.front().version;
    slot.history.pop_front();
  }
  untold_.emplace_back(resource, std::move(change));
  tell();
  return stored;
}

void Store::tell() {
  if (telling_) return;
  telling_ = true;
  while (!untold_.empty()) {
    auto [resource, change] = std::move(untold_.front());
    untold_.pop_front();
    // A copy, as watchers may come and go while they are told.
    auto subscriptions = subscriptions_;
    for (const auto& [id, subscription] : subscriptions) {
      bool wanted = subscription->resource.empty() || subscription->resource == resource;
      if (wanted && subscriptions_.contains(id)) subscription->watcher(resource, change);
    }
  }
  telling_ = false;
}

Expected<std::vector<Change>> Store::since(const std::string& resource, uint64_t version,
                                           size_t limit) const {
  std::vector<Change> out;
  auto found = resources_.find(resource);
  if (found == resources_.end()) return out;
  const auto& [objects, history, forgotten] = found->second;
  if (version < forgotten) return too_old(version);
  auto from = std::ranges::upper_bound(history, version, {}, &Change::version);
  for (; from != history.end() && out.size() < limit; ++from) out.push_back(*from);
  return out;
}

Expected<std::vector<ObjectPtr>> Store::list_at(const std::string& resource, std::string_view ns,
                                                const std::string& after, size_t limit,
                                                uint64_t version) const {
  WEFT_TRY(auto changes, since(resource, version));
  auto now = list(resource, ns, after);
  std::map<std::string, ObjectPtr> then;
  for (auto& object : now) then[key_of_object(*object)] = std::move(object);
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    auto key = key_of_object(*change->now);
    if (key <= after || (!ns.empty() && !key.starts_with(fmt::format("{}/", ns)))) continue;
    then[key] = change->before;
  }
  std::vector<ObjectPtr> out;
  for (auto& [key, object] : then) {
    if (object) out.push_back(std::move(object));
    if (limit && out.size() == limit) break;
  }
  return out;
}

int Store::subscribe(const std::string& resource, Watcher watcher) {
  int id = next_subscription_++;
  subscriptions_[id] = std::make_shared<Subscription>(Subscription{resource, std::move(watcher)});
  return id;
}

void Store::unsubscribe(int id) { subscriptions_.erase(id); }

}  // namespace weft::standalone
