#include "endpoints/controller.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <set>

#include "endpoints/endpoint.h"
#include "endpoints/plan.h"
#include "endpoints/slice_cache.h"
#include "endpoints/slice_writer.h"
#include "endpoints/trigger_time.h"
#include "kube/client/events.h"
#include "kube/client/informer.h"
#include "kube/client/work_queue.h"
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
      : client(c),
        services(c),
        pods(c),
        nodes(c),
        slices(c, kController),
        writer(c, slices),
        events(c, "endpoint-slice-controller") {}

  void start();
  void wire();
  template <class T>
  void follow(kube::Informer<T>& informer);

  void on_pod(const PodPtr& before, const PodPtr& after);
  void on_node(const NodePtr& before, const NodePtr& after);
  void add_services_of(const kube::Pod& pod);
  void share_zones();
  void tell_of_hints(const kube::Service& service, const Plan& plan);

  std::vector<PodPtr> pods_of(const kube::Service& service) const;
  awaitable<bool> look_at(std::string service_key);
  bool report(const kube::Service& service, const Error& error);

  kube::Client& client;
  kube::Informer<kube::Service> services;
  kube::Informer<kube::Pod> pods;
  kube::Informer<kube::Node> nodes;
  SliceCache slices;
  SliceWriter writer;
  kube::EventRecorder events;
  TriggerTimes trigger_times;
  ZoneShares zone_shares;
  /// By Service and family: why it has no zone hints, "" if it has them.
  std::map<std::string, std::map<std::string, std::string>> hints_told;
  std::unique_ptr<kube::WorkQueue> queue;
  uint64_t looks = 0;
  uint64_t failed = 0;
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

/// A node matters by being there, by its zone, and by what it adds to that; its heartbeats do not.
void Controller::Impl::on_node(const NodePtr& before, const NodePtr& after) {
  share_zones();
  if (before && after && zone_of(*before) == zone_of(*after)) return;
  for (const auto& pod : pods.by_index(kByNode, (after ? after : before)->metadata.name))
    add_services_of(*pod);
}

/// Services that share their endpoints out among zones do so anew when zones' shares have changed.
void Controller::Impl::share_zones() {
  std::vector<NodePtr> all;
  for (const auto& [name, node] : nodes.items()) all.push_back(node);
  auto now = endpoints::zone_shares(all);
  if (now == std::exchange(zone_shares, now)) return;
  for (const auto& [key, service] : services.items()) {
    if (wants_zone_hints(*service)) queue->add(key);
  }
}

/// Tells once how it is, and when that changes.
void Controller::Impl::tell_of_hints(const kube::Service& service, const Plan& plan) {
  auto key = object_key(service.metadata);
  if (!wants_zone_hints(service)) {
    hints_told.erase(key);
    return;
  }
  using Type = kube::EventRecorder::Type;
  auto about = kube::reference_to(kube::resource_of<kube::Service>(), service.metadata);
  for (const auto& family : families_of(service)) {
    auto at = plan.without_hints.find(family);
    auto why = at == plan.without_hints.end() ? std::string() : at->second;
    auto [told, first] = hints_told[key].try_emplace(family);
    if (!first && told->second == why) continue;
    told->second = why;
    if (why.empty())
      events.record(about, Type::normal, "TopologyAwareHintsEnabled",
                    "Topology Aware Hints has been enabled, addressType: " + family);
    else
      events.record(about, Type::warning, "TopologyAwareHintsDisabled", why + ", addressType: " + family);
  }
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
    hints_told.erase(service_key);
    co_return true;
  }
  if (!has_slices(*service)) co_return true;
  ++looks;
  auto selected = pods_of(*service);
  auto time = trigger_times.compute(service_key, *service, selected);
  auto plan = plan_slices({
      .service = *service,
      .pods = std::move(selected),
      .node = [this](const std::string& name) { return nodes.get(name).get(); },
      .slices = slices.of_service(service_key),
      .trigger_time = std::move(time),
      .zone_shares = zone_shares,
  });
  tell_of_hints(*service, plan);
  for (const auto& left : plan.left_out)
    spdlog::debug("{}: pod {} is left out: {}", service_key, left.pod->metadata.name, left.why);
  if (plan.empty()) co_return true;
  auto done = co_await writer.carry_out(std::move(plan));
  co_return done ? true : report(*service, done.error());
}

/// Whether that is the end of it, for the queue.
bool Controller::Impl::report(const kube::Service& service, const Error& error) {
  ++failed;
  if (is_outdated(error)) return false;
  if (is_pointless(error)) return true;
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
Controller::Counters Controller::counters() const {
  return {impl_->writer.counters(), impl_->looks, impl_->failed};
}

}  // namespace weft::endpoints
