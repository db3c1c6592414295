#include "kube/client/connection_pool.h"

#include <fmt/core.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weft::kube {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

namespace {
constexpr auto kConnectTimeout = 10s;
}

awaitable<Expected<std::unique_ptr<Connection>>> ConnectionPool::open() {
  if (!tls_) {
    WEFT_CO_TRY(tls_, make_tls_context(config_));
  }
  co_return co_await Connection::open(
      io_, tls_.get(), config_,
      std::min<std::chrono::milliseconds>(kConnectTimeout, config_.request_timeout));
}

ConnectionPool::Waiter::Waiter(std::shared_ptr<ConnectionPool> p)
    : pool(std::move(p)), timer(pool->io_, asio::steady_timer::time_point::max()) {
  place = pool->waiting_.insert(pool->waiting_.end(), this);
}

ConnectionPool::Waiter::~Waiter() {
  if (granted) {
    if (pool) pool->give_back();
  } else {
    pool->waiting_.erase(place);
  }
}

awaitable<ConnectionPool::Turn> ConnectionPool::take_turn() {
  if (at_work_ < kMost) {
    ++at_work_;
    co_return Turn(shared_from_this());
  }
  Waiter waiter(shared_from_this());
  while (!waiter.granted) co_await waiter.timer.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return Turn(std::move(waiter.pool));
}

/// A turn goes straight to whoever has waited longest, so that no newcomer slips in between.
void ConnectionPool::give_back() {
  if (waiting_.empty()) {
    --at_work_;
    return;
  }
  auto* waiter = waiting_.front();
  waiting_.pop_front();
  waiter->granted = true;
  waiter->timer.cancel();
}

std::unique_ptr<Connection> ConnectionPool::take_idle() {
  while (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    if (!connection->is_stale()) return connection;
  }
  return nullptr;
}

awaitable<Expected<http::response<http::string_body>>> ConnectionPool::exchange(
    const http::request<http::string_body>& request, bool repeatable, std::chrono::milliseconds timeout) {
  auto turn = co_await take_turn();
  while (true) {
    auto connection = take_idle();
    bool reused = connection != nullptr;
    if (!reused) {
      WEFT_CO_TRY(connection, co_await open());
    }
    auto response = co_await connection->exchange(request, timeout);
    if (!response && reused && repeatable && connection->failed_before_answer()) continue;
    if (!response) co_return in_context(fmt::format("{}:{}", config_.host, config_.port), response.error());
    if (response->keep_alive() && idle_.size() < kMostIdle) idle_.push_back(std::move(connection));
    co_return std::move(*response);
  }
}

}  // namespace weft::kube
