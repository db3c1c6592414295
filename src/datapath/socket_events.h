#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "base/ip.h"
#include "datapath/socket_layout.h"

namespace weft::datapath {

/// Looks on at the sockets of a node's pods: TCP connections that begin, fail and end, and to whom datagrams
/// go (not the datagrams). The programs run as long as the object lives; no packet waits for them. Events
/// that are not read in time are lost, and counted.
class SocketEvents {
 public:
  using Handler = std::function<void(const weft_socket_event&)>;

  /// Loads the programs, with the maps that ServiceSocket has pinned in `service_maps` (its map_folder()): of
  /// those it learns which Service a socket asked for.
  static Expected<SocketEvents> open(const std::string& service_maps, Handler handler);
  SocketEvents(SocketEvents&&) noexcept;
  ~SocketEvents();

  /// Attaches them, the part that sees datagrams to this cgroup (v2); after the socket load balancer's.
  Expected<void> attach(const std::string& cgroup_path);
  /// From now on the sockets of a pod are looked on at: the one in the network namespace with this cookie.
  Expected<void> watch(uint64_t netns_cookie, std::span<const IpAddr> addresses);

  /// Calls the handler for each event that is there; how many. To be called a few times a second: nothing
  /// tells that there are some.
  Expected<size_t> read();
  /// Since they were loaded.
  Expected<uint64_t> lost() const;

 private:
  struct Programs;
  SocketEvents();
  std::unique_ptr<Programs> programs_;
};

}  // namespace weft::datapath
