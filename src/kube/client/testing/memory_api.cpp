#include "kube/client/testing/memory_api.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "kube/time.h"

namespace weft::kube::test {

using asio::awaitable;

namespace {

std::string parameter(const std::string& target, const std::string& name) {
  auto at = target.find(name + "=");
  if (at == std::string::npos) return {};
  auto value = target.substr(at + name.size() + 1);
  return value.substr(0, value.find('&'));
}

/// "k=v" as the client escapes it: "k%3Dv" with "%2F" for the slash.
bool selected(const std::string& target, const json::object& object) {
  auto text = parameter(target, "labelSelector");
  if (text.empty()) return true;
  for (size_t at; (at = text.find("%2F")) != std::string::npos;) text.replace(at, 3, "/");
  auto middle = text.find("%3D");
  json::value value(object);
  const auto* labels = at_path(value, "metadata.labels");
  const auto* label = labels ? member(*labels, text.substr(0, middle)) : nullptr;
  return label && label->is_string() && label->get_string() == text.substr(middle + 3);
}

void merge(json::object& into, const json::object& patch) {
  for (const auto& [key, value] : patch) {
    if (value.is_null()) {
      into.erase(key);
    } else if (value.is_object() && into[key].is_object()) {
      merge(into[key].get_object(), value.get_object());
    } else {
      into[key] = value;
    }
  }
}

}  // namespace

MemoryApi::MemoryApi(Fixture& fixture) : fixture_(fixture) {
  fixture_.serve([this](Exchange& x) { return handle(x); });
}

/// A collection's path matches its objects; without "/namespaces/NS" those of every namespace.
bool MemoryApi::in_collection(const std::string& object_path, const std::string& collection) {
  auto slash = object_path.rfind('/');
  auto own = object_path.substr(0, slash);
  if (own == collection) return true;
  auto at = own.find("/namespaces/");
  if (at == std::string::npos) return false;
  auto end = own.find('/', at + 12);
  return end != std::string::npos && own.substr(0, at) + own.substr(end) == collection;
}

void MemoryApi::record(const std::string& type, const std::string& path, json::object value) {
  events_.push_back({version_, type, path, std::move(value)});
  wake();
}

void MemoryApi::wake() {
  for (auto* timer : waiting_) timer->cancel();
}

void MemoryApi::put(const std::string& path, json::object object) {
  auto& meta = object_at(object, "metadata");
  auto full = path + "/" + std::string(meta["name"].as_string());
  auto old = objects_.find(full);
  meta["resourceVersion"] = std::to_string(++version_);
  if (!meta.contains("uid"))
    meta["uid"] = old == objects_.end() ? json::value(fmt::format("uid-{}", version_))
                                        : object_at(old->second, "metadata")["uid"];
  if (!meta.contains("creationTimestamp")) meta["creationTimestamp"] = now_time();
  auto type = old == objects_.end() ? "ADDED" : "MODIFIED";
  objects_[full] = object;
  record(type, full, std::move(object));
}

void MemoryApi::erase(const std::string& path, const std::string& name) {
  auto it = objects_.find(path + "/" + name);
  if (it == objects_.end()) return;
  auto object = std::move(it->second);
  auto full = it->first;
  objects_.erase(it);
  object_at(object, "metadata")["resourceVersion"] = std::to_string(++version_);
  record("DELETED", full, std::move(object));
}

std::vector<json::value> MemoryApi::all(const std::string& path) const {
  std::vector<json::value> out;
  for (const auto& [full, object] : objects_) {
    if (in_collection(full, path)) out.emplace_back(object);
  }
  return out;
}

void MemoryApi::break_watches(bool forget) {
  if (forget) oldest_ = version_ + 1;
  ++epoch_;
  wake();
}

awaitable<void> MemoryApi::handle(Exchange& x) {
  auto path = x.target.substr(0, x.target.find('?'));
  if (x.method != "GET") co_return co_await write(x, path);
  if (x.is_watch()) {
    auto from = std::stoull(parameter(x.target, "resourceVersion"));
    if (from < oldest_) co_return (void) co_await x.answer(410, R"({"reason":"Expired","code":410})");
    co_return co_await watch(x, path, from);
  }
  auto found = objects_.find(path);
  if (found != objects_.end()) co_return (void) co_await x.answer(200, json::serialize(found->second));
  if (x.target.find("limit=") != std::string::npos) co_return co_await list(x, path);
  co_await x.answer(404, R"({"reason":"NotFound","message":"not found"})");
}

awaitable<void> MemoryApi::list(Exchange& x, const std::string& path) {
  json::array items;
  for (const auto& [full, object] : objects_) {
    if (in_collection(full, path) && selected(x.target, object)) items.emplace_back(object);
  }
  json::object out{{"metadata", json::object{{"resourceVersion", std::to_string(version_)}}}};
  out["items"] = std::move(items);
  co_await x.answer(200, json::serialize(out));
}

awaitable<void> MemoryApi::watch(Exchange& x, const std::string& path, uint64_t from) {
  const auto epoch = epoch_;
  if (!co_await x.start_stream()) co_return;
  auto seen = from;
  while (epoch == epoch_) {
    std::string text;
    for (const auto& event : events_) {
      if (event.version <= seen) continue;
      seen = event.version;
      if (in_collection(event.path, path) && selected(x.target, event.value))
        text += fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", event.type, json::serialize(event.value));
    }
    if (watch_delay_ms > 0 && !text.empty()) co_await x.sleep(watch_delay_ms);
    if (!text.empty() && !co_await x.chunk(std::move(text))) co_return;
    if (seen < version_) continue;
    asio::steady_timer timer(fixture_.io, std::chrono::seconds(60));
    auto place = waiting_.insert(waiting_.end(), &timer);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    waiting_.erase(place);
  }
  x.close = true;
}

awaitable<void> MemoryApi::write(Exchange& x, const std::string& path) {
  writes.push_back(x.method + " " + path);
  if (write_delay_ms > 0) {
    most_writes_at_once = std::max(most_writes_at_once, ++writing_);
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(write_delay_ms));
    co_await timer.async_wait(asio::use_awaitable);
    --writing_;
  }
  auto refuse = [&](int status, const char* reason) {
    return x.answer(
        status, fmt::format(R"({{"reason":"{}","message":"{} {}: {}"}})", reason, x.method, path, reason));
  };
  auto body = x.body.empty() ? json::object() : json::parse(x.body).as_object();
  if (conflict_one_in > 0 && random_() % conflict_one_in == 0)
    co_return (void) co_await refuse(409, "Conflict");
  if (x.method == "POST") {
    auto& meta = object_at(body, "metadata");
    if (!meta.contains("name"))
      meta["name"] =
          fmt::format("{}{:05x}", std::string_view(meta["generateName"].as_string()), random_() & 0xfffff);
    auto full = path + "/" + std::string(meta["name"].as_string());
    if (objects_.contains(full)) co_return (void) co_await refuse(409, "AlreadyExists");
    put(path, std::move(body));
    co_return (void) co_await x.answer(201, json::serialize(objects_[full]));
  }
  const bool status_only = path.ends_with("/status");
  const auto object_path = status_only ? path.substr(0, path.size() - 7) : path;
  auto found = objects_.find(object_path);
  const auto collection = object_path.substr(0, object_path.rfind('/'));
  if (found == objects_.end()) {
    if (x.headers["content-type"] != "application/apply-patch+yaml")
      co_return (void) co_await refuse(404, "NotFound");
    put(collection, std::move(body));
    co_return (void) co_await x.answer(201, json::serialize(objects_[object_path]));
  }
  const auto name = object_path.substr(object_path.rfind('/') + 1);
  json::value now(found->second), wanted(body);
  if (x.method == "DELETE") {
    auto uid = string_at(wanted, "preconditions.uid");
    if (!uid.empty() && uid != string_at(now, "metadata.uid"))
      co_return (void) co_await refuse(409, "Conflict");
    erase(collection, name);
    co_return (void) co_await x.answer(200, "{}");
  }
  auto version = string_at(wanted, "metadata.resourceVersion");
  if (!version.empty() && version != string_at(now, "metadata.resourceVersion"))
    co_return (void) co_await refuse(409, "Conflict");
  if (x.method == "PATCH") {
    auto merged = found->second;
    merge(merged, body);
    body = std::move(merged);
  }
  if (status_only) {
    auto whole = found->second;
    whole["status"] = body["status"];
    body = std::move(whole);
  }
  put(collection, std::move(body));
  co_await x.answer(200, json::serialize(objects_[object_path]));
}

}  // namespace weft::kube::test
