#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ip.h"
#include "base/netlink.h"

/// The packets that tell a segment which link has an address: ARP (RFC 826, RFC 5227) and IPv6 neighbour
/// discovery (RFC 4861), as whole Ethernet frames without VLAN tag. Pure.
namespace weft::service {

/// "Who has `target`?", by ARP or by a neighbour solicitation.
struct AddressQuery {
  MacAddr sender_mac{};  ///< where the answer goes
  IpAddr sender;         ///< 0.0.0.0 or :: when it only probes whether the address is taken
  IpAddr target;
  bool operator==(const AddressQuery&) const = default;
};

/// A broadcast or unicast ARP request for IPv4 over Ethernet. Announcements (sender and target are the same)
/// ask for nothing.
std::optional<AddressQuery> parse_arp_request(std::span<const uint8_t> frame);

/// A neighbour solicitation that passes all checks of RFC 4861, 7.1.1.
std::optional<AddressQuery> parse_solicitation(std::span<const uint8_t> frame);

using ArpFrame = std::array<uint8_t, 42>;
/// A neighbour advertisement with the target's link-layer address.
using AdvertisementFrame = std::array<uint8_t, 86>;

/// `mac` is the link's that answers. The target of `query` is IPv4.
ArpFrame arp_reply(const MacAddr& mac, const AddressQuery& query);
/// Everybody learns from a request (RFC 5227, 3) except some old equipment, which wants a reply.
enum class ArpForm : uint8_t { request, reply };
ArpFrame arp_announcement(const MacAddr& mac, const IpAddr& addr, ArpForm form);

/// The target of `query` is IPv6. Whoever only probes has no address yet: the answer goes to all nodes.
AdvertisementFrame advertisement(const MacAddr& mac, const AddressQuery& query);
/// To all nodes, unasked (RFC 4861, 7.2.6); takes the place of what they know.
AdvertisementFrame unsolicited_advertisement(const MacAddr& mac, const IpAddr& addr);

/// The group that solicitations for an IPv6 address go to (RFC 4291, 2.7.1).
IpAddr solicited_node_group(const IpAddr& addr);

}  // namespace weft::service
