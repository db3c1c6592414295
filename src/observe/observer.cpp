#include "observe/observer.h"

#include <charconv>
#include <chrono>
#include <ctime>
#include <utility>

#include "base/log.h"
#include "base/netns.h"

namespace weft::observe {
namespace {

constexpr std::chrono::milliseconds kReadEvery{100};

uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

/// Of "after=12"; what is no number is 0.
uint64_t after_of(std::string_view query) {
  constexpr std::string_view kName = "after=";
  uint64_t number = 0;
  if (query.starts_with(kName))
    std::from_chars(query.data() + kName.size(), query.data() + query.size(), number);
  return number;
}

}  // namespace

Observer::Observer(asio::io_context& io, Names names) : timer_(io), names_(std::move(names)) {}

Expected<std::unique_ptr<Observer>> Observer::start(asio::io_context& io, const std::string& service_maps,
                                                    const std::string& cgroup, Names names) {
  std::unique_ptr<Observer> out(new Observer(io, std::move(names)));
  auto keep = [&recent = out->recent_](const weft_socket_event& event) { recent.add(event); };
  WEFT_TRY(auto events, datapath::SocketEvents::open(service_maps, keep));
  WEFT_CHECK(events.attach(cgroup));
  out->events_ = std::make_unique<datapath::SocketEvents>(std::move(events));
  out->read_later();
  return out;
}

void Observer::read_later() {
  timer_.expires_after(kReadEvery);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    if (auto read = events_->read(); !read) return spdlog::error("{}", read.error().message);
    read_later();
  });
}

Expected<void> Observer::watch(const std::string& netns, std::span<const IpAddr> addresses) {
  uint64_t cookie = 0;
  {
    WEFT_TRY(auto inside, InNetns::enter(netns));
    WEFT_TRY(cookie, netns_cookie());
  }
  return events_->watch(cookie, addresses);
}

http::Answer Observer::page(const http::Request& request) {
  // What happened until now is part of the answer.
  auto read = events_->read();
  auto lost = events_->lost();
  if (!read || !lost)
    return {.status = 503, .headers = {}, .body = (read ? lost.error() : read.error()).message + "\n"};
  auto body = recent_.to_json(after_of(request.query), *lost, names_, kube::now_point(), monotonic_ns());
  return {.content_type = "application/json", .headers = {}, .body = json::serialize(body)};
}

}  // namespace weft::observe
