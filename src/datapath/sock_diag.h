#pragma once

#include <linux/inet_diag.h>

#include <cstdint>
#include <functional>

#include "base/error.h"
#include "base/fd.h"

namespace weft::datapath {

/// A sock_diag(7) socket of the network namespace of the thread that opens it, for one protocol.
class SockDiag {
 public:
  /// `protocol`: IPPROTO_TCP or IPPROTO_UDP.
  static Expected<SockDiag> open(uint8_t protocol);
  /// Calls `each` for every socket of a family, whatever its state.
  Expected<void> dump(uint8_t family, const std::function<void(const inet_diag_msg&)>& each);
  /// SOCK_DESTROY. True: the socket was there and is ended. unavailable if the kernel cannot.
  Expected<bool> destroy(const inet_diag_msg& socket);

 private:
  SockDiag() = default;
  Expected<void> send(uint16_t type, uint16_t flags, const inet_diag_req_v2& request);

  Fd fd_;
  uint8_t protocol_ = 0;
};

}  // namespace weft::datapath
