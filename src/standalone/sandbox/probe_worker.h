#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "standalone/sandbox/action.h"

namespace weft::standalone::sandbox {

/// Turns single results into a standing answer: `successThreshold` in a row for yes, `failureThreshold` in a
/// row for no.
class ProbeCounter {
 public:
  ProbeCounter(const kube::Probe& probe, bool initially)
      : success_threshold_(std::max(1, probe.successThreshold)),
        failure_threshold_(std::max(1, probe.failureThreshold)),
        good_(initially) {}

  /// True when the standing answer changed, or a failure threshold was reached anew.
  bool record(bool success) {
    run_ = success == last_ ? run_ + 1 : 1;
    last_ = success;
    if (run_ < (success ? success_threshold_ : failure_threshold_)) return false;
    bool changed = good_ != success || (!success && run_ == failure_threshold_);
    good_ = success;
    return changed;
  }
  bool good() const { return good_; }

 private:
  int success_threshold_, failure_threshold_;
  bool good_;
  bool last_ = false;
  int run_ = 0;
};

enum class ProbeKind { startup, readiness, liveness };

/// Runs one probe of one container again and again. A readiness or startup probe that has not succeeded yet
/// is also tried early, 5 ms after the start and then at doubling distances, so that a container is found
/// ready when it is and not up to a period later; failures of early tries count for nothing.
class ProbeWorker {
 public:
  struct Events {
    std::function<void(bool good)> on_answer;                    ///< the standing answer changed
    std::function<void(const std::string& message)> on_failure;  ///< one counted failure
  };
  ProbeWorker(boost::asio::io_context& io, ProbeKind kind, kube::Probe probe, ActionTarget target,
              Events events);
  ~ProbeWorker();
  ProbeWorker(const ProbeWorker&) = delete;
  ProbeWorker& operator=(const ProbeWorker&) = delete;

 private:
  struct State;
  static boost::asio::awaitable<void> run(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace weft::standalone::sandbox
