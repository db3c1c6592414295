#include "dns/poller.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace weft::dns {

Expected<std::unique_ptr<Poller>> Poller::make() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("epoll_create1", errno);
  return std::unique_ptr<Poller>(new Poller(std::move(epoll)));
}

bool Poller::add(int fd, uint32_t events, Handler* handler) {
  epoll_event event{.events = events, .data = {.ptr = handler}};
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Poller::modify(int fd, uint32_t events, Handler* handler) {
  epoll_event event{.events = events, .data = {.ptr = handler}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Poller::remove(int fd, Handler* handler) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (Ready& ready : ready_) {
    if (ready.handler == handler) ready.handler = nullptr;
  }
}

void Poller::run_once(Clock::time_point deadline) {
  auto wait = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  std::array<epoll_event, 64> events;
  int count = ::epoll_wait(epoll_.get(), events.data(), events.size(),
                           static_cast<int>(std::clamp<int64_t>(wait, 0, 60'000)));
  now_ = Clock::now();
  ready_.clear();
  for (int i = 0; i < count; ++i)
    ready_.push_back({static_cast<Handler*>(events[i].data.ptr), events[i].events});
  // A handler may remove others (or itself) on the way: entries are then null.
  for (size_t i = 0; i < ready_.size(); ++i) {
    if (ready_[i].handler) ready_[i].handler->on_ready(ready_[i].events);
  }
  ready_.clear();
  graveyard_.clear();
}

}  // namespace weft::dns
