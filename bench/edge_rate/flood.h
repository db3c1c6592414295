#pragma once

/// Small datagrams as fast as one processor can take them: what a node's way from its uplink to a pod costs.

#include <memory>
#include <string>

#include "base/fd.h"

namespace weft::bench {

/// Datagrams of 1,024 clients that arrive on a link of a node, and the end of a pod that counts and drops
/// them.
class Flood {
 public:
  struct Target {
    std::string first;  ///< address; packets go to `count` addresses from it on, in turn
    int count = 1;
    int port = 0;
  };
  /// `pod`: the namespace whose eth0 they come to. Throws when the kernel cannot do it.
  Flood(const Fd& node, const Fd& pod, const Target& target);
  ~Flood();
  Flood(const Flood&) = delete;

  /// Sends a quarter of a million. Datagrams a second that came to the pod; throws if less than half of them
  /// did.
  double run();

 private:
  struct Programs;
  Fd node_;
  std::unique_ptr<Programs> programs_;
};

}  // namespace weft::bench
