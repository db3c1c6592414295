#include "standalone/cluster.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "base/netns.h"
#include "kube/service.h"
#include "podnet/cni_client.h"
#include "service/forwarding.h"
#include "standalone/apiserver/authorizer.h"
#include "standalone/apiserver/server.h"
#include "standalone/bootstrap.h"
#include "standalone/node_network.h"
#include "standalone/node_power.h"
#include "standalone/sandbox/cleanup.h"
#include "standalone/sandbox/sandbox.h"
#include "standalone/supervisor.h"
#include "standalone/workloads/controller.h"

namespace weft::standalone {
namespace fs = std::filesystem;
namespace {

/// Users of the processes that need no privileges; nobody else's on any common system.
constexpr uid_t kDnsUser = 64053;
constexpr uid_t kControllerUser = 64054;
constexpr uid_t kGatewayUser = 64055;
constexpr uint16_t kFirstPort = 6443;
constexpr uint16_t kLastPort = 6698;

Expected<void> make_folder(const std::string& path, mode_t mode) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(ErrorCode::system, fmt::format("{}: {}", path, error.message()));
  if (::chmod(path.c_str(), mode) != 0) return fail_errno(path, errno);
  return {};
}

Expected<void> mount_bpffs(const std::string& path) {
  WEFT_CHECK(make_folder(path, 0700));
  if (::mount("bpffs", path.c_str(), "bpf", 0, "mode=0700") != 0)
    return fail_errno("mount a bpffs on " + path, errno);
  return {};
}

CniCalls cni_calls() {
  auto request_for = [](const char* command, const PodIdentity& pod) {
    podnet::CniRequest request{
        .command = command,
        .container_id = pod.uid,
        .netns = netns_path(pod.netns),
        .interface = "eth0",
        .args = {{"K8S_POD_NAMESPACE", pod.ns}, {"K8S_POD_NAME", pod.name}, {"K8S_POD_UID", pod.uid}},
        .valid = {}};
    return request;
  };
  auto add = [=](const std::string& socket, const PodIdentity& pod) -> Expected<std::vector<std::string>> {
    auto result = podnet::call_agent(socket, request_for("ADD", pod));
    if (!result) return fail(ErrorCode::unavailable, result.error().message);
    return podnet::addresses_in(*result);
  };
  auto remove = [=](const std::string& socket, const PodIdentity& pod) -> Expected<void> {
    auto result = podnet::call_agent(socket, request_for("DEL", pod));
    if (!result) return fail(ErrorCode::unavailable, result.error().message);
    return {};
  };
  return {add, remove};
}

/// A file that is locked as long as the cluster's `weft up` lives.
Expected<Fd> lock_cluster(const ClusterLayout& layout) {
  Fd lock(::open((layout.run_dir + "/lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock) return fail_errno(layout.run_dir + "/lock", errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  return fail(ErrorCode::already_exists, fmt::format("cluster {0} is up already: use it, take it down with "
                                                     "weft down --name {0}, or choose another --name",
                                                     layout.name));
}

/// Whoever called sudo, or root: the kubeconfig is theirs.
std::pair<uid_t, gid_t> calling_user() {
  const char* uid = std::getenv("SUDO_UID");
  const char* gid = std::getenv("SUDO_GID");
  if (!uid || !gid) return {0, 0};
  return {static_cast<uid_t>(std::strtoul(uid, nullptr, 10)),
          static_cast<gid_t>(std::strtoul(gid, nullptr, 10))};
}

Expected<std::string> read_output(ExecProcess process) {
  std::string out, err;
  char buffer[4096];
  pollfd waits[2] = {{process.out.get(), POLLIN, 0}, {process.err.get(), POLLIN, 0}};
  for (int open = 2; open > 0;) {
    ::poll(waits, 2, -1);
    for (int i = 0; i < 2; ++i) {
      if (waits[i].fd < 0 || !waits[i].revents) continue;
      auto got = ::read(waits[i].fd, buffer, sizeof buffer);
      if (got > 0) (i == 0 ? out : err).append(buffer, got);
      if (got == 0 || (got < 0 && errno != EAGAIN)) {
        waits[i].fd = -1;
        --open;
      }
    }
  }
  siginfo_t how{};
  ::waitid(P_PIDFD, static_cast<id_t>(process.pidfd.get()), &how, WEXITED);
  if (how.si_code == CLD_EXITED && how.si_status == 0) return out;
  return fail(ErrorCode::internal, fmt::format("exit code {}: {}", how.si_status, err));
}

}  // namespace

struct Cluster::Impl {
  Impl(asio::io_context& i, ClusterOptions o) : io(i), options(std::move(o)) {}

