#include "kube/client/events.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <list>
#include <unordered_map>

#include "kube/client/work_queue.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/time.h"

namespace weft::kube {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {
constexpr size_t kRemembered = 4096;
constexpr double kBurst = 25;
constexpr std::chrono::duration<double> kRefill = 300s;
constexpr size_t kLongestMessage = 1024;  ///< the API server refuses longer ones
}  // namespace

ObjectReference reference_to(const ResourceInfo& resource, const ObjectMeta& meta) {
  ObjectReference out;
  out.kind = resource.kind;
  out.apiVersion = resource.api_version();
  out.namespace_ = meta.namespace_;
  out.name = meta.name;
  out.uid = meta.uid;
  return out;
}

struct EventRecorder::State : std::enable_shared_from_this<State> {
  struct Entry {
    Event event;
    bool created = false;
    std::list<std::string>::iterator age;
  };
  struct Bucket {
    double tokens = kBurst;
    Clock::time_point filled = Clock::now();
  };

  State(Client& c, std::string component, std::string host) : client(c) {
    source.component = std::move(component);
    source.host = std::move(host);
  }

  bool allowed(const std::string& object);
  Event first(const ObjectReference& about, Type type, std::string reason, std::string message) const;
  asio::awaitable<bool> write(std::string key);

  Client& client;
  EventSource source;
  std::unordered_map<std::string, Entry> entries;
  std::list<std::string> ages;  ///< keys of `entries`, longest unused first
  std::unordered_map<std::string, Bucket> buckets;
  std::unique_ptr<WorkQueue> queue;
};

bool EventRecorder::State::allowed(const std::string& object) {
  if (buckets.size() > kRemembered) buckets.clear();
  auto& bucket = buckets[object];
  auto now = Clock::now();
  bucket.tokens = std::min(kBurst, bucket.tokens + (now - bucket.filled) / kRefill);
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

Event EventRecorder::State::first(const ObjectReference& about, Type type, std::string reason,
                                  std::string message) const {
  Event event;
  auto nanoseconds = std::chrono::system_clock::now().time_since_epoch().count();
  event.metadata.name = fmt::format("{}.{:x}", about.name, nanoseconds);
  event.metadata.namespace_ = about.namespace_.empty() ? "default" : about.namespace_;
  event.involvedObject = about;
  event.reason = std::move(reason);
  event.message = std::move(message);
  event.source = source;
  event.reportingComponent = source.component;
  event.reportingInstance = source.host;
  event.type = type == Type::warning ? "Warning" : "Normal";
  event.firstTimestamp = now_time();
  return event;
}

asio::awaitable<bool> EventRecorder::State::write(std::string key) {
  auto it = entries.find(key);
  if (it == entries.end()) co_return true;
  const auto event = it->second.event;
  const auto& resource = resource_of<Event>();
  Expected<json::value> written;
  if (it->second.created) {
    json::value patch{{"count", event.count}, {"lastTimestamp", event.lastTimestamp}};
    written = co_await client.merge_patch(resource, event.metadata.namespace_, event.metadata.name, patch);
  }
  // The server forgets events after an hour.
  if (!it->second.created || (!written && written.error().code == ErrorCode::not_found))
    written = co_await client.create(resource, event.metadata.namespace_, encode(event));
  it = entries.find(key);
  if (it == entries.end()) co_return true;
  if (written) it->second.created = true;
  if (!written) {
    spdlog::debug("event {}: {}", event.reason, written.error().message);
    // Only what may pass is tried again: nobody waits for an event.
    co_return written.error().code != ErrorCode::unavailable;
  }
  co_return true;
}

EventRecorder::EventRecorder(Client& client, std::string component, std::string host)
    : state_(std::make_shared<State>(client, std::move(component), std::move(host))) {
  auto work = [weak = state_->weak_from_this()](std::string key) -> asio::awaitable<bool> {
    auto self = weak.lock();
    if (!self) co_return true;
    co_return co_await self->write(std::move(key));
  };
  state_->queue = std::make_unique<WorkQueue>(
      client.io(), std::move(work), WorkQueue::Options{.at_once = 2, .settle = 1000ms, .first_retry = 500ms});
  state_->queue->start();
}

EventRecorder::~EventRecorder() = default;

void EventRecorder::record(const ObjectReference& about, Type type, std::string reason, std::string message) {
  if (message.size() > kLongestMessage) message.resize(kLongestMessage);
  auto object = fmt::format("{}/{}/{}/{}", about.kind, about.namespace_, about.name, about.uid);
  auto key = fmt::format("{}\n{}\n{}\n{}", object, type == Type::warning, reason, message);
  auto& state = *state_;
  if (!state.allowed(object)) return;
  auto [it, is_new] = state.entries.try_emplace(key);
  auto& entry = it->second;
  if (is_new) {
    entry.event = state.first(about, type, std::move(reason), std::move(message));
    entry.age = state.ages.insert(state.ages.end(), key);
  } else {
    state.ages.splice(state.ages.end(), state.ages, entry.age);
  }
  entry.event.count += 1;
  entry.event.lastTimestamp = now_time();
  if (state.entries.size() > kRemembered) {
    state.entries.erase(state.ages.front());
    state.ages.pop_front();
  }
  state.queue->add(key);
}

}  // namespace weft::kube
