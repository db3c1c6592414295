#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ip.h"

/// Which nodes are alive, told by datagrams that they send each other. Pure: packets and the time in,
/// verdicts out.
namespace weft::service {

/// One datagram: "weft", version 1, flags, the hash of the sender's name; big-endian.
struct Heartbeat {
  uint64_t node = 0;       ///< node_hash of who sends it
  bool ready = false;      ///< it may be given addresses
  bool knows_you = false;  ///< the receiver is alive to it
  bool operator==(const Heartbeat&) const = default;
};
using HeartbeatPacket = std::array<uint8_t, 14>;

/// Between nodes, from and to this port only.
constexpr uint16_t kHeartbeatPort = 7087;

HeartbeatPacket encode(const Heartbeat& heartbeat);
std::optional<Heartbeat> parse_heartbeat(std::span<const uint8_t> datagram);

/// The same on all machines and in all versions.
uint64_t node_hash(std::string_view name);

/// One node's view of all of them.
///
/// - A node is alive from its first ready heartbeat on, until nothing was heard of it for kTimeout, or it was
/// not ready
///   for kGrace: so an agent that starts again keeps its node's place, and one that cannot serve loses it.
/// - This node may own addresses when it has listened for kTimeout, and kSettle after it has told the others,
/// so that
///   they have let go of what is its.
/// - It is cut off, and owns nothing, while no uplink has a carrier; or when it hears nobody, though the API
/// calls two
///   others Ready or more, unless the last one it heard fell silent alone: whom all leave at once is himself
///   the one who left. Two nodes cannot tell which of them is cut off but by the carrier.
class Liveness {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  static constexpr std::chrono::milliseconds kInterval{100};  ///< between heartbeats
  static constexpr std::chrono::milliseconds kTimeout{500};
  static constexpr std::chrono::milliseconds kGrace{3000};
  static constexpr std::chrono::milliseconds kSettle{100};

  /// Where this node's heartbeats to another one go.
  struct Peer {
    std::vector<IpAddr> addresses;  ///< the first is sent to, all are received from
    bool expected = false;          ///< the API calls it Ready
  };
  /// What is so about this node.
  struct Self {
    bool carrier = false;   ///< an uplink has one
    bool prepared = false;  ///< it knows what there is to announce
  };
  enum class Standing : uint8_t {
    no_carrier,
    hears_nobody,
    listening,  ///< to who there is, or telling the others
    in_charge,  ///< of the addresses that are its
  };

  explicit Liveness(std::string self) : self_(std::move(self)) {}

  /// Begins anew, as after the start: nobody was heard yet.
  void begin(Time now);
  void set_peer(const std::string& name, Peer peer);
  void remove_peer(const std::string& name);
  const std::map<std::string, Peer>& peers() const { return peers_; }

  /// Takes note, if it is a known node's and from one of its addresses. Whether `advance` has something to
  /// say now.
  bool heard(const IpAddr& from, const Heartbeat& heartbeat, Time now);

  /// Judges anew. Names of peers that died or came alive.
  std::vector<std::pair<std::string, bool>> advance(Self self, Time now);
  Standing standing() const { return standing_; }
  bool is_alive(const std::string& peer) const;
  /// Whether the others counted on this node all the time since `begin`: what it owns then was its before.
  bool was_known() const { return was_known_; }
  /// What to send to a peer now.
  Heartbeat message_for(const std::string& peer) const;
  bool ready() const { return ready_; }
  /// When `advance` has something new to say, if nothing is heard until then.
  Time next(Time now) const;

 private:
  struct Record {
    std::optional<Time> last, last_ready;
    bool alive = false;
  };
  void forget_addresses(const std::string& peer);
  bool hears_nobody(Time now) const;
  bool lives(const Record& record, Time now) const;

  std::string self_;
  std::map<std::string, Peer> peers_;
  std::map<std::string, Record> records_;
  std::unordered_map<IpAddr, std::string> by_address_;
  Time begun_;
  Time since_;  ///< it has listened without a break
  Time ready_at_;
  bool ready_ = false;
  bool prepared_ = false;
  bool was_known_ = false;
  Standing standing_ = Standing::listening;
};

/// For people.
std::string_view describe(Liveness::Standing standing);

}  // namespace weft::service
