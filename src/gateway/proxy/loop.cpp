#include "gateway/proxy/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace weft::gateway {

namespace {

uint64_t clock_ms() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<uint64_t>(at.tv_sec) * 1000 + static_cast<uint64_t>(at.tv_nsec) / 1'000'000;
}

}  // namespace

Expected<std::unique_ptr<Loop>> Loop::create() {
  std::unique_ptr<Loop> loop(new Loop);
  loop->epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!loop->epoll_) return fail_errno("epoll_create1", errno);
  loop->wake_ = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!loop->wake_) return fail_errno("eventfd", errno);
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (epoll_ctl(loop->epoll_.get(), EPOLL_CTL_ADD, loop->wake_.get(), &event) != 0)
    return fail_errno("epoll_ctl", errno);
  loop->scratch_ = std::make_unique_for_overwrite<char[]>(kScratch);
  loop->now_ = clock_ms();
  loop->timers_.advance(loop->now_);
  return loop;
}

Loop::~Loop() {
  // What is disposed of may dispose of more.
  while (!disposed_.empty()) std::exchange(disposed_, {}).clear();
}

void Loop::run() {
  while (!stopped_.load(std::memory_order_acquire)) turn();
}

void Loop::stop() {
  stopped_.store(true, std::memory_order_release);
  eventfd_write(wake_.get(), 1);
}

void Loop::post(std::function<void()> job) {
  {
    std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(job));
  }
  eventfd_write(wake_.get(), 1);
}

bool Loop::watch(int fd, Pollable& who) {
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &who}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

bool Loop::watch_level(int fd, Pollable& who) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &who}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Loop::unwatch(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void Loop::defer(Deferred& who) {
  if (who.queued_) return;
  who.queued_ = true;
  deferred_.push_back(&who);
}

void Loop::defer_last(Deferred& who) {
  if (who.queued_) return;
  who.queued_ = true;
  last_.push_back(&who);
}

void Loop::forget(Deferred& who) {
  if (!who.queued_) return;
  who.queued_ = false;
  std::ranges::replace(deferred_, &who, nullptr);
  std::ranges::replace(last_, &who, nullptr);
}

void Loop::run_deferred() {
  // Those who are called may ask again; the list grows while it is walked.
  for (size_t i = 0; i < deferred_.size(); ++i) {
    Deferred* who = deferred_[i];
    if (!who) continue;
    deferred_[i] = nullptr;
    who->queued_ = false;
    who->on_deferred();
  }
  deferred_.clear();
}

void Loop::run_posted() {
  eventfd_t count;
  eventfd_read(wake_.get(), &count);
  std::vector<std::function<void()>> jobs;
  {
    std::lock_guard lock(posted_mutex_);
    jobs.swap(posted_);
  }
  for (auto& job : jobs) job();
}

void Loop::turn() {
  std::array<epoll_event, 256> events;
  int count = epoll_wait(epoll_.get(), events.data(), events.size(), timers_.wait(now_));
  now_ = clock_ms();
  bool woken = false;
  for (int i = 0; i < count; ++i) {
    if (!events[i].data.ptr) {
      woken = true;
      continue;
    }
    static_cast<Pollable*>(events[i].data.ptr)->on_events(events[i].events);
    run_deferred();
  }
  timers_.advance(now_);
  if (woken) run_posted();
  run_deferred();
  while (!last_.empty()) {
    deferred_.swap(last_);
    run_deferred();
  }
  while (!disposed_.empty()) std::exchange(disposed_, {}).clear();
}

}  // namespace weft::gateway
