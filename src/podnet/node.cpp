#include "podnet/node.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "podnet/pod_link.h"

namespace weft::podnet {
namespace {

std::unexpected<CniError> failed(const Error& error) {
  int code = error.code == ErrorCode::exhausted ? CniError::kExhausted : CniError::kFailed;
  return std::unexpected(CniError{code, error.message, {}});
}

std::string text_of(const MacAddr& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4],
                     mac[5]);
}

}  // namespace

Expected<Node> Node::open(Options options) {
  std::error_code error;
  std::filesystem::create_directories(options.state_dir, error);
  if (error) return fail(ErrorCode::system, fmt::format("{}: {}", options.state_dir, error.message()));
  WEFT_TRY(auto ipam, Ipam::open(options.state_dir + "/ipam.json", options.pod_cidrs));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto connected, connected_pods(netlink));
  for (const auto& id : ipam.ids()) {
    if (std::ranges::find(connected, id) == connected.end()) WEFT_CHECK(ipam.release(id));
  }
  return Node(std::move(options), std::move(ipam));
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
  if (request.command == "DEL") return nothing(remove(request.container_id));
  if (request.command == "CHECK") return nothing(check(request));
  if (request.command == "GC") return nothing(collect(request.valid));
  return json::object();
}

CniResult<CniAttachment> Node::add(const CniRequest& request) {
  bool had = ipam_.find(request.container_id).has_value();
  auto addresses = ipam_.allocate(request.container_id);
  if (!addresses) return failed(addresses.error());
  auto netlink = Netlink::open();
  if (!netlink) return failed(netlink.error());
  auto uplink = netlink->find_link(options_.uplink);
  PodLink link{.id = request.container_id,
               .netns = request.netns,
               .interface = request.interface,
               .addresses = *addresses,
               .node_addresses = options_.node_addresses};
  if (uplink && *uplink) link.mtu = (*uplink)->mtu;
  if (auto connected = connect_pod(*netlink, link); !connected) {
    // What was there before is not this call's to undo.
    if (!had) (void)remove(request.container_id);
    return failed(connected.error());
  }
  return CniAttachment{request.interface, text_of(pod_mac(request.container_id)), request.netns, *addresses};
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
  PodLink link{.id = request.container_id,
               .netns = request.netns,
               .interface = request.interface,
               .addresses = *addresses,
               .node_addresses = options_.node_addresses};
  if (auto checked = check_pod(*netlink, link); !checked) return failed(checked.error());
  return {};
}

CniResult<void> Node::collect(const std::vector<std::string>& valid) {
  auto netlink = Netlink::open();
  if (!netlink) return failed(netlink.error());
  auto known = connected_pods(*netlink);
  if (!known) return failed(known.error());
  for (const auto& id : ipam_.ids()) known->push_back(id);
  for (const auto& id : *known) {
    if (std::ranges::find(valid, id) != valid.end()) continue;
    if (auto removed = remove(id); !removed) return removed;
  }
  return {};
}

}  // namespace weft::podnet
