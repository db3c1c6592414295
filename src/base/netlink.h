#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

struct nl_sock;

namespace weft {

using MacAddr = std::array<uint8_t, 6>;

/// A network device of this namespace.
struct Link {
  int index = 0;
  std::string name;
  std::string alias;
  std::string kind;  ///< "veth", "bridge", …; "": a device of its own, with a driver
  MacAddr mac{};
  int mtu = 0;
  bool up = false;
  bool running = false;  ///< it has a carrier and sends: what is sent before is lost
};

/// One end of a veth pair to be made.
struct VethEnd {
  std::string name;
  MacAddr mac{};
  int mtu = 0;  ///< 0: the kernel's
};

struct Route {
  std::optional<IpPrefix> destination;  ///< nothing: default, of the gateway's family
  std::optional<IpAddr> gateway;        ///< nothing: the destination is on the link
  std::optional<IpAddr> source;         ///< preferred for packets that start here
  int link = 0;
  bool on_link = false;  ///< the gateway is taken to be on the link although no address says so
  /// Who set it (rtm_protocol): what one program sets it can find again.
  uint8_t protocol = kStaticRoute;

  static constexpr uint8_t kStaticRoute = 4;  ///< RTPROT_STATIC
  bool operator==(const Route&) const = default;
};

/// A VXLAN device (RFC 7348) that learns nothing: where a MAC address is reached is told by add_tunnel_end.
struct Vxlan {
  std::string name;
  MacAddr mac{};
  uint32_t vni = 0;
  uint16_t port = 0;
  IpAddr local;  ///< of the outer packets
  int mtu = 0;
};

/// rtnetlink (rtnetlink(7)) of the network namespace that the calling thread was in at `open`. What is asked
/// for is there when a call returns; asking again is harmless except for add_veth. Not thread-safe.
class Netlink {
 public:
  static Expected<Netlink> open();

  /// A veth pair: `here` in this namespace, `peer` in the one that `peer_netns` (a descriptor) is.
  Expected<void> add_veth(const VethEnd& here, const VethEnd& peer, int peer_netns);
  Expected<void> add_bridge(const std::string& name, const MacAddr& mac);
  Expected<void> add_vxlan(const Vxlan& device);
  Expected<std::optional<Link>> find_link(const std::string& name);
  /// The one that has the address.
  Expected<std::optional<Link>> find_link(const IpAddr& address);
  Expected<std::vector<Link>> links();
  /// One that is gone already is good.
  Expected<void> delete_link(int index);
  Expected<void> set_up(int index);
  Expected<void> set_down(int index);
  Expected<void> set_master(int index, int bridge);
  Expected<void> set_alias(int index, const std::string& alias);
  /// IPv6 addresses are usable at once: duplicate address detection is skipped.
  Expected<void> add_address(int index, const IpPrefix& address);
  Expected<std::vector<IpPrefix>> addresses(int index);
  /// Of all links.
  Expected<std::vector<IpPrefix>> addresses();
  Expected<void> replace_route(const Route& route);
  /// One that is gone already is good.
  Expected<void> remove_route(const Route& route);
  /// The main table's unicast routes of one hop that `protocol` set.
  Expected<std::vector<Route>> routes(uint8_t protocol);
  /// Destinations of the main table's unicast routes by this link.
  Expected<std::vector<IpPrefix>> destinations(int link);
  /// A permanent neighbour entry: no ARP or neighbour discovery for `ip`.
  Expected<void> replace_neighbour(int index, const IpAddr& ip, const MacAddr& mac);
  Expected<void> remove_neighbour(int index, const IpAddr& ip);
  /// Packets that a VXLAN device sends to `mac` go to `remote`.
  Expected<void> replace_tunnel_end(int index, const MacAddr& mac, const IpAddr& remote);
  Expected<void> remove_tunnel_end(int index, const MacAddr& mac, const IpAddr& remote);

 private:
  struct Free {
    void operator()(nl_sock* socket) const;
  };
  explicit Netlink(nl_sock* socket) : socket_(socket) {}
  std::unique_ptr<nl_sock, Free> socket_;
};

}  // namespace weft