  Expected<void> prepare() {
    if (::geteuid() != 0)
      return fail(ErrorCode::forbidden,
                  "weft up makes network namespaces and loads eBPF programs: run it with sudo");
    WEFT_TRY(int number, claim_number(options.name));
    WEFT_TRY(layout, make_layout(options, number));
    // Its files have modes of their own; the unprivileged processes have to get to theirs.
    WEFT_CHECK(make_folder(layout.run_dir, 0711));
    WEFT_TRY(lock, lock_cluster(layout));
    owned = true;
    WEFT_CHECK(clean_cluster(options.name));
    ::umount2(layout.bpf_dir.c_str(), MNT_DETACH);
    for (const char* folder : {"/pids", "/logs", "/pki", "/nodes"})
      WEFT_CHECK(make_folder(layout.run_dir + folder, 0700));
    WEFT_CHECK(make_folder(layout.run_dir + "/domains", 0711));
    std::ofstream(layout.run_dir + "/pids/up") << ::getpid() << "\n";
    WEFT_CHECK(make_folder(layout.cgroup + "/system", 0755));
    return mount_bpffs(layout.bpf_dir);
  }

  Expected<void> make_nodes() {
    WEFT_CHECK(create_segment(layout));
    for (const auto& node : layout.nodes) {
      WEFT_CHECK(make_folder(node.state_dir, 0700));
      reset_node_power(node.state_dir);
      WEFT_CHECK(make_folder(node.cgroup + "/system", 0755));
      WEFT_CHECK(make_folder(node.cgroup + "/pods", 0755));
      WEFT_CHECK(create_node_network(layout, node));
    }
    return {};
  }

  /// Sockets on the loopback of the machine and of each node, all with the same port.
  Expected<std::vector<Fd>> listen() {
    std::vector<Fd> sockets;
    uint16_t first = options.port ? options.port : kFirstPort;
    uint16_t last = options.port ? options.port : kLastPort;
    for (port = first;; ++port) {
      auto socket = listen_on("127.0.0.1", port);
      if (socket) {
        sockets.push_back(std::move(*socket));
        break;
      }
      if (port == last) return std::unexpected(socket.error());
    }
    for (const auto& node : layout.nodes) {
      WEFT_TRY(auto inside, InNetns::enter(netns_path(node.netns)));
      WEFT_TRY(auto socket, listen_on("127.0.0.1", port));
      sockets.push_back(std::move(socket));
    }
    return sockets;
  }

  Expected<void> start_api() {
    WEFT_TRY(auto sockets, listen());
    ApiServerOptions api{.data_dir = options.data_dir,
                         .pki_dir = options.data_dir.empty() ? layout.run_dir + "/pki" : options.data_dir,
                         .sockets = std::move(sockets),
                         .ranges = {.cluster_ips = {layout.services4, layout.services6}},
                         .pods = &sandbox->runtime()};
    WEFT_TRY(server, ApiServer::start(std::move(api)));
    auto [uid, gid] = calling_user();
    WEFT_CHECK(write_access("admin", "admin", kAdminGroup, uid, gid));
    WEFT_CHECK(write_access("agent", "weft:agent", kAgentGroup, 0, 0));
    WEFT_CHECK(write_access("dns", "weft:dns", kDnsGroup, kDnsUser, kDnsUser));
    WEFT_CHECK(
        write_access("controller", "weft:controller", kControllerGroup, kControllerUser, kControllerUser));
    WEFT_CHECK(write_access("gateway", "weft:gateway", kGatewayGroup, kGatewayUser, kGatewayUser));
    WEFT_TRY(admin, kube::load_kubeconfig(layout.kubeconfig("admin")));
    api_client = std::make_unique<kube::Client>(io, admin);
    return {};
  }

