#pragma once

/// Packets as the node edge's programs get them, and the programs themselves, run one by one
/// (BPF_PROG_TEST_RUN).

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"
#include "datapath/edge_layout.h"

namespace weft::bench {

/// Who sends to whom; ports in host order.
struct Flow {
  bool tcp = true;
  IpAddr src, dst;
  uint16_t sport = 0, dport = 0;

  Flow reversed() const { return {tcp, dst, src, dport, sport}; }
  bool operator==(const Flow&) const = default;
};

/// An Ethernet frame of 64 bytes of payload; of TCP either a SYN or an ACK.
std::vector<uint8_t> make_packet(const Flow& flow, bool syn = false);
/// What make_packet() was given.
Flow flow_of(const std::vector<uint8_t>& packet);
/// As the edge's translation table has it.
weft_tuple tuple_of(const Flow& flow);

struct Run {
  uint32_t verdict;             ///< of the last one
  double nanoseconds;           ///< on average
  std::vector<uint8_t> packet;  ///< as it was after the last one
};

/// A loaded program: of tc or XDP.
class Program {
 public:
  /// One that does nothing: what a run costs anyhow.
  static Program empty(bool xdp);
  /// The loaded program of that name that uses a map; none: not there.
  static Program find(const std::string& name, uint32_t map_id);

  explicit operator bool() const { return static_cast<bool>(fd_); }
  /// Runs it `repeat` times on the packet, each time on what the last one left, as if it came by `link`.
  Run run(const std::vector<uint8_t>& packet, int link, int repeat) const;

 private:
  Fd fd_;
  bool xdp_ = false;
};

/// The pinned map of the edge below `bpf_dir` with that name.
Fd open_edge_map(const std::string& bpf_dir, const std::string& name);
uint32_t map_id(const Fd& map);

}  // namespace weft::bench
