#pragma once

#include <map>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/netlink.h"

namespace weft::service {

/// One uplink, to hear who is asked for and to answer. The kernel passes on only ARP requests and neighbour
/// solicitations. Works in the network namespace of the thread that calls; not thread-safe.
class AnnounceLink {
 public:
  static Expected<AnnounceLink> open(const Link& link);

  const Link& link() const { return link_; }
  /// Now; false also when the link is gone.
  bool has_carrier() const;

  /// To wait for something to read on: whole frames, addressed to this link or to a group.
  int arp_socket() const { return arp_.get(); }
  int neighbour_socket() const { return neighbour_.get(); }
  /// The next frame in `buffer`; empty when there is none.
  static std::span<const uint8_t> receive(int socket, std::span<uint8_t> buffer);
  /// By the socket of its family. False: the link takes no more for now, or is down.
  bool send_arp(std::span<const uint8_t> frame) const { return send(arp_.get(), frame); }
  bool send_neighbour(std::span<const uint8_t> frame) const { return send(neighbour_.get(), frame); }

  /// The solicited-node group of an IPv6 address, so that switches and the link let its solicitations
  /// through.
  Expected<void> join(const IpAddr& addr);
  void leave(const IpAddr& addr);

 private:
  struct Membership {
    size_t socket = 0;
    int users = 0;
  };
  struct GroupSocket {
    Fd fd;
    int groups = 0;
  };
  static bool send(int socket, std::span<const uint8_t> frame);

  Link link_;
  Fd arp_, neighbour_;
  std::vector<GroupSocket> sockets_;  ///< the kernel allows each only so many groups
  std::map<IpAddr, Membership> groups_;
};

}  // namespace weft::service
