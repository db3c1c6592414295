#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "datapath/socket_layout.h"

namespace weft::datapath {

/// Some of the events that there have been, in turn.
struct SocketEventPage {
  uint64_t next = 0;  ///< how many there were up to here: what to ask for next
  uint64_t lost = 0;  ///< of those asked for: they made room before
  std::vector<weft_socket_event> events;
};

/// The oldest that a ring still has of the events after the first `after`, at most `most`; others may be
/// written meanwhile. `told`: how many there have been. None was lost to whom asks for all (`after` 0), or
/// goes on from another ring (`after` more than there were).
SocketEventPage read_ring(std::span<const weft_socket_event> ring, const uint64_t& told, uint64_t after,
                          size_t most);

/// The last events of all processors as one row, with a number each, counted from 1 in the order in which
/// they were collected. Those of a processor that made room before they could be are counted, too.
class SocketEventLog {
 public:
  /// Keeps the last `room`.
  explicit SocketEventLog(size_t room) : room_(room) {}

  /// Takes over what has come since the last call; of all processors at once the older first.
  void collect(std::span<const weft_socket_ring* const> rings);
  /// So many came to no ring at all.
  void lose(uint64_t count) { told_ += count; }
  /// As read_ring(), of what was collected; `number` of an event is its number here.
  SocketEventPage read(uint64_t after, size_t most) const;

 private:
  size_t room_;
  std::vector<uint64_t> taken_;  ///< of each ring
  uint64_t told_ = 0;
  std::deque<weft_socket_event> events_;
};

/// Looks on at the sockets of a node's pods (ServiceSocket::add_pod()): TCP connections that begin, fail and
/// end, and to whom datagrams go (not the datagrams). The programs run no longer than the object lives; no
/// packet waits for them. They keep the last WEFT_SOCKET_EVENTS of each processor, whether or not somebody
/// reads.
class SocketEvents {
 public:
  /// Loads the programs, with the maps that ServiceSocket has pinned in `service_maps` (its map_folder()): of
  /// those it learns which Service a socket asked for.
  static Expected<SocketEvents> open(const std::string& service_maps);
  SocketEvents(SocketEvents&&) noexcept;
  ~SocketEvents();

  /// Attaches them, the part that sees datagrams to this cgroup (v2); after the socket load balancer's.
  Expected<void> attach(const std::string& cgroup_path);
  /// Until they are attached again nothing is seen. What was seen stays.
  void detach();

  /// As read_ring(), of the events of all processors. Lost, too, is what a processor was interrupted for
  /// while it ran the program, event or not: the kernel does not run it inside itself, and counts that.
  SocketEventPage read(uint64_t after, size_t most);

 private:
  struct Programs;
  SocketEvents();
  std::unique_ptr<Programs> programs_;
};

}  // namespace weft::datapath
