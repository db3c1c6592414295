#include "standalone/apiserver/watch.h"

#include <fmt/core.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <random>

#include "standalone/apiserver/registry.h"

namespace weft::standalone {
namespace {

using boost::asio::as_tuple;
using boost::asio::awaitable;
using boost::asio::use_awaitable;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kBookmarkEvery = 60s;
constexpr size_t kBatch = 500;

/// Wakes a coroutine when a resource changes, for as long as it lives.
class Wakeup {
 public:
  Wakeup(boost::asio::io_context& io, Store& store, const std::string& resource)
      : store_(store),
        timer_(io),
        id_(store.subscribe(resource, [this](const std::string&, const Change&) { timer_.cancel(); })) {}
  ~Wakeup() { store_.unsubscribe(id_); }
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  awaitable<void> wait_until(Clock::time_point when) {
    timer_.expires_at(when);
    co_await timer_.async_wait(as_tuple(use_awaitable));
  }

 private:
  Store& store_;
  boost::asio::steady_timer timer_;
  int id_;
};

/// An object with the version of the change that took it out of a selection.
ObjectPtr at_version(const ServedKind& kind, const ObjectPtr& object, uint64_t version) {
  auto out = std::make_shared<Object>();
  out->version = version;
  out->value = Registry::in_version(kind, object)->value;
  kube::object_at(out->value.get_object(), "metadata")["resourceVersion"] = std::to_string(version);
  out->text = json::serialize(out->value);
  return out;
}

bool in_namespace(const Object& object, const std::string& ns) {
  return ns.empty() || kube::string_at(object.value, "metadata.namespace") == ns;
}

class Watch {
 public:
  Watch(boost::asio::io_context& io, Store& store, WatchRequest request, BodyStream& body)
      : store_(store),
        request_(std::move(request)),
        body_(body),
        resource_(request_.kind->store_key()),
        wakeup_(io, store, resource_) {}

  awaitable<void> run() {
    auto end = Clock::now() + request_.timeout;
    auto next_bookmark = request_.bookmarks ? Clock::now() + kBookmarkEvery : end;
    if (!co_await body_.start(request_.representation.content_type())) co_return;
    if (request_.send_current && !co_await send_current()) co_return;
    while (Clock::now() < end) {
      auto version = store_.version();
      auto changes = store_.since(resource_, seen_, kBatch);
      if (!changes) {
        co_await body_.write(fmt::format("{{\"type\":\"ERROR\",\"object\":{}}}\n",
                                         json::serialize(make_status(changes.error()))));
        co_return;
      }
      if (changes->empty()) {
        seen_ = version;
        if (request_.bookmarks && Clock::now() >= next_bookmark) {
          next_bookmark = Clock::now() + kBookmarkEvery;
          if (!co_await body_.write(request_.representation.bookmark(version, false))) co_return;
          continue;
        }
        // Nothing runs between the look and the wait: what changes from here on wakes it.
        co_await wakeup_.wait_until(std::min(end, next_bookmark));
        continue;
      }
      std::string lines;
      for (const auto& change : *changes) lines += line_of(change);
      seen_ = changes->back().version;
      if (!co_await body_.write(lines)) co_return;
    }
  }

  void start_at(uint64_t version) { seen_ = version; }

 private:
  std::string event(std::string_view type, const ObjectPtr& object) {
    auto line = request_.representation.event(type, object, first_);
    first_ = false;
    return line;
  }

  /// What a change is to this watcher: things may come into its selection and leave it.
  std::string line_of(const Change& change) {
    if (!in_namespace(*change.now, request_.ns)) return {};
    const auto& kind = *request_.kind;
    bool before = change.before && request_.selection.matches(change.before->value);
    bool after = !change.deleted && request_.selection.matches(change.now->value);
    if (after) return event(before ? "MODIFIED" : "ADDED", Registry::in_version(kind, change.now));
    if (!before) return {};
    if (change.deleted) return event("DELETED", Registry::in_version(kind, change.now));
    return event("DELETED", at_version(kind, change.before, change.version));
  }

  awaitable<bool> send_current() {
    auto version = store_.version();
    auto objects = store_.list(resource_, request_.ns);
    std::string lines;
    for (const auto& object : objects) {
      if (!request_.selection.matches(object->value)) continue;
      lines += event("ADDED", Registry::in_version(*request_.kind, object));
      if (lines.size() > 256U << 10) {
        if (!co_await body_.write(lines)) co_return false;
        lines.clear();
      }
    }
    if (request_.mark_initial_end) lines += request_.representation.bookmark(version, true);
    seen_ = version;
    co_return co_await body_.write(lines);
  }

  Store& store_;
  WatchRequest request_;
  BodyStream& body_;
  std::string resource_;
  Wakeup wakeup_;
  uint64_t seen_ = 0;
  bool first_ = true;
};

/// Spread, so that not all clients come back at once.
std::chrono::seconds default_timeout() {
  static thread_local std::minstd_rand random{std::random_device{}()};
  return std::chrono::seconds(1800 + random() % 1800);
}

}  // namespace

ApiResult<uint64_t> parse_version(const std::string& text) {
  uint64_t version = 0;
  if (text.empty()) return version;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error == std::errc() && end == text.data() + text.size()) return version;
  return fail(ErrorCode::bad_request,
              fmt::format("resourceVersion: Invalid value: \"{}\": it must be a number", text));
}

ApiResult<WatchRequest> WatchRequest::parse(const ServedKindPtr& kind, const std::string& ns,
                                            const ApiRequest& request, const Store& store) {
  WEFT_TRY(auto representation, Representation::choose(kind, request));
  WEFT_TRY(auto selection, Selection::parse(*kind, request));
  WatchRequest out{
      .kind = kind, .ns = ns, .selection = std::move(selection), .representation = representation};
  WEFT_TRY(out.from, parse_version(request.param("resourceVersion")));
  out.bookmarks = request.flag("allowWatchBookmarks");
  bool initial = request.flag("sendInitialEvents");
  if (initial && request.param("resourceVersionMatch") != "NotOlderThan") {
    return fail(ErrorCode::invalid,
                "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
                "NotOlderThan");
  }
  if (!request.param("resourceVersionMatch").empty() && request.param("sendInitialEvents").empty()) {
    return fail(ErrorCode::invalid,
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless "
                "sendInitialEvents is "
                "provided");
  }
  out.send_current = initial || (out.from == 0 && request.param("sendInitialEvents").empty());
  out.mark_initial_end = initial && out.bookmarks;
  if (out.from > store.version()) {
    return fail(ErrorCode::timeout,
                fmt::format("Too large resource version: {}, current: {}", out.from, store.version()));
  }
  if (!out.send_current && out.from == 0) out.from = store.version();
  if (!out.send_current) WEFT_CHECK(store.since(kind->store_key(), out.from, 1));
  WEFT_TRY(uint64_t seconds, parse_version(request.param("timeoutSeconds")));
  out.timeout = seconds ? std::chrono::seconds(std::min<uint64_t>(seconds, 86400)) : default_timeout();
  return out;
}

awaitable<void> serve_watch(boost::asio::io_context& io, Store& store, WatchRequest request,
                            BodyStream& body) {
  auto from = request.from;
  Watch watch(io, store, std::move(request), body);
  watch.start_at(from);
  co_await watch.run();
}

}  // namespace weft::standalone
