#include "standalone/workloads/node_lifecycle.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "kube/codec.h"
#include "standalone/workloads/node_lifecycle_plan.h"

namespace weft::standalone {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr Clock::duration kTick = 500ms;
constexpr const char* kLeaseNamespace = "kube-node-lease";

}  // namespace

struct NodeLifecycle::State : std::enable_shared_from_this<State> {
  explicit State(Engine& e)
      : engine(e),
        node_events(e.client, "node-controller"),
        taint_events(e.client, "taint-eviction-controller") {}

  void wire();
  void on_node(const NodePtr& before, const NodePtr& after);
  void on_pod(const PodPtr& before, const PodPtr& after);
  void on_lease(const std::shared_ptr<const kube::Lease>& lease);
  asio::awaitable<void> count_silence();
  asio::awaitable<Expected<bool>> is_silent(const kube::Node& node);
  asio::awaitable<bool> sync(std::string name);
  asio::awaitable<bool> write_node(const kube::Node& node, const NodeLifecyclePlan& plan);
  asio::awaitable<bool> write_condition(const kube::Pod& pod, kube::PodCondition condition);
  asio::awaitable<bool> evict(PodPtr pod);

  Engine& engine;
  kube::EventRecorder node_events, taint_events;
  std::shared_ptr<kube::WorkQueue> queue;
  /// How long each node has said nothing while we could have heard it.
  std::map<std::string, Clock::duration> silence;
  bool stopped = false;
};

NodeLifecycle::NodeLifecycle(Engine& engine) : state_(std::make_shared<State>(engine)) {}
NodeLifecycle::~NodeLifecycle() { state_->stopped = true; }
void NodeLifecycle::wire() { state_->wire(); }

void NodeLifecycle::start() {
  state_->queue->start();
  asio::co_spawn(
      state_->engine.client.io(), [state = state_] { return state->count_silence(); }, asio::detached);
}

void NodeLifecycle::State::wire() {
  queue = std::make_shared<kube::WorkQueue>(
      engine.client.io(), [weak = weak_from_this()](std::string name) -> asio::awaitable<bool> {
        auto self = weak.lock();
        if (!self || self->stopped) co_return true;
        co_return co_await self->sync(std::move(name));
      });
  engine.nodes.on_change([this](const NodePtr& before, const NodePtr& after) { on_node(before, after); });
  engine.pods.on_change([this](const PodPtr& before, const PodPtr& after) { on_pod(before, after); });
  engine.leases.on_change([this](const auto& before, const auto& after) {
    if (after && (!before || before->spec.renewTime != after->spec.renewTime)) on_lease(after);
  });
}

void NodeLifecycle::State::on_node(const NodePtr& before, const NodePtr& after) {
  if (!after) {
    silence.erase(before->metadata.name);
    return;
  }
  silence.try_emplace(after->metadata.name);
  queue->add(after->metadata.name);
}

/// Only pods of nodes that something is wrong with matter.
void NodeLifecycle::State::on_pod(const PodPtr&, const PodPtr& after) {
  if (!after || after->spec.nodeName.empty()) return;
  auto node = engine.nodes.get(after->spec.nodeName);
  if (node && !node->spec.taints.empty()) queue->add(node->metadata.name);
}

void NodeLifecycle::State::on_lease(const std::shared_ptr<const kube::Lease>& lease) {
  if (lease->metadata.namespace_ != kLeaseNamespace) return;
  auto it = silence.find(lease->metadata.name);
  if (it == silence.end()) return;
  if (std::exchange(it->second, Clock::duration(0)) >= kNodeGrace) queue->add(lease->metadata.name);
}

/// Time in which this program itself stood still (it was stopped, the machine slept) does not count: nobody
/// could have been heard then.
asio::awaitable<void> NodeLifecycle::State::count_silence() {
  asio::steady_timer timer(engine.client.io());
  auto last = Clock::now();
  while (!stopped) {
    timer.expires_after(kTick);
    [[maybe_unused]] auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    auto passed = std::min(Clock::now() - last, 2 * kTick);
    last = Clock::now();
    for (auto& [name, quiet] : silence) {
      bool heard = quiet < kNodeGrace;
      quiet += passed;
      if (heard && quiet >= kNodeGrace) queue->add(name);
    }
  }
}

