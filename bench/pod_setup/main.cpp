#include <arpa/inet.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/fd.h"
#include "base/netlink.h"
#include "base/netns.h"
#include "podnet/node.h"

/// How long a pod's network takes: from no namespace to an address that a TCP handshake from the node reaches
/// (nobody listens: the pod's kernel answers with a reset).
namespace weft {
namespace {

constexpr int kPods = 100;
constexpr double kClaimMs = 10;

/// Whether the pod's kernel answers.
bool answers(const IpAddr& ip) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {}, .sin_zero = {}};
  ::inet_pton(AF_INET, ip.str().c_str(), &address.sin_addr);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ||
         errno == ECONNREFUSED;
}

Expected<double> set_up(podnet::Node& node, const std::string& name, const std::string& id) {
  auto start = std::chrono::steady_clock::now();
  WEFT_CHECK(create_netns(name, {}));
  auto added = node.add({.command = "ADD",
                         .container_id = id,
                         .netns = netns_path(name),
                         .interface = "eth0",
                         .args = {},
                         .valid = {}});
  if (!added) return fail(ErrorCode::internal, added.error().message);
  if (!answers(added->addresses[0])) return fail(ErrorCode::internal, "the pod does not answer");
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

Expected<int> measure(const std::string& mark, const std::string& dir) {
  WEFT_CHECK(create_netns(mark + "-node", {{"net.ipv4.ip_forward", "1"}}));
  WEFT_TRY(auto inside, InNetns::enter(netns_path(mark + "-node")));
  // The node's own address, as an uplink would have it.
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto lo, netlink.find_link("lo"));
  WEFT_CHECK(netlink.add_address(lo->index, *IpPrefix::parse("172.30.0.2/32")));
  WEFT_TRY(
      auto node,
      podnet::Node::open({.state_dir = dir,
                          .pod_cidrs = {*IpPrefix::parse("10.244.0.0/24"), *IpPrefix::parse("fd00:244::/64")},
                          .node_addresses = {*IpAddr::parse("172.30.0.2")}}));
  std::vector<double> times;
  for (int i = 0; i < kPods; ++i) {
    WEFT_TRY(auto ms, set_up(node, fmt::format("{}-{}", mark, i), fmt::format("p{}", i)));
    times.push_back(ms);
  }
  std::ranges::sort(times);
  double median = times[kPods / 2];
  fmt::print(
      "pod network, no namespace to an address that answers: median {:.2f} ms, 90th percentile {:.2f} ms of "
      "{} pods "
      "(claim: below {} ms)\n",
      median, times[kPods * 9 / 10], kPods, kClaimMs);
  return median < kClaimMs ? 0 : 1;
}

int run() {
  auto mark = fmt::format("wb-pods-{}", ::getpid());
  auto dir = "/tmp/" + mark;
  auto result = measure(mark, dir);
  for (const auto& name : list_netns(mark)) {
    if (auto removed = remove_netns(name); !removed) fmt::print(stderr, "{}\n", removed.error().message);
  }
  std::filesystem::remove_all(dir);
  if (result) return *result;
  fmt::print(stderr, "bench_pod_setup: {}\n", result.error().message);
  return 2;
}

}  // namespace
}  // namespace weft

int main() { return weft::run(); }
