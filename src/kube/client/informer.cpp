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
constexpr std::chrono::milliseconds kAbsentDelay = 2s;  ///< of a kind that may be absent and is
/// A watch that stood so long was a good one: what ended it does not count as a failure in a row.
constexpr auto kGoodWatch = 5s;

std::minstd_rand& random_source() {
  static thread_local std::minstd_rand source(std::random_device{}());
  return source;
}

/// Between half of `most` and all of it, so that many clients do not come back at the same moment.
template <class Duration>
Duration jittered(Duration most) {
  return Duration(std::uniform_int_distribution<int64_t>(most.count() / 2, most.count())(random_source()));
}

/// The server cannot go on from the version we hold, or sent what no client can read: only a list helps.
bool needs_list(ErrorCode code) {
  switch (code) {
    case ErrorCode::gone:
    case ErrorCode::bad_request:
    case ErrorCode::invalid:
    case ErrorCode::too_large:
    case ErrorCode::timeout:  // "Too large resource version": a server that was set back
    case ErrorCode::internal:
      return true;
    default:
      return false;
  }
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
    add("timeoutSeconds",
        std::to_string(jittered(std::chrono::seconds(options_.audit_period_seconds)).count()));
  }
  return out;
}

awaitable<void> Reflector::run_loop() {
  asio::steady_timer timer(client_.io());
  auto delay = kFirstDelay;
  auto listed_at = std::chrono::steady_clock::now() - 1h;
  while (true) {
    const auto started = std::chrono::steady_clock::now();
    const bool listing = version_.empty();
    Expected<void> result = listing ? co_await list() : co_await watch();
    const auto now = std::chrono::steady_clock::now();
    const bool good = listing ? result.has_value() : now - started > kGoodWatch;
    if (good) delay = kFirstDelay;
    if (listing && result) listed_at = now;
    // A watch that came to its end in good order is followed by a list: the audit.
    if (result && good) {
      if (!listing) version_.clear();
      continue;
    }
    if (!result && needs_list(result.error().code)) version_.clear();
    // The first 410 after a while is nothing unusual; a list whose version is gone at once is.
    if (!result && !listing && result.error().code == ErrorCode::gone && now - listed_at > 1s) continue;
    spdlog::debug("{}: {} again in {} ms: {}", resource_.plural, version_.empty() ? "list" : "watch",
                  delay.count(), result ? "ended too soon" : result.error().message);
    const bool absent = !result && options_.may_be_absent && result.error().code == ErrorCode::not_found;
    if (absent) {
      delay = std::min(delay, kAbsentDelay);
      on_absent();
    }
    // What others have to mend is told at once; what may pass by itself when it has lasted.
    const bool refused = !result && (result.error().code == ErrorCode::forbidden ||
                                     result.error().code == ErrorCode::unauthorized);
    if (!result && !absent && (delay == kLongestDelay || (refused && delay == kFirstDelay)))
      spdlog::warn("{} cannot be followed: {}", resource_.plural, result.error().message);
    timer.expires_after(jittered(delay));
    delay = std::min(delay * 2, kLongestDelay);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

awaitable<Expected<void>> Reflector::list() {
  std::unordered_set<std::string> there;
  std::string token;
  std::string version;
  do {
    WEFT_CO_TRY(auto page,
                co_await client_.list_page(resource_, options_.namespace_, query(false), std::move(token)));
    for (const auto& item : page.as_object()["items"].as_array()) {
      auto key = key_of(item);
      if (version_of(key) != string_at(item, "metadata.resourceVersion")) put(item);
      there.insert(std::move(key));
    }
    version = string_at(page, "metadata.resourceVersion");
    token = string_at(page, "metadata.continue");
  } while (!token.empty());
  if (version.empty())
    co_return fail(ErrorCode::internal, resource_.plural + ": the list has no metadata.resourceVersion");
  for (const auto& key : keys()) {
    if (!there.contains(key)) erase(key);
  }
  version_ = std::move(version);
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
