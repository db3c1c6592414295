#pragma once

#include "base/error.h"
#include "base/fd.h"

namespace weft {

/// Tells that addresses of this namespace's links have come or gone (rtnetlink(7), RTNLGRP_…_IFADDR). Of the
/// network namespace that the calling thread was in at `open`.
class AddressMonitor {
 public:
  static Expected<AddressMonitor> open();
  /// Readable when something has changed; does not block.
  int fd() const { return fd_.get(); }
  /// Takes all notices. Which ones they are is not told: there may have been too many to keep.
  void drain() const;

 private:
  explicit AddressMonitor(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace weft
