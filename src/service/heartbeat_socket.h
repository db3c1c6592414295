#pragma once

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "base/ip.h"
#include "service/heartbeat.h"

namespace weft::service {

/// Sends and receives heartbeats at one of the node's addresses. Works in the network namespace of the thread
/// that calls `open`.
class HeartbeatSocket {
 public:
  /// The address need not be there yet.
  static Expected<HeartbeatSocket> open(const IpAddr& own);

  int fd() const { return fd_.get(); }
  bool is_v6() const { return v6_; }
  /// What cannot be sent is lost, as on the way.
  void send(const IpAddr& to, const Heartbeat& heartbeat) const;
  /// The next one with its sender's address, skipping some of what is none; nothing: there is none for now.
  std::optional<std::pair<IpAddr, Heartbeat>> receive() const;

 private:
  Fd fd_;
  bool v6_ = false;
};

}  // namespace weft::service
