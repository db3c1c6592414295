#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace weft {
namespace asio = boost::asio;
}

namespace weft::kube {

/// Objects that need work, by key. A key that is added several times before its turn is worked on once; one
/// that is added while it is worked on gets another turn afterwards, so that no change is overlooked and no
/// key is worked on by two at a time. Failures are tried again with exponential back-off. All on one
/// io_context, not thread-safe.
class WorkQueue {
 public:
  /// Works on one key; false: failed, to be tried again. What it refers to must live until the io_context has
  /// stopped.
  using Work = std::function<asio::awaitable<bool>(std::string key)>;

  struct Options {
    size_t at_once = 8;  ///< keys worked on at the same time
    /// Between two turns of the same key, at least: the first turn comes at once, what a storm adds after it
    /// is gathered.
    std::chrono::milliseconds settle{0};
    std::chrono::milliseconds first_retry{5};
    std::chrono::milliseconds longest_retry{10'000};
  };

  WorkQueue(asio::io_context& io, Work work, Options options);
  WorkQueue(asio::io_context& io, Work work) : WorkQueue(io, std::move(work), Options{}) {}
  ~WorkQueue();  ///< stops
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  void add(const std::string& key);
  /// Adds the key when the time has come; of several moments for one key the earliest holds.
  void add_after(const std::string& key, std::chrono::milliseconds delay);
  /// Until this is called, keys only gather (while caches fill).
  void start();
  /// Begins nothing more; what is being worked on goes on.
  void stop();
  /// Nothing is being worked on, and nothing waits that will be; later moments do not count.
  bool idle() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft::kube
