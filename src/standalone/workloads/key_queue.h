#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

namespace weft::standalone {

namespace asio = boost::asio;

/// Objects that need work, by key. A key is worked on by one coroutine at a time; being added meanwhile, it
/// is worked on once more. Failures are retried with exponential back-off (10 ms to 10 s). One thread.
class KeyQueue : public std::enable_shared_from_this<KeyQueue> {
 public:
  /// False: failed, to be tried again.
  using Work = std::function<asio::awaitable<bool>(std::string key)>;

  KeyQueue(asio::io_context& io, Work work) : io_(io), work_(std::move(work)) {}

  void add(const std::string& key);
  /// Adds it when the time has come; an earlier moment for the same key wins.
  void add_after(const std::string& key, std::chrono::milliseconds delay);
  /// Until this is called keys only gather.
  void start();

 private:
  void pump();
  asio::awaitable<void> run(std::string key);

  asio::io_context& io_;
  Work work_;
  bool started_ = false;
  std::deque<std::string> ready_;
  std::set<std::string> waiting_;  ///< to be worked on (once more)
  std::set<std::string> running_;
  std::unordered_map<std::string, int> failures_;
  struct Timer {
    std::chrono::steady_clock::time_point at;
    std::shared_ptr<asio::steady_timer> timer;
  };
  std::unordered_map<std::string, Timer> timers_;
};

}  // namespace weft::standalone
