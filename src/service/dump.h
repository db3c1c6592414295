#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "service/plan.h"

namespace weft::service {

/// What the kernel has for one way in.
struct ProgrammedFrontend {
  struct Target {
    uint64_t id = 0;
    IpAddr addr;
    uint16_t port = 0;
  };
  IpAddr addr;
  uint16_t port = 0;  ///< 0 for the entry that refuses all other ports of the address
  Protocol protocol = Protocol::tcp;
  bool whole_address = false;
  bool drop_when_empty = false;
  uint32_t set = 0;
  uint32_t affinity_seconds = 0;
  std::vector<Target> backends;       ///< for clients on the node, in the order of the slots
  std::vector<Target> edge_backends;  ///< for packets from elsewhere
};

/// Reads the maps that an engine pinned under `bpf_dir`, sorted by address, port and protocol. Needs no
/// engine to be running. not_found if none ever ran there.
Expected<std::vector<ProgrammedFrontend>> dump_frontends(const std::string& bpf_dir);

}  // namespace weft::service
