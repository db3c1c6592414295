#include "kube/client/informer.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <random>
#include <unordered_set>

#include "kube/client/escape.h"

namespace weft::kube {

using asio::awaitable;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds kFirstDelay = 50ms;
constexpr std::chrono::milliseconds kLongestDelay = 10s;

/// 50 % to 100 % of `most`, so that many clients do not come back at the same moment.
std::chrono::milliseconds jittered(std::chrono::milliseconds most) {
  static thread_local std::minstd_rand random(std::random_device{}());
  return std::chrono::milliseconds(
      std::uniform_int_distribution<int64_t>(most.count() / 2, most.count())(random));
}

std::string key_of(const json::value& object) {
  return object_key(string_at(object, "metadata.namespace"), string_at(object, "metadata.name"));
}

}  // namespace

std::string object_key(std::string_view ns, std::string_view name) {
  return ns.empty() ? std::string(name) : fmt::format("{}/{}", ns, name);
}

std::string object_key(const ObjectMeta& meta) { return object_key(meta.namespace_, meta.name); }

Reflector::Reflector(Client& client, const ResourceInfo& resource, Options options)
    : client_(client), resource_(resource), options_(std::move(options)) {}

std::string Reflector::query(bool watching) const {
  std::string out;
  auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out += fmt::format("{}{}={}", out.empty() ? "" : "&", name, escape_query(value));
  };
  add("labelSelector", options_.label_selector);
  add("fieldSelector", options_.field_selector);
  if (watching) {
    add("allowWatchBookmarks", "true");
    add("resourceVersion", version_);
    add("timeoutSeconds", std::to_string(options_.audit_period_seconds));
  }
  return out;
}

awaitable<void> Reflector::run_loop() {
  asio::steady_timer timer(client_.io());
  auto delay = kFirstDelay;
  while (true) {
    auto started = std::chrono::steady_clock::now();
    bool listed = version_.empty();
    Expected<void> result = listed ? co_await list() : co_await watch();
    if (result) {
      delay = kFirstDelay;
      // A watch that came to its end in good order is followed by a list: the audit.
      if (!listed) version_.clear();
      continue;
    }
    if (result.error().code == ErrorCode::gone) {
      version_.clear();
      continue;
    }
    if (std::chrono::steady_clock::now() - started > 5s) delay = kFirstDelay;
    spdlog::debug("{}: {} again in {} ms: {}", resource_.plural, listed ? "list" : "watch", delay.count(),
                  result.error().message);
    timer.expires_after(jittered(delay));
    delay = std::min(delay * 2, kLongestDelay);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

awaitable<Expected<void>> Reflector::list() {
  WEFT_CO_TRY(auto whole, co_await client_.list(resource_, options_.namespace_, query(false)));
  const auto* items = member(whole, "items");
  std::unordered_set<std::string> there;
  if (items && items->is_array()) {
    for (const auto& item : items->get_array()) {
      auto key = key_of(item);
      if (version_of(key) != string_at(item, "metadata.resourceVersion")) put(item);
      there.insert(std::move(key));
    }
  }
  for (const auto& key : keys()) {
    if (!there.contains(key)) erase(key);
  }
  version_ = string_at(whole, "metadata.resourceVersion");
  on_list_complete();
  co_return Expected<void>{};
}

awaitable<Expected<void>> Reflector::watch() {
  Expected<void> refused;
  auto on_event = [&](WatchEvent event) {
    if (event.type == WatchEvent::Type::error) {
      const auto* code = member(event.object, "code");
      bool gone = code && code->is_int64() && code->get_int64() == 410;
      refused =
          fail(gone ? ErrorCode::gone : ErrorCode::internal, std::string(string_at(event.object, "message")));
      return false;
    }
    if (event.type == WatchEvent::Type::deleted) erase(key_of(event.object));
    if (event.type == WatchEvent::Type::added || event.type == WatchEvent::Type::modified) put(event.object);
    if (auto version = string_at(event.object, "metadata.resourceVersion"); !version.empty())
      version_ = version;
    return true;
  };
  WEFT_CO_CHECK(co_await client_.watch(resource_, options_.namespace_, query(true), on_event));
  co_return refused;
}

void Reflector::log_undecodable(const json::value& object, const Error& error) const {
  spdlog::error("{} {} is left out: {}", resource_.kind, key_of(object), error.message);
}

}  // namespace weft::kube
