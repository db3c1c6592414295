#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace weft::bench {

/// CLOCK_MONOTONIC.
int64_t now_ns();

std::string endpoint_ip(int number);

/// A process of a node: it serves the addresses that the benchmark's endpoints have, and connects to Services
/// until it is answered.
class Prober {
 public:
  struct Order {
    uint32_t number;   ///< the caller's; comes back with the answer
    uint32_t address;  ///< network order, of the Service
    uint32_t now;      ///< 0: it should be refused, look once; 1: try until it is not
  };
  struct Answer {
    uint32_t number;
    uint32_t refused_before;  ///< to an order with now = 0
    int64_t connected_ns;     ///< when the first connect succeeded; 0: to an order with now = 0
  };

  /// `cgroup` is below the cgroup v2 root. The endpoints have the addresses endpoint_ip(1) to
  /// endpoint_ip(count), port 8080.
  Prober(const std::string& netns, const std::string& cgroup, int count);
  ~Prober();
  Prober(const Prober&) = delete;

  void tell(const Order& order) const;
  /// Where answers come from; readable.
  int answers() const { return answers_.get(); }

 private:
  pid_t pid_ = -1;
  Fd orders_, answers_;
};

}  // namespace weft::bench
