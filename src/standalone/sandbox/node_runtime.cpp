#include "standalone/sandbox/node_runtime.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <set>

#include "base/netns.h"
#include "standalone/sandbox/cgroup.h"

namespace weft::standalone::sandbox {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr int kCgroupTimeoutMs = 2000;

bool has_ended(const kube::Pod& pod) {
  return pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
}

}  // namespace

NodeRuntime::NodeRuntime(kube::Client& client, NodeContext node, CniCalls cni, ConfigOf config,
                         ContainerRegistry& registry, StatusWriter& statuses)
    : client_(client),
      node_(std::move(node)),
      config_(std::move(config)),
      registry_(registry),
      statuses_(statuses),
      events_(client, "kubelet", node_.name),
      network_(std::make_unique<PodNetwork>(client.io(), std::move(cni), node_.cni_socket)) {}

NodeRuntime::~NodeRuntime() = default;

void NodeRuntime::put(const std::shared_ptr<const kube::Pod>& pod) {
  if (away_) return;
  auto it = runners_.find(pod->metadata.uid);
  if (it != runners_.end()) {
    it->second->update(pod);
    return statuses_.observe(*pod);
  }
  if (has_ended(*pod)) {
    // It ended under an earlier run; there is nothing to do but to let it go.
    if (pod->metadata.deletionTimestamp) statuses_.remove(*pod);
    return;
  }
  auto runner = std::make_shared<PodRunner>(*this, pod);
  runners_[pod->metadata.uid] = runner;
  runner->start();
}

void NodeRuntime::gone(const kube::Pod& pod) {
  if (away_) return;
  statuses_.forget(pod.metadata.uid);
  auto it = runners_.find(pod.metadata.uid);
  if (it != runners_.end()) it->second->object_gone();
}

void NodeRuntime::config_changed(const std::string& kind, const std::string& ns, const std::string& name) {
  if (away_) return;
  for (const auto& [uid, runner] : runners_) {
    const auto& pod = runner->pod();
    if (pod.metadata.namespace_ == ns && refers_to(pod.spec, kind, name)) runner->config_changed();
  }
}

void NodeRuntime::go_away() {
  away_ = true;
  statuses_.hold(node_.name, true);
}

void NodeRuntime::come_back(const std::vector<std::shared_ptr<const kube::Pod>>& pods) {
  away_ = false;
  std::set<std::string> there;
  for (const auto& pod : pods) there.insert(pod->metadata.uid);
  for (const auto& [uid, runner] : runners_) {
    if (there.contains(uid)) {
      runner->config_changed();
    } else {
      gone(runner->pod());
    }
  }
  for (const auto& pod : pods) put(pod);
  statuses_.hold(node_.name, false);
}

void NodeRuntime::stop() {
  for (auto& [uid, runner] : runners_) runner->abandon();
  network_.reset();
  if (auto ended = destroy_cgroup(node_.cgroup + "/pods", kCgroupTimeoutMs); !ended)
    spdlog::warn("{}", ended.error().message);
  for (auto& [uid, runner] : runners_) {
    const auto& pod = runner->pod();
    registry_.set(pod.metadata.namespace_ + "/" + pod.metadata.name, {});
    if (pod.spec.hostNetwork) continue;
    if (auto removed = remove_netns(runner->identity().netns); !removed)
      spdlog::warn("{}", removed.error().message);
  }
  runners_.clear();
}

void NodeRuntime::attach_network(const PodIdentity& pod, Attached done) {
  network_->attach(pod, std::move(done));
}

void NodeRuntime::detach_network(const PodIdentity& pod, Detached done) {
  network_->detach(pod, std::move(done));
}

void NodeRuntime::publish(const kube::Pod& pod, kube::PodStatus status) { statuses_.write(pod, status); }

void NodeRuntime::event(const kube::Pod& pod, const std::string& field, bool warning,
                        const std::string& reason, const std::string& message) {
  if (away_) return;
  auto about = kube::reference_to(kube::resource_of<kube::Pod>(), pod.metadata);
  about.fieldPath = field;
  auto type = warning ? kube::EventRecorder::Type::warning : kube::EventRecorder::Type::normal;
  events_.record(about, type, reason, message);
}

void NodeRuntime::finished(const kube::Pod& pod) {
  if (pod.metadata.deletionTimestamp) statuses_.remove(pod);
  // The runner is on the stack above us.
  asio::post(io(), [this, uid = pod.metadata.uid] { runners_.erase(uid); });
}

void remove_leftovers(const NodeContext& node, const CniCalls& cni) {
  if (auto ended = destroy_cgroup(node.cgroup + "/pods", kCgroupTimeoutMs); !ended)
    spdlog::warn("{}", ended.error().message);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(node.state_dir + "/pods", error)) {
    PodIdentity pod;
    pod.uid = entry.path().filename();
    pod.netns = pod_netns_name(node.cluster, pod.uid);
    // With the agent away the address stays taken until the agent's own look at the API finds it free.
    if (auto removed = cni.remove(node.cni_socket, pod); !removed)
      spdlog::debug("leftover pod {}: {}", pod.uid, removed.error().message);
    if (auto removed = remove_netns(pod.netns); !removed) spdlog::warn("{}", removed.error().message);
    std::error_code ignored;
    fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace weft::standalone::sandbox
