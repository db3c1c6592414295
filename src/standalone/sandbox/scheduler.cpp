#include "standalone/sandbox/scheduler.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "kube/time.h"

namespace weft::standalone::sandbox {

using PodPtr = std::shared_ptr<const kube::Pod>;
using NodePtr = std::shared_ptr<const kube::Node>;
using namespace std::chrono_literals;

namespace {

bool wants_node(const kube::Pod& pod) {
  const auto& scheduler = pod.spec.schedulerName;
  return pod.spec.nodeName.empty() && !pod.metadata.deletionTimestamp && pod.spec.schedulingGates.empty() &&
         (scheduler.empty() || scheduler == "default-scheduler");
}

/// Takes room for a pod, and gives it back.
void add(NodeLoad& load, const kube::Pod& pod) {
  ++load.pods;
  for (auto& port : host_ports(pod)) load.ports.insert(std::move(port));
}

void remove(NodeLoad& load, const kube::Pod& pod) {
  --load.pods;
  for (const auto& port : host_ports(pod)) {
    if (auto at = load.ports.find(port); at != load.ports.end()) load.ports.erase(at);
  }
}

bool counts(const kube::Pod& pod) {
  return !pod.spec.nodeName.empty() && pod.status.phase != "Succeeded" && pod.status.phase != "Failed";
}

}  // namespace

struct Scheduler::State : std::enable_shared_from_this<State> {
  explicit State(kube::Client& c) : client(c), events(c, "default-scheduler") {}

  void schedule_soon() {
    if (!started || std::exchange(scheduled, true)) return;
    asio::post(client.io(), [self = shared_from_this()] {
      self->scheduled = false;
      if (!self->stopped) self->place_all();
    });
  }
  void place_all();
  void refuse(const PodPtr& pod, const std::string& why);
  asio::awaitable<void> bind(PodPtr pod, std::string node);
  asio::awaitable<Expected<void>> post_binding(const kube::Pod& pod, const std::string& node);
  kube::ObjectReference about(const kube::Pod& pod) const {
    return kube::reference_to(kube::resource_of<kube::Pod>(), pod.metadata);
  }

