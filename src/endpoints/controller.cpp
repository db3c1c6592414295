#include "endpoints/controller.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <set>

#include "endpoints/endpoint.h"
#include "endpoints/plan.h"
#include "endpoints/slice_cache.h"
#include "endpoints/trigger_time.h"
#include "kube/client/events.h"
#include "kube/client/informer.h"
#include "kube/client/work_queue.h"
#include "kube/codec.h"
#include "kube/selector.h"

namespace weft::endpoints {

using asio::awaitable;
using kube::object_key;
using ServicePtr = std::shared_ptr<const kube::Service>;
using NodePtr = std::shared_ptr<const kube::Node>;

namespace {

constexpr const char* kByLabel = "label";    ///< of pods: "namespace/key=value" of each label
constexpr const char* kBySelect = "select";  ///< of Services: the same of one pair of the selector
constexpr const char* kByNode = "node";      ///< of pods: the node's name
constexpr std::chrono::milliseconds kSettle{20};

std::string label_key(const std::string& ns, const std::pair<const std::string, std::string>& label) {
  return fmt::format("{}/{}={}", ns, label.first, label.second);
}

std::vector<std::string> labels_of(const kube::Pod& pod) {
  std::vector<std::string> out;
  for (const auto& label : pod.metadata.labels) out.push_back(label_key(pod.metadata.namespace_, label));
  return out;
}

std::vector<std::string> first_selected(const kube::Service& service) {
  if (!has_slices(service)) return {};
  return {label_key(service.metadata.namespace_, *service.spec.selector.begin())};
}

}  // namespace

struct Controller::Impl : std::enable_shared_from_this<Impl> {
  explicit Impl(kube::Client& c)
      : client(c), services(c), pods(c), nodes(c), slices(c), events(c, "endpoint-slice-controller") {}

  void start();
  void wire();
  template <class T>
  void follow(kube::Informer<T>& informer);

  void on_pod(const PodPtr& before, const PodPtr& after);
  void on_node(const NodePtr& before, const NodePtr& after);
  void add_services_of(const kube::Pod& pod);

  std::vector<PodPtr> pods_of(const kube::Service& service) const;
  awaitable<bool> look_at(std::string service_key);
  awaitable<Expected<void>> carry_out(Plan plan);
  awaitable<Expected<void>> create(kube::EndpointSlice slice);
  awaitable<Expected<void>> update(kube::EndpointSlice slice);
  awaitable<Expected<void>> remove(SlicePtr slice);
  bool report(const kube::Service& service, const Error& error);