  Expected<void> write_access(const std::string& file, const std::string& user, const char* group, uid_t uid,
                              gid_t gid) {
    WEFT_TRY(auto config, server->client_config(user, {group}, port));
    auto text = kube::write_kubeconfig(config, file == "admin" ? "weft-" + options.name : user);
    auto path = layout.kubeconfig(file);
    WEFT_CHECK(write_private_file(path, text));
    if (::chown(path.c_str(), uid, gid) != 0) return fail_errno(path, errno);
    return {};
  }

  ProcessSpec agent_of(const NodeLayout& node) const {
    ProcessSpec spec{.name = "agent-" + node.name,
                     .args = {"--log-level", options.log_level, "agent"},
                     .netns = node.netns,
                     .cgroup = node.cgroup + "/system",
                     .log_file = layout.log_file("agent-" + node.name)};
    auto flag = [&spec](const char* name, const std::string& value) {
      spec.args.emplace_back(name);
      spec.args.push_back(value);
    };
    flag("--kubeconfig", layout.kubeconfig("agent"));
    flag("--node-name", node.name);
    flag("--cni-socket", node.cni_socket);
    flag("--state-dir", node.state_dir);
    flag("--domains-socket", node.domains_socket);
    flag("--dns-user", std::to_string(kDnsUser));
    flag("--bpf-dir", node.bpf_dir);
    flag("--cgroup", node.cgroup);
    for (const auto& pods : {node.pods4, node.pods6}) flag("--pod-cidr", pods.str());
    for (const auto& address : {node.address4, node.address6}) flag("--node-ip", address.addr.str());
    if (options.vxlan) flag("--overlay", "vxlan");
    if (options.dsr) spec.args.emplace_back("--dsr");
    return spec;
  }

  ProcessSpec dns_of(const NodeLayout& node) const {
    return {.name = "dns-" + node.name,
            .args = {"--log-level", options.log_level, "dns", "--kubeconfig", layout.kubeconfig("dns"),
                     "--listen", node.address4.addr.str() + ":53", "--listen",
                     "[" + node.address6.addr.str() + "]:53", "--resolv-conf", options.resolv_conf,
                     "--domains-socket", node.domains_socket},
            .netns = node.netns,
            .cgroup = node.cgroup + "/system",
            .log_file = layout.log_file("dns-" + node.name),
            .uid = kDnsUser,
            .bind_low_ports = true};
  }

  ProcessSpec gateway_of(const NodeLayout& node) const {
    return {.name = "gateway-" + node.name,
            .args = {"--log-level", options.log_level, "gateway", "--kubeconfig",
                     layout.kubeconfig("gateway"), "--node-name", node.name},
            .netns = node.netns,
            .cgroup = node.cgroup + "/system",
            .log_file = layout.log_file("gateway-" + node.name),
            .uid = kGatewayUser};
  }

  Expected<void> start_processes() {
    supervisor = std::make_unique<Supervisor>(io, layout.run_dir + "/pids");
    for (const auto& node : layout.nodes) {
      WEFT_CHECK(supervisor->add(agent_of(node)));
      WEFT_CHECK(supervisor->add(dns_of(node)));
      WEFT_CHECK(supervisor->add(gateway_of(node)));
    }
    return supervisor->add({.name = "controller",
                            .args = {"--log-level", options.log_level, "controller", "--kubeconfig",
                                     layout.kubeconfig("controller"), "--no-leader-election"},
                            .netns = {},
                            .cgroup = layout.cgroup + "/system",
                            .log_file = layout.log_file("controller"),
                            .uid = kControllerUser});
  }

  /// As agent_of() has it.
  service::Forwarding forwarding() const {
    if (options.vxlan) return service::Forwarding::vxlan;
    return options.dsr ? service::Forwarding::dsr : service::Forwarding::routes;
  }

