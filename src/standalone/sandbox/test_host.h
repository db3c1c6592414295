#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/mounts.h"
#include "base/netns.h"
#include "kube/codec.h"
#include "standalone/sandbox/cgroup.h"
#include "standalone/sandbox/cleanup.h"
#include "standalone/sandbox/pod_host.h"
#include "standalone/sandbox/pod_runner.h"

namespace weft::standalone::sandbox {

/// A node for tests that run real pods: namespaces, cgroups and files of a cluster of their own, without API
/// server and agent. Pods have loopback alone, and 127.0.0.1 as their address; probes come from the pod's own
/// namespace.
class TestHost : public PodHost {
 public:
  /// `state_dir`: an empty folder, removed at the end; "": a new one.
  explicit TestHost(std::string state_dir = {}) {
    node_.cluster = "wt-sandbox-" + std::to_string(::getpid());
    node_.name = "node-1";
    node_.cgroup = *cgroup2_root() + "/weft-" + node_.cluster + "/node-1";
    char dir[] = "/tmp/wt-sandbox-XXXXXX";
    if (state_dir.empty() && ::mkdtemp(dir)) state_dir = dir;
    node_.state_dir = std::move(state_dir);
    node_.addresses = {"172.30.0.2"};
    node_.dns = {{"10.96.0.10"}, "cluster.local"};
    node_.program = "/proc/self/exe";
  }
  ~TestHost() override {
    for (auto& runner : runners) runner->abandon();
    runners.clear();
    auto cleaned = clean_cluster(node_.cluster);
    EXPECT_TRUE(cleaned) << cleaned.error().message;
    EXPECT_TRUE(list_netns("weft-" + node_.cluster).empty());
    EXPECT_FALSE(std::filesystem::exists(*cgroup2_root() + "/weft-" + node_.cluster));
    std::filesystem::remove_all(node_.state_dir);
  }

  boost::asio::io_context& io() override { return io_; }
  const NodeContext& node() const override { return node_; }
  NodeContext& change_node() { return node_; }
  ConfigSource config(const std::string&) override {
    return {[this](const std::string& name) { return find(config_maps, name); },
            [this](const std::string& name) { return find(secrets, name); }};
  }
  ContainerRegistry& registry() override { return registry_; }
  void attach_network(const PodIdentity& pod, Attached done) override {
    ++attach_calls;
    if (network_down) return done(fail(ErrorCode::unavailable, "the agent is away"));
    Expected<void> made;
    if (::access(netns_path(pod.netns).c_str(), F_OK) != 0) made = create_netns(pod.netns, pod.sysctls);
    node_.netns = netns_path(pod.netns);
    if (!made) return done(std::unexpected(made.error()));
    done(std::vector<std::string>{"127.0.0.1"});
  }
  void detach_network(const PodIdentity& pod, Detached done) override { done(remove_netns(pod.netns)); }
  void publish(const kube::Pod&, kube::PodStatus s) override { status = std::move(s); }
  void event(const kube::Pod&, const std::string&, bool, const std::string& reason,
             const std::string& message) override {
    events.push_back(reason + ": " + message);
  }
  void finished(const kube::Pod&) override { ++finished_calls; }

  std::shared_ptr<kube::Pod> make_pod(const std::string& spec, const std::string& name = "pod") {
    static int serial = 0;
    auto pod = std::make_shared<kube::Pod>();
    pod->metadata.name = name;
    pod->metadata.namespace_ = "test";
    pod->metadata.uid = "00000000-0000-0000-0000-" + std::to_string(100000000000 + ++serial);
    pod->metadata.uid = std::to_string(10000000 + serial) + pod->metadata.uid.substr(8);
    auto decoded = kube::decode<kube::PodSpec>(json::parse(spec));
    EXPECT_TRUE(decoded) << decoded.error().message;
    pod->spec = *decoded;
    return pod;
  }
  PodRunner& run(std::shared_ptr<const kube::Pod> pod) {
    runners.push_back(std::make_shared<PodRunner>(*this, std::move(pod)));
    runners.back()->start();
    return *runners.back();
  }
  /// Turns the event loop until `condition` holds. False: it did not within `limit`.
  template <class Condition>
  bool until(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(20));
    }
    return true;
  }
  bool is_ready() const {
    for (const auto& c : status.conditions) {
      if (c.type == "Ready") return c.status == "True";
    }
    return false;
  }
  bool has_event(const std::string& text) const {
    for (const auto& event : events) {
      if (event.find(text) != std::string::npos) return true;
    }
    return false;
  }
  std::string log(const std::string& container = "", bool previous = false);
  /// Runs a command in the pod and returns "CODE:output".
  std::string exec(const std::vector<std::string>& command, bool tty = false);

  template <class T>
  static std::shared_ptr<const T> find(const std::map<std::string, std::shared_ptr<const T>>& map,
                                       const std::string& name) {
    auto it = map.find(name);
    return it == map.end() ? nullptr : it->second;
  }

  std::map<std::string, std::shared_ptr<const kube::ConfigMap>> config_maps;
  std::map<std::string, std::shared_ptr<const kube::Secret>> secrets;
  std::vector<std::shared_ptr<PodRunner>> runners;
  kube::PodStatus status;
  std::vector<std::string> events;
  int finished_calls = 0, attach_calls = 0;
  bool network_down = false;

 private:
  boost::asio::io_context io_;
  NodeContext node_;
  ContainerRegistry registry_;
};

}  // namespace weft::standalone::sandbox
