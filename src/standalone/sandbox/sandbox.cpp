#include "standalone/sandbox/sandbox.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/netns.h"
#include "kube/client/informer.h"
#include "kube/config.h"
#include "standalone/sandbox/cgroup.h"
#include "standalone/sandbox/node_registration.h"
#include "standalone/sandbox/node_runtime.h"
#include "standalone/sandbox/scheduler.h"

namespace weft::standalone {

using namespace sandbox;

namespace {

/// How soon a node that is cut off, or back, is noticed.
constexpr auto kLookAtLinks = std::chrono::milliseconds(200);

kube::ResolvConf load_resolv_conf(const std::string& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  return kube::parse_resolv_conf(text);
}

NodeContext context_of(const SandboxOptions& options, const SandboxNode& node) {
  NodeContext context;
  context.cluster = options.cluster;
  context.name = node.name;
  context.netns = netns_path(node.netns);
  context.cgroup = node.cgroup;
  context.state_dir = node.state_dir;
  context.cni_socket = node.cni_socket;
  context.addresses = node.addresses;
  context.images = options.images;
  context.dns = {options.dns_addresses, options.cluster_domain};
  context.resolv_conf = load_resolv_conf(options.node_resolv_conf);
  context.program = options.program;
  return context;
}

}  // namespace

struct Sandbox::Impl {
  explicit Impl(SandboxOptions o) : options(std::move(o)) {}

  /// All that works on the event loop; made and destroyed on its thread.
  struct Loop {
    Loop(Impl& impl, asio::io_context& io, kube::ClientConfig config);
    void watch_pods();
    void watch_config();
    void run_all(asio::io_context& io);
    NodeRuntime* node_of(const kube::Pod& pod);
    asio::awaitable<void> watch_links();
    void set_away(const std::string& node, bool away);
    void come_back(const std::string& node);
    void stop();

    Impl& impl;
    kube::Client client;
    kube::Informer<kube::Pod> pods;
    kube::Informer<kube::Node> nodes;
    kube::Informer<kube::ConfigMap> config_maps;
    kube::Informer<kube::Secret> secrets;
    StatusWriter statuses;
    Scheduler scheduler;
    std::map<std::string, std::unique_ptr<NodeRuntime>> runtimes;
    std::map<std::string, std::shared_ptr<NodeLink>> links;  ///< by node
    int unsynced = 4;
  };

  void run(kube::ClientConfig config);

