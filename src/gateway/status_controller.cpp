#include "gateway/status_controller.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <optional>

#include "gateway/conditions.h"
#include "gateway/follower.h"
#include "kube/client/work_queue.h"
#include "kube/codec.h"
#include "kube/time.h"

namespace weft::gateway {

using asio::awaitable;

namespace {

std::string queue_key(const ObjectName& name) { return name.first + "/" + name.second; }

// What an object's status is to be, with the times that it has already; nothing: none of our business.

/// Of a GatewayClass or an XMesh.
std::optional<kube::GatewayClassStatus> with_features(const kube::GatewayClassStatus* ours,
                                                      const kube::GatewayClassStatus& current,
                                                      const kube::Time& now) {
  if (!ours) return {};
  auto out = current;
  out.supportedFeatures = ours->supportedFeatures;
  out.conditions = merge_conditions(current.conditions, ours->conditions, now);
  return out;
}

std::optional<kube::GatewayClassStatus> wanted(const GatewayPlan& plan, const kube::GatewayClass& object,
                                               const kube::Time& now) {
  return with_features(plan.class_status(object.metadata.name), object.status, now);
}

std::optional<kube::GatewayClassStatus> wanted(const GatewayPlan& plan, const kube::XMesh& object,
                                               const kube::Time& now) {
  return with_features(plan.mesh_status(object.metadata.name), object.status, now);
}

/// Of a Gateway or a ListenerSet.
template <class Status>
std::optional<Status> with_times(const Status* ours, const Status& current, const kube::Time& now) {
  if (!ours) return {};
  auto out = *ours;
  out.unknown = current.unknown;
  out.conditions = merge_conditions(current.conditions, ours->conditions, now);
  out.listeners = merge_listeners(current.listeners, ours->listeners, now);
  return out;
}

std::optional<kube::GatewayStatus> wanted(const GatewayPlan& plan, const kube::Gateway& object,
                                          const kube::Time& now) {
  return with_times(plan.gateway_status(kube::object_key(object.metadata)), object.status, now);
}

std::optional<kube::ListenerSetStatus> wanted(const GatewayPlan& plan, const kube::ListenerSet& object,
                                              const kube::Time& now) {
  return with_times(plan.set_status(kube::object_key(object.metadata)), object.status, now);
}

std::optional<kube::PolicyStatus> wanted(const GatewayPlan& plan, const kube::BackendTLSPolicy& object,
                                         const kube::Time& now) {
  auto out = object.status;
  out.ancestors =
      merge_ancestors(object.status.ancestors, plan.policy_ancestors(kube::object_key(object.metadata)), now);
  return out;
}

std::optional<kube::IngressStatus> wanted(const GatewayPlan& plan, const kube::Ingress& object,
                                          const kube::Time&) {
  const auto* ours = plan.ingress_status(kube::object_key(object.metadata));
  return ours ? std::optional(*ours) : std::nullopt;
}

/// A route.
template <class Route>
std::optional<kube::RouteStatus> wanted(const GatewayPlan& plan, const Route& object, const kube::Time& now) {
  auto out = object.status;
  out.parents = merge_parents(
      object.status.parents,
      plan.route_parents(kube::resource_of<Route>().kind, kube::object_key(object.metadata)), now);
  return out;
}

}  // namespace

struct StatusController::Impl : std::enable_shared_from_this<Impl> {
  Impl(kube::Client& c, Options o) : client(c), options(std::move(o)) {}

  void start();
  void on_changes(const PlanChanges& changes);
  awaitable<bool> work(std::string key);
  template <class T>
  awaitable<bool> write(std::string key);
  bool report(const std::string& what, const Error& error);

