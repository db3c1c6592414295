#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <vector>

#include "kube/client/connection.h"

namespace weft::kube {

/// The connections of one client: a few kept alive for requests, at most kMost at work at a time (more
/// requests wait their turn), and any number for watches, which are not counted.
class ConnectionPool : public std::enable_shared_from_this<ConnectionPool> {
 public:
  static constexpr size_t kMost = 32;
  static constexpr size_t kMostIdle = kMost / 2;

  ConnectionPool(boost::asio::io_context& io, const ClientConfig& config) : io_(io), config_(config) {}

  /// Opens a connection that the pool knows nothing about.
  boost::asio::awaitable<Expected<std::unique_ptr<Connection>>> open();

  /// Sends on an idle connection or a new one and reads the whole answer. `repeatable`: the request may be
  /// sent a second time when a kept connection turns out to be dead and no byte of an answer came.
  boost::asio::awaitable<Expected<http::response<http::string_body>>> exchange(
      const http::request<http::string_body>& request, bool repeatable, std::chrono::milliseconds timeout);

 private:
  /// The right to use one of the kMost connections, given back at its end, also when a coroutine is thrown
  /// away half-way.
  struct Turn {
    std::shared_ptr<ConnectionPool> pool;
    Turn() = default;
    explicit Turn(std::shared_ptr<ConnectionPool> p) : pool(std::move(p)) {}
    Turn(Turn&&) = default;
    Turn& operator=(Turn&&) = default;
    ~Turn() {
      if (pool) pool->give_back();
    }
  };
  /// Somebody in the queue for a turn. Destroyed before his turn he leaves the queue, after it he passes the
  /// turn on.
  struct Waiter {
    explicit Waiter(std::shared_ptr<ConnectionPool> pool);
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter();
    std::shared_ptr<ConnectionPool> pool;
    boost::asio::steady_timer timer;
    std::list<Waiter*>::iterator place;
    bool granted = false;
  };
  boost::asio::awaitable<Turn> take_turn();
  void give_back();
  /// An idle connection that still stands, or nullptr.
  std::unique_ptr<Connection> take_idle();

  boost::asio::io_context& io_;
  ClientConfig config_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  std::vector<std::unique_ptr<Connection>> idle_;
  size_t at_work_ = 0;
  std::list<Waiter*> waiting_;  ///< oldest first
};

}  // namespace weft::kube
