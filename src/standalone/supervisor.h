#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "standalone/process.h"

namespace weft::standalone {

/// Keeps a cluster's processes running: one that ends is started again, after 20 ms at first and at most 5 s
/// when it keeps ending. Each one's process id is in PIDS_DIR/NAME while it runs. All calls on one
/// io_context's thread.
class Supervisor {
 public:
  Supervisor(boost::asio::io_context& io, std::string pids_dir);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  Expected<void> add(ProcessSpec spec);
  /// Ends all, in the reverse of the order they were added; returns when they are gone.
  void stop_all();

 private:
  struct Child;
  Expected<void> start(const std::shared_ptr<Child>& child);
  static void reap(Child& child);
  void restart_later(const std::shared_ptr<Child>& child);

  boost::asio::io_context& io_;
  std::string pids_dir_;
  std::vector<std::shared_ptr<Child>> children_;
  bool stopping_ = false;
};

}  // namespace weft::standalone