  kube::Client& client;
  kube::Informer<kube::Service> services;
  kube::Informer<kube::Pod> pods;
  kube::Informer<kube::Node> nodes;
  SliceCache slices;
  kube::EventRecorder events;
  TriggerTimes trigger_times;
  std::unique_ptr<kube::WorkQueue> queue;
  Counters counters;
  int unsynced = 4;
  bool stopped = false;
};

void Controller::Impl::wire() {
  pods.add_index(kByLabel, labels_of);
  pods.add_index(kByNode, [](const kube::Pod& pod) { return std::vector{pod.spec.nodeName}; });
  services.add_index(kBySelect, first_selected);
  services.on_change([this](const ServicePtr& before, const ServicePtr& after) {
    if (before && after && before->spec == after->spec && before->metadata.labels == after->metadata.labels &&
        before->metadata.annotations == after->metadata.annotations &&
        before->metadata.uid == after->metadata.uid &&
        before->metadata.deletionTimestamp == after->metadata.deletionTimestamp)
      return;
    queue->add(object_key((after ? after : before)->metadata));
  });
  pods.on_change([this](const PodPtr& before, const PodPtr& after) { on_pod(before, after); });
  nodes.on_change([this](const NodePtr& before, const NodePtr& after) { on_node(before, after); });
  slices.informer().on_change([this](const SlicePtr& before, const SlicePtr& after) {
    for (const auto& key : slices.on_change(before, after)) queue->add(key);
  });
}

void Controller::Impl::on_pod(const PodPtr& before, const PodPtr& after) {
  if (before && after && !differs_for_endpoints(*before, *after)) return;
  if (before) add_services_of(*before);
  if (after && !(before && before->metadata.labels == after->metadata.labels)) add_services_of(*after);
}

void Controller::Impl::add_services_of(const kube::Pod& pod) {
  for (const auto& label : labels_of(pod)) {
    for (const auto& service : services.by_index(kBySelect, label)) {
      if (kube::Selector::from(service->spec.selector).matches(pod.metadata.labels))
        queue->add(object_key(service->metadata));
    }
  }
}

/// A node matters by being there and by its zone; its heartbeats do not.
void Controller::Impl::on_node(const NodePtr& before, const NodePtr& after) {
  if (before && after && zone_of(*before) == zone_of(*after)) return;
  for (const auto& pod : pods.by_index(kByNode, (after ? after : before)->metadata.name))
    add_services_of(*pod);
}

/// Of the labels that the selector asks for, the rarest leads to the pods.
std::vector<PodPtr> Controller::Impl::pods_of(const kube::Service& service) const {
  std::string rarest;
  size_t fewest = SIZE_MAX;
  for (const auto& label : service.spec.selector) {
    auto key = label_key(service.metadata.namespace_, label);
    if (auto count = pods.count_by_index(kByLabel, key); count < fewest) {
      fewest = count;
      rarest = std::move(key);
    }
  }
  auto out = pods.by_index(kByLabel, rarest);
  auto selector = kube::Selector::from(service.spec.selector);
  std::erase_if(out, [&](const PodPtr& pod) { return !selector.matches(pod->metadata.labels); });
  return out;
}

awaitable<bool> Controller::Impl::look_at(std::string service_key) {
  auto service = services.get(service_key);
  if (!service) {
    // Its slices go with it: the garbage collector follows their owner reference.
    trigger_times.forget(service_key);
    co_return true;
  }
  if (!has_slices(*service)) co_return true;
  ++counters.looks;
  auto selected = pods_of(*service);
  auto time = trigger_times.compute(service_key, *service, selected);
  auto plan = plan_slices({
      .service = *service,
      .pods = std::move(selected),
      .node = [this](const std::string& name) { return nodes.get(name).get(); },
      .slices = slices.of_service(service_key),
      .trigger_time = std::move(time),
  });
  for (const auto& left : plan.left_out)
    spdlog::debug("{}: pod {} is left out: {}", service_key, left.pod->metadata.name, left.why);
  if (plan.empty()) co_return true;
  auto done = co_await carry_out(std::move(plan));
  co_return done ? true : report(*service, done.error());
}

awaitable<Expected<void>> Controller::Impl::carry_out(Plan plan) {
  for (auto& slice : plan.create) WEFT_CO_CHECK(co_await create(std::move(slice)));
  for (auto& slice : plan.update) WEFT_CO_CHECK(co_await update(std::move(slice)));
  for (auto& slice : plan.remove) WEFT_CO_CHECK(co_await remove(std::move(slice)));
  co_return Expected<void>{};
}

awaitable<Expected<void>> Controller::Impl::create(kube::EndpointSlice slice) {
  const auto& resource = kube::resource_of<kube::EndpointSlice>();
  WEFT_CO_TRY(auto answer, co_await client.create(resource, slice.metadata.namespace_, kube::encode(slice)));
  ++counters.created;
  WEFT_CO_TRY(auto written, kube::decode<kube::EndpointSlice>(answer));
  slices.wrote(std::make_shared<const kube::EndpointSlice>(std::move(written)));
  co_return Expected<void>{};
}

awaitable<Expected<void>> Controller::Impl::update(kube::EndpointSlice slice) {
  const auto& resource = kube::resource_of<kube::EndpointSlice>();
  auto answer =
      co_await client.update(resource, slice.metadata.namespace_, slice.metadata.name, kube::encode(slice));
  if (!answer) {
    slices.forget(object_key(slice.metadata));
    co_return std::unexpected(answer.error());
  }
  ++counters.updated;
  WEFT_CO_TRY(auto written, kube::decode<kube::EndpointSlice>(*answer));
  slices.wrote(std::make_shared<const kube::EndpointSlice>(std::move(written)));
  co_return Expected<void>{};
}

awaitable<Expected<void>> Controller::Impl::remove(SlicePtr slice) {
  const auto& meta = slice->metadata;
  json::value options{{"preconditions", {{"uid", meta.uid}}}};
  auto answer = co_await client.remove(kube::resource_of<kube::EndpointSlice>(), meta.namespace_, meta.name,
                                       std::move(options));
  if (!answer && answer.error().code != ErrorCode::not_found) {
    slices.forget(object_key(meta));
    co_return std::unexpected(answer.error());
  }
  ++counters.removed;
  slices.removed(slice);
  co_return Expected<void>{};
}

/// Whether that is the end of it, for the queue.
bool Controller::Impl::report(const kube::Service& service, const Error& error) {
  ++counters.failed;
  // The watch is about to show what we did not know.
  if (error.code == ErrorCode::conflict || error.code == ErrorCode::not_found) return false;
  // Nothing can be created in a namespace that goes, and nothing needs to be.
  if (error.code == ErrorCode::forbidden && error.message.find("being terminated") != std::string::npos)
    return true;
  auto message = fmt::format("Error updating Endpoint Slices for Service {}: {}",
                             object_key(service.metadata), error.message);
  spdlog::warn("{}", message);
  events.record(kube::reference_to(kube::resource_of<kube::Service>(), service.metadata),
                kube::EventRecorder::Type::warning, "FailedToUpdateEndpointSlices", std::move(message));
  return false;
}

template <class T>
void Controller::Impl::follow(kube::Informer<T>& informer) {
  informer.on_synced([this] {
    if (--unsynced > 0) return;
    spdlog::info("endpoints: {} Services, {} Pods, {} Nodes, {} EndpointSlices", services.items().size(),
                 pods.items().size(), nodes.items().size(), slices.informer().items().size());
    if (!stopped) queue->start();
  });
  auto run = [](std::shared_ptr<Impl>, kube::Informer<T>* watched) -> awaitable<void> {
    co_await watched->run();
  };
  asio::co_spawn(client.io(), run(shared_from_this(), &informer), asio::detached);
}

void Controller::Impl::start() {
  auto work = [weak = weak_from_this()](std::string key) -> awaitable<bool> {
    auto self = weak.lock();
    if (!self) co_return true;
    co_return co_await self->look_at(std::move(key));
  };
  queue = std::make_unique<kube::WorkQueue>(client.io(), std::move(work),
                                            kube::WorkQueue::Options{.at_once = 16, .settle = kSettle});
  wire();
  follow(services);
  follow(pods);
  follow(nodes);
  follow(slices.informer());
}

Controller::Controller(kube::Client& client) : impl_(std::make_shared<Impl>(client)) {}
Controller::~Controller() = default;
void Controller::start() { impl_->start(); }
void Controller::stop() {
  impl_->stopped = true;
  if (impl_->queue) impl_->queue->stop();
}
bool Controller::synced() const { return impl_->unsynced == 0; }
bool Controller::idle() const { return !impl_->queue || impl_->queue->idle(); }
const Controller::Counters& Controller::counters() const { return impl_->counters; }

}  // namespace weft::endpoints
