#include "standalone/cluster_options.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/fd.h"
#include "base/mounts.h"

namespace weft::standalone {

namespace {

namespace fs = std::filesystem;

IpPrefix prefix(const std::string& text) { return *IpPrefix::parse(text); }

NodeLayout make_node(const ClusterLayout& cluster, int number, int index) {
  NodeLayout node;
  node.name = fmt::format("node-{}", index + 1);
  node.netns = fmt::format("weft-{}-{}", cluster.name, node.name);
  node.cgroup = cluster.cgroup + "/" + node.name;
  node.state_dir = cluster.run_dir + "/nodes/" + node.name;
  node.cni_socket = node.state_dir + "/cni.sock";
  node.domains_socket = cluster.run_dir + "/domains/" + node.name + ".sock";
  node.bpf_dir = cluster.bpf_dir + "/" + node.name;
  node.address4 = prefix(fmt::format("172.30.{}.{}/24", number, index + 2));
  node.address6 = prefix(fmt::format("fd00:172:{:x}::{:x}/64", number, index + 2));
  IpPrefix pods = prefix("10.244.0.0/22");
  node.pods4 = {pods.addr.plus(static_cast<uint64_t>(index) * pods.size()), pods.length};
  node.pods6 = prefix(fmt::format("fd00:244:{:x}::/64", index));
  return node;
}

std::string number_file(const std::string& name) { return fmt::format("{}/{}/number", kRunRoot, name); }

}  // namespace

Expected<void> check_cluster_name(const std::string& name) {
  auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  bool ok = !name.empty() && name.size() <= 20 && std::ranges::all_of(name, allowed) && name.front() != '-' &&
            name.back() != '-';
  if (ok) return {};
  return fail(
      ErrorCode::invalid,
      fmt::format("--name {}: must be 1 to 20 of a-z, 0-9 and '-', not starting or ending with '-'", name));
}

Expected<ClusterLayout> make_layout(const ClusterOptions& options, int number) {
  WEFT_CHECK(check_cluster_name(options.name));
  if (options.nodes < 1 || options.nodes > kMaxNodes)
    return fail(ErrorCode::invalid, fmt::format("--nodes {}: must be 1 to {}", options.nodes, kMaxNodes));
  WEFT_TRY(auto cgroup_root, cgroup2_root());
  return layout_below(cgroup_root, options, number);
}

ClusterLayout layout_below(const std::string& cgroup_root, const ClusterOptions& options, int number) {
  ClusterLayout layout;
  layout.name = options.name;
  layout.run_dir = fmt::format("{}/{}", kRunRoot, options.name);
  layout.cgroup = fmt::format("{}/weft-{}", cgroup_root, options.name);
  layout.bpf_dir = layout.run_dir + "/bpf";
  layout.gateway4 = prefix(fmt::format("172.30.{}.1/24", number));
  layout.gateway6 = prefix(fmt::format("fd00:172:{:x}::1/64", number));
  layout.services4 = prefix("10.96.0.0/16");
  layout.services6 = prefix("fd00:96::/112");
  layout.dns4 = layout.services4.base().plus(10);
  layout.dns6 = layout.services6.base().plus(10);
  // Nodes have addresses from the lower half.
  auto segment4 = layout.gateway4.base();
  auto segment6 = layout.gateway6.base();
  layout.balancers4 = {segment4.plus(128), segment4.plus(254)};
  layout.balancers6 = {segment6.plus(0x10000), segment6.plus(0x1ffff)};
  for (int i = 0; i < options.nodes; ++i) {
    layout.nodes.push_back(make_node(layout, number, i));
    if (!options.zones.empty()) layout.nodes.back().zone = options.zones[i % options.zones.size()];
  }
  return layout;
}

Expected<int> claim_number(const std::string& name) {
  WEFT_CHECK(check_cluster_name(name));
  std::error_code error;
  fs::create_directories(fmt::format("{}/{}", kRunRoot, name), error);
  if (error) return fail(ErrorCode::system, fmt::format("{}/{}: {}", kRunRoot, name, error.message()));
  Fd lock(::open(fmt::format("{}/.lock", kRunRoot).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return fail_errno("lock /run/weft/.lock", errno);

  std::set<int> taken;
  for (const auto& entry : fs::directory_iterator(kRunRoot, error)) {
    int number = -1;
    if (std::ifstream(number_file(entry.path().filename())) >> number) {
      if (entry.path().filename() == name) return number;
      taken.insert(number);
    }
  }
  for (int number = 0; number < 255; ++number) {
    if (taken.contains(number)) continue;
    std::ofstream(number_file(name)) << number << "\n";
    return number;
  }
  return fail(ErrorCode::exhausted,
              "255 clusters are up on this machine: take one down with weft down --name NAME");
}

}  // namespace weft::standalone
