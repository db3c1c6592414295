#include "observe/observer.h"

#include <charconv>
#include <ctime>
#include <utility>

#include "base/netns.h"

namespace weft::observe {
namespace {

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

Observer::Observer(datapath::SocketEvents events, Names names)
    : events_(std::move(events)), names_(std::move(names)) {}

Expected<std::unique_ptr<Observer>> Observer::start(const std::string& service_maps,
                                                    const std::string& cgroup, Names names) {
  WEFT_TRY(auto events, datapath::SocketEvents::open(service_maps));
  WEFT_CHECK(events.attach(cgroup));
  return std::unique_ptr<Observer>(new Observer(std::move(events), std::move(names)));
}

http::Answer Observer::page(const http::Request& request) {
  auto page = events_.read(after_of(request.query), kFlowsOfPage);
  auto body = flows_json(page, names_, kube::now_point(), monotonic_ns());
  return {.content_type = "application/json", .headers = {}, .body = json::serialize(body)};
}

}  // namespace weft::observe