  SandboxOptions options;
  ContainerRegistry registry;
  std::unique_ptr<asio::io_context> io;
  std::thread thread;
  Loop* loop = nullptr;
};

Sandbox::Impl::Loop::Loop(Impl& i, asio::io_context& io, kube::ClientConfig config)
    : impl(i),
      client(io, std::move(config)),
      pods(client),
      nodes(client),
      config_maps(client),
      secrets(client),
      statuses(client),
      scheduler(client) {
  auto config_of = [this](const std::string& ns) {
    return ConfigSource{
        [this, ns](const std::string& name) { return config_maps.get(kube::object_key(ns, name)); },
        [this, ns](const std::string& name) { return secrets.get(kube::object_key(ns, name)); }};
  };
  for (const auto& node : impl.options.nodes) {
    auto context = context_of(impl.options, node);
    remove_leftovers(context, impl.options.cni);
    runtimes[node.name] = std::make_unique<NodeRuntime>(client, std::move(context), impl.options.cni,
                                                        config_of, impl.registry, statuses);
    auto& link = links[node.name] = std::make_shared<NodeLink>(io);
    link->heard_again = [this, name = node.name] { come_back(name); };
  }
  watch_pods();
  watch_config();
}

NodeRuntime* Sandbox::Impl::Loop::node_of(const kube::Pod& pod) {
  auto it = runtimes.find(pod.spec.nodeName);
  return it == runtimes.end() ? nullptr : it->second.get();
}

void Sandbox::Impl::Loop::watch_pods() {
  pods.on_change([this](const auto& before, const auto& after) {
    bool other = before && (!after || before->metadata.uid != after->metadata.uid);
    if (NodeRuntime* node = other ? node_of(*before) : nullptr) node->gone(*before);
    scheduler.on_pod(before, after);
    // A pod that is to be deleted before it got a node has nobody else to let it go.
    if (after && after->spec.nodeName.empty() && after->metadata.deletionTimestamp) statuses.remove(*after);
    // Before the first lists of ConfigMaps and Secrets are in, everything would seem to be missing.
    if (NodeRuntime* node = after && unsynced == 0 ? node_of(*after) : nullptr) node->put(after);
  });
  nodes.on_change([this](const auto& before, const auto& after) { scheduler.on_node(before, after); });
}

void Sandbox::Impl::Loop::watch_config() {
  auto changed = [this](const char* kind, const kube::ObjectMeta& meta) {
    for (auto& [name, runtime] : runtimes) runtime->config_changed(kind, meta.namespace_, meta.name);
  };
  config_maps.on_change([changed](const auto& before, const auto& after) {
    changed("ConfigMap", (after ? after : before)->metadata);
  });
  secrets.on_change([changed](const auto& before, const auto& after) {
    changed("Secret", (after ? after : before)->metadata);
  });
}

void Sandbox::Impl::Loop::run_all(asio::io_context& io) {
  auto synced = [this] {
    if (--unsynced > 0) return;
    scheduler.start();
    for (const auto& [key, pod] : pods.items()) {
      if (NodeRuntime* node = node_of(*pod)) node->put(pod);
    }
  };
  auto follow = [&](auto& informer) {
    informer.on_synced(synced);
    asio::co_spawn(io, informer.run(), asio::detached);
  };
  follow(pods);
  follow(nodes);
  follow(config_maps);
  follow(secrets);
  for (const auto& node : impl.options.nodes)
    asio::co_spawn(io, keep_registered(client, nodes, node, links[node.name]), asio::detached);
  if (impl.options.reachable) asio::co_spawn(io, watch_links(), asio::detached);
}

asio::awaitable<void> Sandbox::Impl::Loop::watch_links() {
  asio::steady_timer timer(client.io());
  while (true) {
    for (const auto& node : impl.options.nodes) {
      bool away = !impl.options.reachable(node);
      if (away != links[node.name]->away) set_away(node.name, away);
    }
    timer.expires_after(kLookAtLinks);
    [[maybe_unused]] auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

void Sandbox::Impl::Loop::set_away(const std::string& name, bool away) {
  spdlog::info("node {} {}", name, away ? "does not reach the API server any more" : "is back");
  if (away) runtimes.at(name)->go_away();
  links.at(name)->set_away(away);
}

/// Its pods' statuses come after its own: see plan_node_lifecycle.
void Sandbox::Impl::Loop::come_back(const std::string& name) {
  std::vector<std::shared_ptr<const kube::Pod>> bound;
  for (const auto& [key, pod] : pods.items()) {
    if (pod->spec.nodeName == name) bound.push_back(pod);
  }
  runtimes.at(name)->come_back(bound);
}

void Sandbox::Impl::Loop::stop() {
  for (auto& [name, link] : links) link->stopped = true;
  for (auto& [name, runtime] : runtimes) runtime->stop();
}

void Sandbox::Impl::run(kube::ClientConfig config) {
  auto guard = asio::make_work_guard(*io);
  Loop here(*this, *io, std::move(config));
  loop = &here;
  here.run_all(*io);
  io->run();
  here.stop();
  loop = nullptr;
  // Coroutines that still wait hold references to the loop's parts; they end with the event loop's services,
  // which must therefore go first.
  guard.reset();
}

Sandbox::Sandbox(SandboxOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Sandbox::~Sandbox() { stop(); }

PodRuntime& Sandbox::runtime() { return impl_->registry; }

Expected<void> Sandbox::start(kube::ClientConfig api) {
  for (const auto& node : impl_->options.nodes) WEFT_CHECK(make_cgroup(node.cgroup + "/pods"));
  impl_->io = std::make_unique<asio::io_context>(1);
  impl_->thread = std::thread([this, api = std::move(api)] { impl_->run(api); });
  return {};
}

void Sandbox::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->io->stop();
  impl_->thread.join();
  impl_->io.reset();
}

}  // namespace weft::standalone
