#include "kube/client/work_queue.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <set>
#include <unordered_map>

namespace weft::kube {

using Clock = std::chrono::steady_clock;

struct WorkQueue::State : std::enable_shared_from_this<State> {
  struct Entry {
    bool queued = false;   ///< in `ready`
    bool running = false;  ///< being worked on
    bool again = false;    ///< was added while it was worked on
    int failures = 0;      ///< in a row
    Clock::time_point begun = Clock::time_point::min();
    Clock::time_point due = Clock::time_point::max();  ///< its place in `later`; max: none
    bool forgettable() const {
      return !queued && !running && failures == 0 && due == Clock::time_point::max();
    }
  };

  State(asio::io_context& i, Work w, Options o) : io(i), work(std::move(w)), options(o), timer(i) {}

  void add(const std::string& key);
  void add_at(const std::string& key, Clock::time_point at);
  void arm();
  void on_timer();
  void pump_soon();
  void pump();
  asio::awaitable<void> run(std::string key);
  void finish(const std::string& key, bool done);
  void forget_some();

  asio::io_context& io;
  Work work;
  Options options;
  asio::steady_timer timer;
  bool started = false;
  bool pumping = false;  ///< a turn of `pump` is on its way
  size_t running = 0;
  std::unordered_map<std::string, Entry> entries;
  std::deque<std::string> ready;
  std::set<std::pair<Clock::time_point, std::string>> later;
};

void WorkQueue::State::add(const std::string& key) {
  auto& entry = entries[key];
  if (entry.running) {
    entry.again = true;
    return;
  }
  if (entry.queued) return;
  if (entry.begun != Clock::time_point::min() && Clock::now() < entry.begun + options.settle)
    return add_at(key, entry.begun + options.settle);
  entry.queued = true;
  ready.push_back(key);
  pump_soon();
}

void WorkQueue::State::add_at(const std::string& key, Clock::time_point at) {
  auto& entry = entries[key];
  if (entry.due <= at) return;
  later.erase({entry.due, key});
  entry.due = at;
  later.insert({at, key});
  if (later.begin()->second == key) arm();
}

void WorkQueue::State::arm() {
  if (later.empty()) return;
  timer.expires_at(later.begin()->first);
  timer.async_wait([weak = weak_from_this()](const auto& error) {
    auto self = weak.lock();
    if (self && !error) self->on_timer();
  });
}

void WorkQueue::State::on_timer() {
  auto now = Clock::now();
  while (!later.empty() && later.begin()->first <= now) {
    auto key = later.begin()->second;
    later.erase(later.begin());
    entries[key].due = Clock::time_point::max();
    add(key);
  }
  arm();
}

/// Not from within whoever adds: what he is about to add next belongs to the same turn.
void WorkQueue::State::pump_soon() {
  if (!started || std::exchange(pumping, true)) return;
  asio::post(io, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->pumping = false;
    self->pump();
  });
}

void WorkQueue::State::pump() {
  while (started && running < options.at_once && !ready.empty()) {
    auto key = std::move(ready.front());
    ready.pop_front();
    auto& entry = entries[key];
    entry.queued = false;
    entry.running = true;
    entry.begun = Clock::now();
    ++running;
    asio::co_spawn(io, run(std::move(key)), asio::detached);
  }
}

asio::awaitable<void> WorkQueue::State::run(std::string key) {
  auto self = shared_from_this();
  bool done = false;
  try {
    done = co_await work(key);
  } catch (const std::exception& error) {
    spdlog::error("work on {}: {}", key, error.what());
  }
  finish(key, done);
}

void WorkQueue::State::finish(const std::string& key, bool done) {
  --running;
  auto& entry = entries[key];
  entry.running = false;
  const bool again = std::exchange(entry.again, false);
  if (done) {
    entry.failures = 0;
  } else {
    auto delay = options.first_retry * (1LL << std::min(entry.failures++, 20));
    add_at(key, Clock::now() + std::min<std::chrono::milliseconds>(delay, options.longest_retry));
  }
  if (again) add(key);
  forget_some();
  pump();
}

/// Keys come and go with their objects. What is only kept for `settle` is dropped once it is much.
void WorkQueue::State::forget_some() {
  constexpr size_t kMuch = 4096;
  if (options.settle.count() > 0 && (entries.size() < kMuch || running > 0 || !ready.empty())) return;
  std::erase_if(entries, [](const auto& item) { return item.second.forgettable(); });
}

WorkQueue::WorkQueue(asio::io_context& io, Work work, Options options)
    : state_(std::make_shared<State>(io, std::move(work), options)) {}

WorkQueue::~WorkQueue() {
  stop();
  state_->timer.cancel();
}

void WorkQueue::add(const std::string& key) { state_->add(key); }

void WorkQueue::add_after(const std::string& key, std::chrono::milliseconds delay) {
  state_->add_at(key, Clock::now() + delay);
}

void WorkQueue::start() {
  state_->started = true;
  state_->pump_soon();
}

void WorkQueue::stop() { state_->started = false; }

bool WorkQueue::idle() const { return state_->running == 0 && (state_->ready.empty() || !state_->started); }

}  // namespace weft::kube
