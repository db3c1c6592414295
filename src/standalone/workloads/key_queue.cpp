#include "standalone/workloads/key_queue.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace weft::standalone {

using namespace std::chrono_literals;

namespace {
constexpr size_t kAtOnce = 16;
constexpr auto kFirstRetry = 10ms;
constexpr auto kLastRetry = 10'000ms;
}  // namespace

void KeyQueue::add(const std::string& key) {
  if (!waiting_.insert(key).second || running_.contains(key)) return;
  ready_.push_back(key);
  pump();
}

void KeyQueue::add_after(const std::string& key, std::chrono::milliseconds delay) {
  auto at = std::chrono::steady_clock::now() + delay;
  auto& entry = timers_[key];
  if (entry.timer && entry.at <= at) return;
  entry.at = at;
  entry.timer = std::make_shared<asio::steady_timer>(io_, at);
  entry.timer->async_wait([weak = weak_from_this(), key, timer = entry.timer](auto error) {
    auto self = weak.lock();
    if (error || !self) return;
    // An earlier moment may have replaced this one.
    auto it = self->timers_.find(key);
    if (it == self->timers_.end() || it->second.timer != timer) return;
    self->timers_.erase(it);
    self->add(key);
  });
}

void KeyQueue::start() {
  started_ = true;
  pump();
}

void KeyQueue::pump() {
  while (started_ && !ready_.empty() && running_.size() < kAtOnce) {
    std::string key = std::move(ready_.front());
    ready_.pop_front();
    waiting_.erase(key);
    running_.insert(key);
    asio::co_spawn(io_, run(std::move(key)), asio::detached);
  }
}

asio::awaitable<void> KeyQueue::run(std::string key) {
  auto self = shared_from_this();
  const bool done = co_await work_(key);
  running_.erase(key);
  if (waiting_.contains(key)) ready_.push_back(key);
  if (done) {
    failures_.erase(key);
  } else {
    int failures = failures_[key]++;
    add_after(key,
              std::min<std::chrono::milliseconds>(kFirstRetry * (1 << std::min(failures, 10)), kLastRetry));
  }
  pump();
}

}  // namespace weft::standalone
