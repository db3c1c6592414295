#include "gateway/presence_engine.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/infrastructure.h"
#include "gateway/presence.h"
#include "kube/client/informer.h"
#include "kube/time.h"

namespace weft::gateway {

using asio::awaitable;

namespace {

constexpr std::chrono::seconds kAgain{1};  ///< after a renewal that failed

}  // namespace

struct PresenceKeeper::Impl : std::enable_shared_from_this<Impl> {
  Impl(kube::Client& c, std::string n, std::string on)
      : client(c), ns(std::move(n)), node(std::move(on)), timer(c.io()) {}

  awaitable<Expected<void>> renew();
  awaitable<void> keep();

  kube::Client& client;
  std::string ns, node;
  /// Another one for each process, so that the Lease shows which.
  std::string identity = fmt::format("{}_{}", ::getpid(), kube::now_micro_time());
  asio::steady_timer timer;
  bool stopped = false;
};

/// Applied: whoever may write this one Lease alone can make it too.
awaitable<Expected<void>> PresenceKeeper::Impl::renew() {
  auto wanted = presence_lease(ns, node, identity, kube::now_micro_time());
  WEFT_CO_CHECK(co_await client.apply(kube::resource_of<kube::Lease>(), ns,
                                      std::string(kPresencePrefix) + node, std::move(wanted),
                                      kInfrastructureManager));
  co_return Expected<void>{};
}

awaitable<void> PresenceKeeper::Impl::keep() {
  bool told = false;
  while (!stopped) {
    auto done = co_await renew();
    if (!done && !std::exchange(told, true))
      spdlog::warn("Lease {}/{}{}: {}: Gateways may leave this node out", ns, kPresencePrefix, node,
                   done.error().message);
    if (done) told = false;
    if (stopped) co_return;
    timer.expires_after(done ? kPresenceRenewal : kAgain);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

PresenceKeeper::PresenceKeeper(kube::Client& client, std::string ns, std::string node)
    : impl_(std::make_shared<Impl>(client, std::move(ns), std::move(node))) {}
PresenceKeeper::~PresenceKeeper() { stop(); }
void PresenceKeeper::start() {
  auto run = [](std::shared_ptr<Impl> impl) -> awaitable<void> { co_await impl->keep(); };
  asio::co_spawn(impl_->client.io(), run(impl_), asio::detached);
}
void PresenceKeeper::stop() {
  impl_->stopped = true;
  impl_->timer.cancel();
}
awaitable<bool> PresenceKeeper::leave() {
  stop();
  auto answer = co_await impl_->client.remove(kube::resource_of<kube::Lease>(), impl_->ns,
                                              std::string(kPresencePrefix) + impl_->node);
  co_return answer.has_value();
}

struct PresenceWatch::Impl : std::enable_shared_from_this<Impl> {
  Impl(kube::Client& c, std::string ns, Options o)
      : client(c),
        options(std::move(o)),
        leases(c, {.namespace_ = std::move(ns),
                   .label_selector = fmt::format("app.kubernetes.io/managed-by={}", kInfrastructureManager),
                   .field_selector = {}}),
        timer(c.io()) {}

  void take(const std::shared_ptr<const kube::Lease>& before,
            const std::shared_ptr<const kube::Lease>& after);
  void wait();
  void changed() {
    if (!stopped && options.on_change) options.on_change();
  }

  kube::Client& client;
  Options options;
  kube::Informer<kube::Lease> leases;
  Presence presence;
  asio::steady_timer timer;
  bool stopped = false;
};

void PresenceWatch::Impl::take(const std::shared_ptr<const kube::Lease>& before,
                               const std::shared_ptr<const kube::Lease>& after) {
  auto node = node_of(after ? *after : *before);
  if (!node) return;
  auto now = std::chrono::steady_clock::now();
  bool served = presence.serves(*node, now);
  if (!after) {
    presence.gone(*node);
  } else if (!before || before->spec != after->spec) {
    presence.renewed(*node, std::chrono::seconds(after->spec.leaseDurationSeconds.value_or(0)), now);
  }
  // The first one, and the last one that goes, are news of the others too.
  if (!before || !after || !served) changed();
  wait();
}

void PresenceWatch::Impl::wait() {
  auto next = presence.next_change(std::chrono::steady_clock::now());
  if (!next || stopped) return;
  timer.expires_at(*next);
  timer.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    auto self = weak.lock();
    if (!self || error || self->stopped) return;
    self->changed();
    self->wait();
  });
}

PresenceWatch::PresenceWatch(kube::Client& client, std::string ns, Options options)
    : impl_(std::make_shared<Impl>(client, std::move(ns), std::move(options))) {}
PresenceWatch::~PresenceWatch() { stop(); }
void PresenceWatch::start() {
  auto* impl = impl_.get();
  impl->leases.on_change([impl](const auto& before, const auto& after) { impl->take(before, after); });
  impl->leases.on_synced([impl] {
    if (!impl->stopped && impl->options.on_synced) impl->options.on_synced();
  });
  auto run = [](std::shared_ptr<Impl> kept) -> awaitable<void> { co_await kept->leases.run(); };
  asio::co_spawn(impl->client.io(), run(impl_), asio::detached);
}
void PresenceWatch::stop() {
  impl_->stopped = true;
  impl_->timer.cancel();
}
bool PresenceWatch::serves(const std::string& node) const {
  return impl_->presence.serves(node, std::chrono::steady_clock::now());
}

}  // namespace weft::gateway
