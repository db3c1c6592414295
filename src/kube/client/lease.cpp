#include "kube/client/lease.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <random>

#include "kube/codec.h"
#include "kube/time.h"

namespace weft::kube {

using asio::awaitable;
using Clock = std::chrono::steady_clock;

LeaderElection::LeaderElection(Client& client, Options options)
    : client_(client), options_(std::move(options)) {}

awaitable<void> LeaderElection::pause() {
  static thread_local std::minstd_rand random(std::random_device{}());
  auto most = options_.retry.count();
  asio::steady_timer timer(client_.io(), std::chrono::milliseconds(std::uniform_int_distribution<int64_t>(
                                             most, most + most / 5)(random)));
  co_await timer.async_wait(asio::use_awaitable);
}

awaitable<Expected<void>> LeaderElection::write(Lease lease, bool exists) {
  const auto& resource = resource_of<Lease>();
  const auto ns = lease.metadata.namespace_;
  const auto name = lease.metadata.name;
  auto written = exists ? co_await client_.update(resource, ns, name, encode(lease))
                        : co_await client_.create(resource, ns, encode(lease));
  if (!written) co_return std::unexpected(written.error());
  WEFT_CO_TRY(observed_, decode<Lease>(*written));
  observed_at_ = Clock::now();
  co_return Expected<void>{};
}

awaitable<Expected<void>> LeaderElection::try_once() {
  auto read = co_await client_.get(resource_of<Lease>(), options_.namespace_, options_.name);
  if (!read && read.error().code != ErrorCode::not_found) co_return std::unexpected(read.error());
  Lease lease;
  if (read) {
    WEFT_CO_TRY(lease, decode<Lease>(*read));
    if (!observed_ || observed_->spec != lease.spec) {
      observed_ = lease;
      observed_at_ = Clock::now();
    }
  } else {
    lease.metadata.namespace_ = options_.namespace_;
    lease.metadata.name = options_.name;
  }
  const auto holder = lease.spec.holderIdentity.value_or("");
  const auto duration = std::chrono::seconds(lease.spec.leaseDurationSeconds.value_or(0));
  if (!holder.empty() && holder != options_.identity && Clock::now() < observed_at_ + duration)
    co_return fail(ErrorCode::conflict,
                   fmt::format("lease {}/{} is held by {}", options_.namespace_, options_.name, holder));
  auto now = now_micro_time();
  if (holder != options_.identity) {
    lease.spec.acquireTime = now;
    lease.spec.leaseTransitions = read ? lease.spec.leaseTransitions.value_or(0) + 1 : 0;
  }
  lease.spec.holderIdentity = options_.identity;
  lease.spec.leaseDurationSeconds =
      static_cast<int32_t>(std::chrono::ceil<std::chrono::seconds>(options_.duration).count());
  lease.spec.renewTime = std::move(now);
  co_return co_await write(std::move(lease), read.has_value());
}

awaitable<void> LeaderElection::acquire() {
  bool told = false;
  while (true) {
    auto got = co_await try_once();
    if (got) break;
    if (!std::exchange(told, true)) spdlog::info("waiting to lead: {}", got.error().message);
    co_await pause();
  }
  spdlog::info("leading: lease {}/{} as {}", options_.namespace_, options_.name, options_.identity);
}

awaitable<Error> LeaderElection::hold() {
  using namespace asio::experimental::awaitable_operators;
  auto renewed = Clock::now();
  std::string why = "no answer";
  asio::steady_timer deadline(client_.io());
  while (true) {
    co_await pause();
    deadline.expires_at(renewed + options_.renew_deadline);
    auto got = co_await (try_once() || deadline.async_wait(asio::use_awaitable));
    if (got.index() == 1)
      co_return Error{ErrorCode::timeout,
                      fmt::format("lease {}/{} could not be renewed for {} ms: {}", options_.namespace_,
                                  options_.name, options_.renew_deadline.count(), why)};
    auto& attempt = std::get<0>(got);
    if (attempt) {
      renewed = Clock::now();
    } else if (observed_ && observed_->spec.holderIdentity.value_or("") != options_.identity) {
      co_return attempt.error();
    } else {
      why = attempt.error().message;
    }
  }
}

awaitable<void> LeaderElection::release() {
  if (!observed_ || observed_->spec.holderIdentity.value_or("") != options_.identity) co_return;
  auto lease = *observed_;
  lease.spec.holderIdentity = "";
  lease.spec.leaseDurationSeconds = 1;
  lease.spec.renewTime = now_micro_time();
  auto written = co_await write(std::move(lease), true);
  if (!written) spdlog::warn("the lease was not given back: {}", written.error().message);
}

}  // namespace weft::kube