  SandboxOptions sandbox_options() const {
    SandboxOptions out{
        .cluster = options.name,
        .nodes = {},
        .cni = cni_calls(),
        .images = options.images,
        .dns_addresses = {layout.dns4.str(), layout.dns6.str()},
        .node_resolv_conf = options.resolv_conf,
        .reachable = [](const SandboxNode& node) { return node_is_reachable(node.state_dir); }};
    std::map<std::string, std::string> annotations{
        {service::kForwardingAnnotation, std::string(name_of(forwarding()))}};
    for (const auto& node : layout.nodes) {
      out.nodes.push_back({.name = node.name,
                           .netns = node.netns,
                           .zone = node.zone,
                           .addresses = {node.address4.addr.str(), node.address6.addr.str()},
                           .pod_cidrs = {node.pods4.str(), node.pods6.str()},
                           .annotations = annotations,
                           .cni_socket = node.cni_socket,
                           .cgroup = node.cgroup,
                           .state_dir = node.state_dir});
    }
    return out;
  }

  asio::awaitable<void> create_bootstrap_objects() {
    for (const auto& [resource, object] : bootstrap_objects(layout)) {
      auto created = co_await api_client->apply(
          resource, std::string(kube::string_at(object, "metadata.namespace")),
          std::string(kube::string_at(object, "metadata.name")), object, "weft-up");
      if (!created) spdlog::error("{}: {}", resource.plural, created.error().message);
    }
  }

  Expected<void> start(const Progress& progress) {
    WEFT_CHECK(prepare());
    WEFT_CHECK(make_nodes());
    progress(layout.nodes.size() == 1 ? layout.nodes[0].name + " with its network"
                                      : fmt::format("{} nodes with their network", layout.nodes.size()));
    sandbox = std::make_unique<Sandbox>(sandbox_options());
    WEFT_CHECK(start_api());
    progress(fmt::format("API server on 127.0.0.1:{}", port));
    WEFT_CHECK(start_processes());
    asio::co_spawn(io, create_bootstrap_objects(), asio::detached);
    WEFT_CHECK(sandbox->start(admin));
    workloads = std::make_unique<WorkloadControllers>(*api_client);
    workloads->start();
    progress("agent, dns, gateway, controller, workloads");
    return {};
  }

  void stop() {
    // Pods first: their addresses are given back to an agent that is still there.
    if (sandbox) sandbox->stop();
    if (supervisor) supervisor->stop_all();
    server.reset();
    if (!owned) return;
    if (auto cleaned = clean_cluster(options.name); !cleaned) spdlog::error("{}", cleaned.error().message);
    ::umount2(layout.bpf_dir.c_str(), MNT_DETACH);
    std::error_code error;
    fs::remove_all(layout.run_dir, error);
    if (error) spdlog::error("{}: {}", layout.run_dir, error.message());
  }

  asio::io_context& io;
  ClusterOptions options;
  ClusterLayout layout;
  Fd lock;
  bool owned = false;
  uint16_t port = 0;
  kube::ClientConfig admin;
  std::unique_ptr<Sandbox> sandbox;
  std::unique_ptr<ApiServer> server;
  std::unique_ptr<kube::Client> api_client;
  std::unique_ptr<Supervisor> supervisor;
  std::unique_ptr<WorkloadControllers> workloads;
};

Cluster::Cluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Cluster::~Cluster() { impl_->stop(); }

Expected<std::unique_ptr<Cluster>> Cluster::start(asio::io_context& io, ClusterOptions options,
                                                  const Progress& progress) {
  std::unique_ptr<Cluster> cluster(new Cluster(std::make_unique<Impl>(io, std::move(options))));
  WEFT_CHECK(cluster->impl_->start(progress));
  return cluster;
}

const ClusterLayout& Cluster::layout() const { return impl_->layout; }

kube::Client& Cluster::client() { return *impl_->api_client; }

Expected<std::string> Cluster::exec(const std::string& ns, const std::string& pod,
                                    const std::vector<std::string>& command) {
  WEFT_TRY(
      auto process,
      impl_->sandbox->runtime().exec(
          {.ns = ns, .pod = pod, .container = {}, .command = command, .with_stdin = false, .tty = false}));
  return read_output(std::move(process));
}

}  // namespace weft::standalone