/// A watch may be late when there is much to tell: so much hangs on a node's loss that the Lease itself is
/// asked.
asio::awaitable<Expected<bool>> NodeLifecycle::State::is_silent(const kube::Node& node) {
  const auto& name = node.metadata.name;
  auto known = engine.leases.get(kube::object_key(kLeaseNamespace, name));
  auto object = co_await engine.client.get(kube::resource_of<kube::Lease>(), kLeaseNamespace, name);
  if (!object && object.error().code == ErrorCode::not_found) co_return true;
  if (!object) co_return std::unexpected(object.error());
  WEFT_CO_TRY(auto lease, kube::decode<kube::Lease>(*object));
  if (known && known->spec.renewTime == lease.spec.renewTime) co_return true;
  silence[name] = Clock::duration(0);
  co_return false;
}

asio::awaitable<bool> NodeLifecycle::State::sync(std::string name) {
  auto node = engine.nodes.get(name);
  if (!node) co_return true;
  bool heard = silence[name] < kNodeGrace;
  if (!heard && node->spec.taints.empty()) {
    auto silent = co_await is_silent(*node);
    if (!silent) co_return false;
    heard = !*silent;
  }
  auto now = engine.context().now;
  auto plan = plan_node_lifecycle(*node, heard, engine.pods.by_index(kByNode, name), now);
  if (plan.look_again)
    queue->add_after(name, std::chrono::seconds(std::max<Seconds>(1, *plan.look_again - now)));
  // New connections leave the node before anything else happens.
  bool ok = true;
  for (const auto& pod : plan.unready) {
    auto ready = std::ranges::find(pod->status.conditions, "Ready", &kube::PodCondition::type);
    auto condition = *ready;
    condition.status = "False";
    ok &= co_await write_condition(*pod, std::move(condition));
  }
  ok &= co_await write_node(*node, plan);
  for (const auto& pod : plan.evict) ok &= co_await evict(pod);
  co_return ok;
}

asio::awaitable<bool> NodeLifecycle::State::write_node(const kube::Node& node,
                                                       const NodeLifecyclePlan& plan) {
  const auto& resource = kube::resource_of<kube::Node>();
  kube::Node wanted = node;
  wanted.status.conditions = plan.conditions;
  if (wanted.status != node.status) {
    auto written =
        co_await engine.client.update(resource, "", node.metadata.name, kube::encode(wanted), "status");
    // Mostly a conflict: the newer one is on its way.
    if (!written) co_return written.error().code == ErrorCode::not_found;
    auto stored = kube::decode<kube::Node>(*written);
    if (!stored) co_return false;
    wanted = std::move(*stored);
    for (const auto& note : plan.notes) {
      spdlog::warn("node {} is lost: its Lease is not renewed", node.metadata.name);
      node_events.record(kube::reference_to(resource, node.metadata), kube::EventRecorder::Type::normal,
                         note.reason, note.message);
    }
  }
  if (plan.taints == node.spec.taints) co_return true;
  wanted.spec.taints = plan.taints;
  auto written = co_await engine.client.update(resource, "", node.metadata.name, kube::encode(wanted));
  co_return written || written.error().code == ErrorCode::not_found;
}

/// Sets one condition of a pod, if the pod is still as we know it.
asio::awaitable<bool> NodeLifecycle::State::write_condition(const kube::Pod& pod,
                                                            kube::PodCondition condition) {
  kube::Pod wanted = pod;
  condition.lastTransitionTime = format_time(engine.context().now);
  auto& conditions = wanted.status.conditions;
  auto it = std::ranges::find(conditions, condition.type, &kube::PodCondition::type);
  if (it == conditions.end()) it = conditions.insert(conditions.end(), kube::PodCondition());
  *it = std::move(condition);
  co_return co_await engine.write_status(wanted);
}

asio::awaitable<bool> NodeLifecycle::State::evict(PodPtr pod) {
  kube::PodCondition condition;
  condition.type = "DisruptionTarget";
  condition.status = "True";
  condition.reason = "DeletionByTaintManager";
  condition.message = "Taint manager: deleting due to NoExecute taint";
  auto is_marked = [](const kube::PodCondition& c) {
    return c.type == "DisruptionTarget" && c.status == "True";
  };
  if (std::ranges::none_of(pod->status.conditions, is_marked)) {
    // The write brings the pod back here.
    co_return co_await write_condition(*pod, std::move(condition));
  }
  auto removed = co_await engine.remove(kube::resource_of<kube::Pod>(), pod->metadata);
  if (!removed) co_return false;
  taint_events.record(kube::reference_to(kube::resource_of<kube::Pod>(), pod->metadata),
                      kube::EventRecorder::Type::normal, "TaintManagerEviction",
                      "Marking for deletion Pod " + kube::object_key(pod->metadata));
  co_return true;
}

}  // namespace weft::standalone