  kube::Client& client;
  Options options;
  std::unique_ptr<Follower> follower;
  std::unique_ptr<kube::WorkQueue> queue;
  Counters counters;
  bool complete = false;
};

void StatusController::Impl::on_changes(const PlanChanges& changes) {
  for (const auto& name : changes.statuses) queue->add(queue_key(name));
  if (options.on_entrance) {
    for (const auto& gateway : changes.entrances)
      options.on_entrance(gateway, follower->plan().entrance(gateway));
  }
  if (std::exchange(complete, true)) return;
  queue->start();
  if (options.on_complete) options.on_complete();
}

template <class T>
awaitable<bool> StatusController::Impl::write(std::string key) {
  auto object = follower->get<T>(key);
  if (!object) co_return true;
  auto status = wanted(follower->plan(), *object, kube::now_time());
  if (!status || *status == object->status) co_return true;
  T next = *object;
  next.status = std::move(*status);
  const auto& resource = kube::resource_of<T>();
  auto written = co_await client.update(resource, next.metadata.namespace_, next.metadata.name,
                                        kube::encode(next), "status");
  if (!written) co_return report(fmt::format("{} {}: status", resource.kind, key), written.error());
  ++counters.written;
  co_return true;
}

awaitable<bool> StatusController::Impl::work(std::string name) {
  auto slash = name.find('/');
  auto kind = name.substr(0, slash);
  auto key = name.substr(slash + 1);
  if (kind == "GatewayClass") co_return co_await write<kube::GatewayClass>(key);
  if (kind == "XMesh") co_return co_await write<kube::XMesh>(key);
  if (kind == "Gateway") co_return co_await write<kube::Gateway>(key);
  if (kind == "ListenerSet") co_return co_await write<kube::ListenerSet>(key);
  if (kind == "HTTPRoute") co_return co_await write<kube::HTTPRoute>(key);
  if (kind == "GRPCRoute") co_return co_await write<kube::GRPCRoute>(key);
  if (kind == "TLSRoute") co_return co_await write<kube::TLSRoute>(key);
  if (kind == "TCPRoute") co_return co_await write<kube::TCPRoute>(key);
  if (kind == "UDPRoute") co_return co_await write<kube::UDPRoute>(key);
  if (kind == "BackendTLSPolicy") co_return co_await write<kube::BackendTLSPolicy>(key);
  co_return co_await write<kube::Ingress>(key);
}

/// Whether that is the end of it, for the queue.
bool StatusController::Impl::report(const std::string& what, const Error& error) {
  if (error.code == ErrorCode::not_found) return true;
  ++counters.failed;
  if (error.code != ErrorCode::conflict) spdlog::warn("{}: {}", what, error.message);
  return false;
}

void StatusController::Impl::start() {
  auto turn = [weak = weak_from_this()](std::string key) -> awaitable<bool> {
    auto self = weak.lock();
    if (!self) co_return true;
    co_return co_await self->work(std::move(key));
  };
  queue = std::make_unique<kube::WorkQueue>(client.io(), std::move(turn),
                                            kube::WorkQueue::Options{.at_once = 16});
  auto changed = [weak = weak_from_this()](const PlanChanges& changes) {
    if (auto self = weak.lock()) self->on_changes(changes);
  };
  // What others have written over it is put right.
  auto object = [weak = weak_from_this()](const ObjectName& name) {
    if (auto self = weak.lock()) self->queue->add(queue_key(name));
  };
  follower = std::make_unique<Follower>(
      client, Follower::Options{.on_changes = std::move(changed), .on_object = std::move(object)});
  follower->start();
}

StatusController::StatusController(kube::Client& client, Options options)
    : impl_(std::make_shared<Impl>(client, std::move(options))) {}
StatusController::~StatusController() = default;
void StatusController::start() { impl_->start(); }
void StatusController::stop() {
  if (impl_->follower) impl_->follower->stop();
  if (impl_->queue) impl_->queue->stop();
}
bool StatusController::synced() const { return impl_->follower && impl_->follower->synced(); }
bool StatusController::idle() const { return !impl_->queue || impl_->queue->idle(); }
StatusController::Counters StatusController::counters() const { return impl_->counters; }

}  // namespace weft::gateway
