#include "service/pool_controller.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <unordered_map>

#include "kube/client/events.h"
#include "kube/client/informer.h"
#include "kube/client/work_queue.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/time.h"
#include "service/pool_plan.h"

namespace weft::service {

using asio::awaitable;
using kube::object_key;
using ServicePtr = std::shared_ptr<const kube::Service>;
using NamespacePtr = std::shared_ptr<const kube::Namespace>;

namespace {

/// A pool's numbers change with each Service: they are written at most so often.
constexpr std::chrono::milliseconds kReportSettle{500};

/// Whether the status says already what was decided.
bool is_told(const kube::Service& service, const PoolDecision& decision) {
  const auto& ways = service.status.loadBalancer.ingress;
  return std::ranges::equal(ways, decision.addresses, [](const auto& way, const auto& want) {
    return way.ip == want.addr.str() && way.ipMode.value_or("VIP") == "VIP" && way.hostname.empty();
  });
}

json::value status_patch(const kube::Service& service, const PoolDecision& decision) {
  json::value ingress;  // null: a merge patch takes the list away
  if (!decision.addresses.empty()) {
    auto& list = ingress.emplace_array();
    for (const auto& address : decision.addresses)
      list.push_back(json::object{{"ip", address.addr.str()}, {"ipMode", "VIP"}});
  }
  json::object balancer;
  balancer["ingress"] = std::move(ingress);
  return {
      {"metadata", {{"uid", service.metadata.uid}, {"resourceVersion", service.metadata.resourceVersion}}},
      {"status", {{"loadBalancer", std::move(balancer)}}}};
}

std::string sentence(const PoolDecision& decision) {
  std::vector<std::string> parts;
  for (const auto& [addr, pool] : decision.addresses)
    parts.push_back(fmt::format("{} from AddressPool {}", addr.str(), pool));
  return fmt::format("Assigned {}", fmt::join(parts, ", "));
}

}  // namespace

struct PoolController::Impl : std::enable_shared_from_this<Impl> {
  explicit Impl(kube::Client& c)
      : client(c),
        services(c),
        namespaces(c),
        pools(c, {.namespace_ = {}, .label_selector = {}, .field_selector = {}, .may_be_absent = true}),
        events(c, "weft-address-pools") {}

  void start();
  void wire();
  template <class T>
  void follow(kube::Informer<T>& informer);
  std::unique_ptr<kube::WorkQueue> make_queue(awaitable<bool> (Impl::*work)(std::string),
                                              kube::WorkQueue::Options options);

  void act_on(const PoolPlanner::Changes& changes);
  void on_service(const ServicePtr& before, const ServicePtr& after);
  awaitable<bool> write_service(std::string key);
  awaitable<bool> write_pool(std::string name);
  void tell_problem(const kube::Service& service, const PoolDecision& decision);
  bool report(const std::string& what, const Error& error);

