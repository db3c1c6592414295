#include "endpoints/mirror_controller.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "endpoints/mirror_plan.h"
#include "endpoints/slice_cache.h"
#include "kube/client/events.h"
#include "kube/client/informer.h"
#include "kube/client/work_queue.h"

namespace weft::endpoints {

using asio::awaitable;
using kube::object_key;
using EndpointsPtr = std::shared_ptr<const kube::Endpoints>;
using ServicePtr = std::shared_ptr<const kube::Service>;

namespace {

constexpr std::chrono::milliseconds kSettle{20};

bool without_selector(const ServicePtr& service) { return service && service->spec.selector.empty(); }

}  // namespace

struct MirrorController::Impl : std::enable_shared_from_this<Impl> {
  explicit Impl(kube::Client& c)
      : client(c),
        endpoints(c),
        services(c),
        slices(c, kMirrorController),
        writer(c, slices),
        events(c, "endpoint-slice-mirroring-controller") {}

  void start();
  void wire();
  template <class T>
  void follow(kube::Informer<T>& informer);

  awaitable<bool> look_at(std::string key);
  void tell_left_out(const kube::Endpoints& of, const MirrorPlan& plan);
  bool report(const EndpointsPtr& of, const std::string& key, const Error& error);

  kube::Client& client;
  kube::Informer<kube::Endpoints> endpoints;
  kube::Informer<kube::Service> services;
  SliceCache slices;
  SliceWriter writer;
  kube::EventRecorder events;
  std::unique_ptr<kube::WorkQueue> queue;
  uint64_t looks = 0;
  uint64_t failed = 0;
  int unsynced = 3;
  bool stopped = false;
};

void MirrorController::Impl::wire() {
  // Most Endpoints of a cluster are none of ours, among them the locks that change every few seconds. Those
  // whose Service is not known yet are looked at when it is.
  endpoints.on_change([this](const EndpointsPtr& before, const EndpointsPtr& after) {
    auto key = object_key((after ? after : before)->metadata);
    auto service = services.get(key);
    auto ours = [&](const EndpointsPtr& some) {
      return some && why_not_mirrored(some.get(), service.get()).empty();
    };
    if (ours(before) || ours(after)) queue->add(key);
  });
  services.on_change([this](const ServicePtr& before, const ServicePtr& after) {
    if (without_selector(before) != without_selector(after))
      queue->add(object_key((after ? after : before)->metadata));
  });
  slices.informer().on_change([this](const SlicePtr& before, const SlicePtr& after) {
    for (const auto& key : slices.on_change(before, after)) queue->add(key);
  });
}

awaitable<bool> MirrorController::Impl::look_at(std::string key) {
  auto of = endpoints.get(key);
  auto service = services.get(key);
  ++looks;
  auto plan =
      plan_mirror({.endpoints = of.get(), .service = service.get(), .slices = slices.of_service(key)});
  if (!plan.why_not.empty() && !plan.empty())
    spdlog::info("{}: {} mirrored EndpointSlices go: {}", key, plan.remove.size(), plan.why_not);
  if (of) tell_left_out(*of, plan);
  if (plan.empty()) co_return true;
  auto done = co_await writer.carry_out(std::move(plan));
  co_return done ? true : report(of, key, done.error());
}

void MirrorController::Impl::tell_left_out(const kube::Endpoints& of, const MirrorPlan& plan) {
  auto tell = [&](const char* reason, std::string message) {
    events.record(kube::reference_to(kube::resource_of<kube::Endpoints>(), of.metadata),
                  kube::EventRecorder::Type::warning, reason, std::move(message));
  };
  if (plan.invalid > 0)
    tell("InvalidIPAddress",
         fmt::format("Skipped {} invalid IP addresses when mirroring to EndpointSlices", plan.invalid));
  if (plan.over_limit > 0)
    tell("TooManyAddressesToMirror",
         fmt::format("A max of {} addresses can be mirrored to EndpointSlices per Endpoints subset. {} "
                     "addresses were skipped",
                     MirrorInput{}.most_per_subset, plan.over_limit));
}

/// Whether that is the end of it, for the queue.
bool MirrorController::Impl::report(const EndpointsPtr& of, const std::string& key, const Error& error) {
  ++failed;
  if (is_outdated(error)) return false;
  if (is_pointless(error)) return true;
  auto message = fmt::format("Error mirroring EndpointSlices for Endpoints {}: {}", key, error.message);
  spdlog::warn("{}", message);
  if (of)
    events.record(kube::reference_to(kube::resource_of<kube::Endpoints>(), of->metadata),
                  kube::EventRecorder::Type::warning, "FailedToUpdateEndpointSlices", std::move(message));
  return false;
}

template <class T>
void MirrorController::Impl::follow(kube::Informer<T>& informer) {
  informer.on_synced([this] {
    if (--unsynced > 0) return;
    spdlog::info("mirroring: {} Endpoints, {} EndpointSlices", endpoints.items().size(),
                 slices.informer().items().size());
    if (!stopped) queue->start();
  });
  auto run = [](std::shared_ptr<Impl>, kube::Informer<T>* watched) -> awaitable<void> {
    co_await watched->run();
  };
  asio::co_spawn(client.io(), run(shared_from_this(), &informer), asio::detached);
}

void MirrorController::Impl::start() {
  auto work = [weak = weak_from_this()](std::string key) -> awaitable<bool> {
    auto self = weak.lock();
    if (!self) co_return true;
    co_return co_await self->look_at(std::move(key));
  };
  queue = std::make_unique<kube::WorkQueue>(client.io(), std::move(work),
                                            kube::WorkQueue::Options{.at_once = 16, .settle = kSettle});
  wire();
  follow(endpoints);
  follow(services);
  follow(slices.informer());
}

MirrorController::MirrorController(kube::Client& client) : impl_(std::make_shared<Impl>(client)) {}
MirrorController::~MirrorController() = default;
void MirrorController::start() { impl_->start(); }
void MirrorController::stop() {
  impl_->stopped = true;
  if (impl_->queue) impl_->queue->stop();
}
bool MirrorController::synced() const { return impl_->unsynced == 0; }
bool MirrorController::idle() const { return !impl_->queue || impl_->queue->idle(); }
MirrorController::Counters MirrorController::counters() const {
  return {impl_->writer.counters(), impl_->looks, impl_->failed};
}

}  // namespace weft::endpoints
