#pragma once

#include <chrono>
#include <string>

#include "base/error.h"

namespace weft::cmd {

/// Tells the user of `weft up` how it goes: a line a step, with the time since the start.
class ProgressReport {
 public:
  /// `fd`: where to; `detached`: it is a pipe to the process that waits, which is told the end.
  ProgressReport(int fd, bool json, bool detached = false) : fd_(fd), json_(json), detached_(detached) {}
  void step(const std::string& what);
  void done(const std::string& kubeconfig);
  void failed(const Error& why);

 private:
  void write(const std::string& text) const;
  double seconds() const;

  int fd_;
  bool json_, detached_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace weft::cmd