  kube::Client& client;
  kube::EventRecorder events;
  std::map<std::string, NodePtr> nodes;
  std::map<std::string, NodeLoad> loads;       ///< by node, pods being bound included
  std::map<std::string, PodPtr> waiting;       ///< by uid
  std::map<std::string, std::string> refused;  ///< uid to the reason that was told last
  std::set<std::string> binding;
  bool started = false, scheduled = false, stopped = false;
};

Scheduler::Scheduler(kube::Client& client) : state_(std::make_shared<State>(client)) {}
Scheduler::~Scheduler() { state_->stopped = true; }

void Scheduler::start() {
  state_->started = true;
  state_->schedule_soon();
}

void Scheduler::on_node(const NodePtr& before, const NodePtr& after) {
  auto& s = *state_;
  if (after) {
    s.nodes[after->metadata.name] = after;
  } else {
    s.nodes.erase(before->metadata.name);
  }
  if (!s.waiting.empty()) s.schedule_soon();
}

void Scheduler::on_pod(const PodPtr& before, const PodPtr& after) {
  auto& s = *state_;
  const auto& uid = (after ? after : before)->metadata.uid;
  bool counted = before && counts(*before), counts_now = after && counts(*after);
  // A pod we are binding was counted when its place was chosen.
  if (!counted && counts_now && !s.binding.contains(uid)) add(s.loads[after->spec.nodeName], *after);
  if (counted && !counts_now) remove(s.loads[before->spec.nodeName], *before);
  if (before && (!after || before->metadata.uid != uid)) s.waiting.erase(before->metadata.uid);
  if (after && wants_node(*after)) {
    if (s.binding.contains(uid)) return;
    s.waiting[uid] = after;
    return s.schedule_soon();
  }
  s.waiting.erase(uid);
  s.refused.erase(uid);
  if (counted && !counts_now && !s.waiting.empty()) s.schedule_soon();
}

void Scheduler::State::place_all() {
  std::vector<NodeLoad> candidates;
  for (const auto& [name, node] : nodes) {
    candidates.push_back(loads[name]);
    candidates.back().node = node;
  }
  std::erase_if(waiting, [&](const auto& item) {
    const auto& [uid, pod] = item;
    auto placement = place_pod(*pod, candidates);
    if (placement.node.empty()) {
      refuse(pod, placement.why);
      return false;
    }
    for (auto& candidate : candidates) {
      if (candidate.node->metadata.name == placement.node) add(candidate, *pod);
    }
    add(loads[placement.node], *pod);
    binding.insert(uid);
    asio::co_spawn(
        client.io(),
        [self = shared_from_this(), pod = pod, node = placement.node] { return self->bind(pod, node); },
        asio::detached);
    return true;
  });
}

void Scheduler::State::refuse(const PodPtr& pod, const std::string& why) {
  if (std::exchange(refused[pod->metadata.uid], why) == why) return;
  events.record(about(*pod), kube::EventRecorder::Type::warning, "FailedScheduling", why);
  json::object condition{{"type", "PodScheduled"},
                         {"status", "False"},
                         {"reason", "Unschedulable"},
                         {"message", why},
                         {"lastTransitionTime", kube::now_time()}};
  json::object patch{{"metadata", {{"uid", pod->metadata.uid}}},
                     {"status", {{"phase", "Pending"}, {"conditions", json::array{condition}}}}};
  auto write = [self = shared_from_this(), pod, patch = std::move(patch)]() -> asio::awaitable<void> {
    auto done = co_await self->client.merge_patch(kube::resource_of<kube::Pod>(), pod->metadata.namespace_,
                                                  pod->metadata.name, patch, "status");
    if (!done) spdlog::debug("pod {}: {}", pod->metadata.name, done.error().message);
  };
  asio::co_spawn(client.io(), std::move(write), asio::detached);
}

asio::awaitable<Expected<void>> Scheduler::State::post_binding(const kube::Pod& pod,
                                                               const std::string& node) {
  auto path =
      kube::resource_of<kube::Pod>().object_path(pod.metadata.namespace_, pod.metadata.name) + "/binding";
  json::object body{
      {"apiVersion", "v1"},
      {"kind", "Binding"},
      {"metadata",
       {{"name", pod.metadata.name}, {"namespace", pod.metadata.namespace_}, {"uid", pod.metadata.uid}}},
      {"target", {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node}}}};
  auto done = co_await client.request("POST", path, std::move(body));
  auto code = done ? ErrorCode::internal : done.error().code;
  if (code == ErrorCode::not_found || code == ErrorCode::method_not_allowed) {
    // The pod is gone, or this server has no such subresource; the next answer tells.
    json::object patch{{"metadata", {{"uid", pod.metadata.uid}}}, {"spec", {{"nodeName", node}}}};
    done = co_await client.merge_patch(kube::resource_of<kube::Pod>(), pod.metadata.namespace_,
                                       pod.metadata.name, std::move(patch));
  }
  if (!done) co_return std::unexpected(done.error());
  co_return Expected<void>{};
}

asio::awaitable<void> Scheduler::State::bind(PodPtr pod, std::string node) {
  const auto uid = pod->metadata.uid;
  auto done = co_await post_binding(*pod, node);
  if (stopped) co_return;
  if (done) {
    events.record(
        about(*pod), kube::EventRecorder::Type::normal, "Scheduled",
        fmt::format("Successfully assigned {}/{} to {}", pod->metadata.namespace_, pod->metadata.name, node));
    binding.erase(uid);
    co_return;
  }
  remove(loads[node], *pod);
  bool lost = done.error().code == ErrorCode::not_found || done.error().code == ErrorCode::conflict;
  if (!lost) {
    spdlog::warn("bind pod {}/{} to {}: {}", pod->metadata.namespace_, pod->metadata.name, node,
                 done.error().message);
    asio::steady_timer timer(client.io(), 500ms);
    [[maybe_unused]] auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (stopped) co_return;
    waiting[uid] = pod;
  }
  binding.erase(uid);
  schedule_soon();
}

}  // namespace weft::standalone::sandbox