  kube::Client& client;
  kube::Informer<kube::Service> services;
  kube::Informer<kube::Namespace> namespaces;
  kube::Informer<kube::AddressPool> pools;
  kube::EventRecorder events;
  PoolPlanner planner;
  std::unordered_map<std::string, std::string> problems;  ///< told last, by "namespace/name"
  std::unique_ptr<kube::WorkQueue> service_queue;
  std::unique_ptr<kube::WorkQueue> pool_queue;
  Counters counters;
  int unsynced = 3;
  bool stopped = false;
};

void PoolController::Impl::act_on(const PoolPlanner::Changes& changes) {
  for (const auto& key : changes.services) service_queue->add(key);
  for (const auto& name : changes.pools) pool_queue->add(name);
}

void PoolController::Impl::on_service(const ServicePtr& before, const ServicePtr& after) {
  auto key = object_key((after ? after : before)->metadata);
  if (!after || (before && before->metadata.uid != after->metadata.uid)) problems.erase(key);
  act_on(planner.service_changed(key, after));
  const auto& decision = planner.decision(key);
  // What others have written over it is put right.
  if (after && decision.ours && !is_told(*after, decision)) service_queue->add(key);
}

void PoolController::Impl::wire() {
  services.on_change(
      [this](const ServicePtr& before, const ServicePtr& after) { on_service(before, after); });
  namespaces.on_change([this](const NamespacePtr& before, const NamespacePtr& after) {
    act_on(after ? planner.namespace_changed(after->metadata.name, after->metadata.labels)
                 : planner.namespace_gone(before->metadata.name));
  });
  pools.on_change([this](const AddressPoolPtr& before, const AddressPoolPtr& after) {
    const auto& name = (after ? after : before)->metadata.name;
    act_on(planner.pool_changed(name, after));
    pool_queue->add(name);
  });
}

awaitable<bool> PoolController::Impl::write_service(std::string key) {
  auto service = services.get(key);
  if (!service) co_return true;
  const PoolDecision decision = planner.decision(key);
  tell_problem(*service, decision);
  if (!decision.ours || is_told(*service, decision)) co_return true;
  const auto& resource = kube::resource_of<kube::Service>();
  const auto& meta = service->metadata;
  auto written = co_await client.merge_patch(resource, meta.namespace_, meta.name,
                                             status_patch(*service, decision), "status");
  if (!written) co_return report(fmt::format("Service {}: status", key), written.error());
  ++counters.written;
  auto about = kube::reference_to(resource, meta);
  using Type = kube::EventRecorder::Type;
  if (!decision.addresses.empty()) {
    events.record(about, Type::normal, "AddressAssigned", sentence(decision));
  } else if (decision.problem.empty()) {
    events.record(about, Type::normal, "AddressReleased", "It is no longer a Service for Weft's addresses");
  }
  co_return true;
}

/// Once for each message, until it changes or passes.
void PoolController::Impl::tell_problem(const kube::Service& service, const PoolDecision& decision) {
  auto key = object_key(service.metadata);
  if (decision.problem.empty()) {
    problems.erase(key);
    return;
  }
  auto& told = problems[key];
  if (told == decision.problem) return;
  told = decision.problem;
  events.record(kube::reference_to(kube::resource_of<kube::Service>(), service.metadata),
                kube::EventRecorder::Type::warning, "AddressAllocationFailed", decision.problem);
}

awaitable<bool> PoolController::Impl::write_pool(std::string name) {
  auto pool = pools.get(name);
  auto status = planner.report(name);
  if (!pool || !status) co_return true;
  auto& ready = status->conditions[0];
  ready.observedGeneration = pool->metadata.generation;
  ready.lastTransitionTime = kube::now_time();
  std::vector<kube::Condition> others;
  for (const auto& old : pool->status.conditions) {
    if (old.type != ready.type) others.push_back(old);
    if (old.type == ready.type && old.status == ready.status)
      ready.lastTransitionTime = old.lastTransitionTime;
  }
  status->conditions.insert(status->conditions.end(), others.begin(), others.end());
  if (*status == pool->status) co_return true;
  json::value patch{{"metadata", {{"resourceVersion", pool->metadata.resourceVersion}}},
                    {"status", kube::encode(*status)}};
  auto written = co_await client.merge_patch(kube::resource_of<kube::AddressPool>(), "", name,
                                             std::move(patch), "status");
  co_return written ? true : report(fmt::format("AddressPool {}: status", name), written.error());
}

/// Whether that is the end of it, for the queue.
bool PoolController::Impl::report(const std::string& what, const Error& error) {
  if (error.code == ErrorCode::not_found) return true;
  ++counters.failed;
  if (error.code != ErrorCode::conflict) spdlog::warn("{}: {}", what, error.message);
  return false;
}

template <class T>
void PoolController::Impl::follow(kube::Informer<T>& informer) {
  informer.on_synced([this] {
    if (--unsynced > 0) return;
    spdlog::info("address pools: {} pools, {} Services", pools.items().size(), services.items().size());
    act_on(planner.begin());
    if (stopped) return;
    service_queue->start();
    pool_queue->start();
  });
  auto run = [](std::shared_ptr<Impl>, kube::Informer<T>* watched) -> awaitable<void> {
    co_await watched->run();
  };
  asio::co_spawn(client.io(), run(shared_from_this(), &informer), asio::detached);
}

std::unique_ptr<kube::WorkQueue> PoolController::Impl::make_queue(awaitable<bool> (Impl::*work)(std::string),
                                                                  kube::WorkQueue::Options options) {
  auto turn = [weak = weak_from_this(), work](std::string key) -> awaitable<bool> {
    auto self = weak.lock();
    if (!self) co_return true;
    co_return co_await (self.get()->*work)(std::move(key));
  };
  return std::make_unique<kube::WorkQueue>(client.io(), std::move(turn), options);
}

void PoolController::Impl::start() {
  service_queue = make_queue(&Impl::write_service, {.at_once = 16});
  pool_queue = make_queue(&Impl::write_pool, {.at_once = 4, .settle = kReportSettle});
  wire();
  follow(services);
  follow(namespaces);
  follow(pools);
}

PoolController::PoolController(kube::Client& client) : impl_(std::make_shared<Impl>(client)) {}
PoolController::~PoolController() = default;
void PoolController::start() { impl_->start(); }
void PoolController::stop() {
  impl_->stopped = true;
  if (impl_->service_queue) impl_->service_queue->stop();
  if (impl_->pool_queue) impl_->pool_queue->stop();
}
bool PoolController::synced() const { return impl_->unsynced == 0; }
bool PoolController::idle() const {
  return !impl_->service_queue || (impl_->service_queue->idle() && impl_->pool_queue->idle());
}
PoolController::Counters PoolController::counters() const { return impl_->counters; }

}  // namespace weft::service
