#include "podnet/node.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "base/sysctl.h"

namespace weft::podnet {
namespace {

/// Of a veth. Loopback, which may have the node's address, has a greater one.
constexpr int kMaxMtu = 65535;

std::unexpected<CniError> failed(const Error& error) {
  int code = error.code == ErrorCode::exhausted ? CniError::kExhausted : CniError::kFailed;
  return std::unexpected(CniError{code, error.message, {}});
}

std::string text_of(const MacAddr& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4],
                     mac[5]);
}

/// The state's folder, locked: two agents with one record would give addresses twice.
Expected<Fd> lock_state(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return fail(ErrorCode::system, fmt::format("{}: {}", dir, error.message()));
  Fd lock(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) return fail_errno(dir, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  return fail(ErrorCode::conflict,
              fmt::format("{}: another agent keeps pod addresses there; end it first", dir));
}

/// Packets between pods pass through the node.
Expected<void> forward(Netlink& netlink, const Node::Options& options) {
  for (const auto& cidr : options.pod_cidrs) {
    if (cidr.addr.is_v4()) {
      WEFT_CHECK(write_sysctl("net/ipv4/ip_forward", "1"));
      continue;
    }
    // A link of a node that forwards takes router advertisements only when told so (2): a node that has its
    // own default route from them keeps it.
    for (const auto& ip : options.node_addresses) {
      WEFT_TRY(auto link, netlink.find_link(ip));
      if (!link) continue;
      auto name = "net/ipv6/conf/" + link->name + "/accept_ra";
      if (auto now = read_sysctl(name); now && *now == "1") WEFT_CHECK(write_sysctl(name, "2"));
    }
    WEFT_CHECK(write_sysctl("net/ipv6/conf/all/forwarding", "1"));
  }
  return {};
}

/// Makes the record agree with the kernel.
Expected<void> reconcile(Netlink& netlink, Ipam& ipam) {
  WEFT_TRY(auto connected, connected_pods(netlink));
  for (const auto& id : ipam.ids()) {
    if (std::ranges::find(connected, id, &ConnectedPod::id) != connected.end()) continue;
    spdlog::info("pod {} has gone while nobody looked: its addresses are free", id);
    WEFT_CHECK(ipam.release(id));
  }
  for (const auto& pod : connected) {
    if (ipam.find(pod.id)) continue;
    spdlog::warn("pod {} is connected but not on record: recording the addresses it has", pod.id);
    WEFT_CHECK(ipam.adopt(pod.id, pod.addresses));
  }
  return {};
}

}  // namespace

Expected<Node> Node::open(Options options) {
  WEFT_TRY(auto lock, lock_state(options.state_dir));
  WEFT_TRY(auto ipam, Ipam::open(options.state_dir + "/ipam.json", options.pod_cidrs));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_CHECK(forward(netlink, options));
  WEFT_CHECK(reconcile(netlink, ipam));
  return Node(std::move(options), std::move(lock), std::move(ipam));
}

PodLink Node::link_of(const CniRequest& request, std::vector<IpAddr> addresses) const {
  auto ns = request.args.find("K8S_POD_NAMESPACE");
  return {.id = request.container_id,
          .netns = request.netns,
          .interface = request.interface,
          .addresses = std::move(addresses),
          .node_addresses = options_.node_addresses,
          .namespace_ = ns == request.args.end() ? std::string() : ns->second};
}

CniResult<json::object> Node::handle(const CniRequest& request) {
  auto nothing = [](const CniResult<void>& result) -> CniResult<json::object> {
    if (!result) return std::unexpected(result.error());
    return json::object();
  };
  if (request.command == "ADD") {
    auto attachment = add(request);
    if (!attachment) return std::unexpected(attachment.error());
    return to_json(*attachment);
  }
  if (request.command == "DEL") return nothing(remove(request));
  if (request.command == "CHECK") return nothing(check(request));
  if (request.command == "GC") return nothing(collect(request.valid));
  return json::object();
}

std::vector<IpAddr> Node::addresses_of(const std::string& id) const {
  return ipam_.find(id).value_or(std::vector<IpAddr>());
}

CniResult<CniAttachment> Node::add(const CniRequest& request) {
  bool had = ipam_.find(request.container_id).has_value();
  auto addresses = ipam_.allocate(request.container_id);
  if (!addresses) return failed(addresses.error());
  auto netlink = Netlink::open();
  if (!netlink) return failed(netlink.error());
  auto link = link_of(request, *addresses);
  for (const auto& ip : options_.node_addresses) {
    if (auto uplink = netlink->find_link(ip); uplink && *uplink) {
      link.mtu = std::min((*uplink)->mtu - options_.overhead, kMaxMtu);
      break;
    }
  }
  if (auto connected = connect_pod(*netlink, link, options_.before_up); !connected) {
    // What was there before is not this call's to undo.
    if (!had) (void)remove(request.container_id);
    return failed(connected.error());
  }
  return CniAttachment{.interface = request.interface,
                       .mac = text_of(pod_mac(request.container_id)),
                       .netns = request.netns,
                       .addresses = *addresses,
                       .node_interface = host_link_name(request.container_id),
                       .node_mac = text_of(host_mac())};
}

CniResult<void> Node::remove(const CniRequest& request) {
  // Of a pod whose link has another name this attachment never was, or is gone.
  auto interface = pod_interface(request.netns, request.container_id);
  if (interface && *interface != request.interface) return {};
  return remove(request.container_id);
}

CniResult<void> Node::remove(const std::string& id) {
  auto netlink = Netlink::open();
  if (!netlink) return failed(netlink.error());
  // The link goes first: an address is free only when no pod can use it.
  if (auto done = disconnect_pod(*netlink, id); !done) return failed(done.error());
  if (auto done = ipam_.release(id); !done) return failed(done.error());
  return {};
}

CniResult<void> Node::check(const CniRequest& request) {
  auto addresses = ipam_.find(request.container_id);
  if (!addresses) {
    return std::unexpected(
        CniError{CniError::kUnknownContainer, fmt::format("{} is not connected", request.container_id), {}});
  }
  auto netlink = Netlink::open();
  if (!netlink) return failed(netlink.error());
  auto link = link_of(request, *addresses);
  if (auto checked = check_pod(*netlink, link); !checked) return failed(checked.error());
  return {};
}

CniResult<void> Node::collect(const std::optional<std::vector<std::string>>& valid) {
  // Taken for an empty list, a missing one would cut every pod off.
  if (!valid) {
    return std::unexpected(
        CniError{CniError::kInvalidConfig, "GC: cni.dev/valid-attachments is not set", {}});
  }
  auto netlink = Netlink::open();
  if (!netlink) return failed(netlink.error());
  auto connected = connected_pods(*netlink);
  if (!connected) return failed(connected.error());
  auto ids = ipam_.ids();
  for (const auto& pod : *connected) ids.push_back(pod.id);
  for (const auto& id : ids) {
    if (std::ranges::find(*valid, id) != valid->end()) continue;
    if (auto removed = remove(id); !removed) return removed;
  }
  return {};
}

}  // namespace weft::podnet
