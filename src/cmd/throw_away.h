#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "cmd/progress.h"
#include "expect/report.h"
#include "standalone/cluster.h"

namespace weft::cmd {

class NoResolver;

/// A cluster that is there as long as this object, whose controllers run on a thread of their own. Outside of
/// it no names exist. What waits ends with "interrupted" when the process is told to end.
class ThrowAway {
 public:
  /// `report` has to live as long.
  static Expected<std::unique_ptr<ThrowAway>> start(standalone::ClusterOptions options,
                                                    ProgressReport& report);
  ~ThrowAway();
  ThrowAway(const ThrowAway&) = delete;
  ThrowAway& operator=(const ThrowAway&) = delete;

  bool interrupted() const { return interrupted_; }
  standalone::Cluster& cluster() { return *cluster_; }

  /// Applies manifests and waits until their pods are Ready.
  Expected<void> bring(const std::vector<kube::YamlDocument>& manifests, std::chrono::milliseconds patience);
  /// See cmd::try_until_held.
  Expected<void> try_until_held(std::vector<expect::Test*> pending, std::chrono::milliseconds timeout,
                                std::chrono::milliseconds patience);
  /// Runs it on the cluster's thread.
  template <typename T>
  Expected<T> run(boost::asio::awaitable<Expected<T>> work) {
    auto done = boost::asio::co_spawn(io_, std::move(work), boost::asio::use_future);
    while (done.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
      if (interrupted_) return fail(ErrorCode::timeout, "interrupted");
    }
    return done.get();
  }

 private:
  explicit ThrowAway(ProgressReport& report);

  ProgressReport& report_;
  std::string name_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_;
  std::atomic<bool> interrupted_ = false;
  std::unique_ptr<NoResolver> resolver_;
  std::unique_ptr<standalone::Cluster> cluster_;
  std::thread thread_;
};

}  // namespace weft::cmd
