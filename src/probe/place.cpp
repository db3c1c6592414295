#include "probe/place.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "base/mounts.h"
#include "standalone/cluster_options.h"

namespace weft::probe {
namespace {

namespace fs = std::filesystem;

/// As `weft up` has laid the cluster out.
Expected<standalone::ClusterLayout> layout_of(const std::string& cluster) {
  WEFT_CHECK(standalone::check_cluster_name(cluster));
  int number = -1;
  if (!(std::ifstream(fmt::format("{}/{}/number", standalone::kRunRoot, cluster)) >> number))
    return fail(
        ErrorCode::not_found,
        fmt::format("no cluster {} is up on this machine: probes begin in the network namespaces of one "
                    "that weft up made here",
                    cluster));
  standalone::ClusterOptions options;
  options.name = cluster;
  options.nodes = standalone::kMaxNodes;
  return standalone::make_layout(options, number);
}

Expected<standalone::NodeLayout> node_of(const standalone::ClusterLayout& layout, const std::string& name) {
  auto at = std::ranges::find(layout.nodes, name, &standalone::NodeLayout::name);
  if (at != layout.nodes.end()) return *at;
  return fail(ErrorCode::not_found, fmt::format("node {} is none of cluster {}", name, layout.name));
}

/// The folder and the first process of a container that runs.
Expected<Place> container_below(const std::string& pod_cgroup, const std::string& pod) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(pod_cgroup, error)) {
    int pid = 0;
    if (std::ifstream(entry.path() / "cgroup.procs") >> pid && pid > 0)
      return Place{.cgroup = entry.path(), .netns = {}, .pid = pid};
  }
  return fail(ErrorCode::unavailable, fmt::format("no container of Pod {} runs", pod));
}

Expected<Place> in_node(const standalone::ClusterLayout& layout, const std::string& name) {
  WEFT_TRY(auto node, node_of(layout, name));
  return Place{.cgroup = node.cgroup + "/system", .netns = "/run/netns/" + node.netns, .pid = 0};
}

Expected<void> join(const std::string& cgroup) {
  Fd file(::open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), "0", 1) != 1) return fail_errno("join cgroup " + cgroup, errno);
  return {};
}

}  // namespace

Expected<void> Place::enter() const {
  Fd target;
  int spaces = CLONE_NEWNET;
  if (pid != 0) {
    target = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!target) return fail_errno(fmt::format("find process {}", pid), errno);
    spaces |= CLONE_NEWNS | CLONE_NEWUTS;
  } else if (!netns.empty()) {
    target = Fd(::open(netns.c_str(), O_RDONLY | O_CLOEXEC));
    if (!target) return fail_errno(netns, errno);
  }
  if (!cgroup.empty()) WEFT_CHECK(join(cgroup));
  if (target && ::setns(target.get(), spaces) != 0) return fail_errno("enter the client's namespaces", errno);
  return {};
}

Expected<Place> place_of(const std::string& cluster, const trace::World& world, const trace::Source& source) {
  WEFT_TRY(auto layout, layout_of(cluster));
  if (source.kind == trace::Source::Kind::outside) {
    WEFT_TRY(auto own, outside_of(cluster));
    bool here = !source.stated || std::ranges::all_of(source.addresses, [&](const IpAddr& address) {
      return std::ranges::find(own, address) != own.end();
    });
    if (here) return Place{};
    return fail(ErrorCode::unavailable,
                fmt::format("probes from outside begin at {} and {}, not at {}", own[0].str(), own[1].str(),
                            source.addresses.front().str()));
  }
  if (source.kind == trace::Source::Kind::node) return in_node(layout, source.node);
  const auto& pod = *world.pods.at(source.pod);
  if (source.node.empty())
    return fail(ErrorCode::unavailable, fmt::format("Pod {} is on no node", source.pod));
  WEFT_TRY(auto node, node_of(layout, source.node));
  return container_below(node.cgroup + "/pods/" + pod.metadata.uid, source.pod);
}

Expected<std::vector<IpAddr>> outside_of(const std::string& cluster) {
  WEFT_TRY(auto layout, layout_of(cluster));
  return std::vector{layout.gateway4.addr, layout.gateway6.addr};
}

}  // namespace weft::probe
