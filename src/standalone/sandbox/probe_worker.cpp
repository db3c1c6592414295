#include "standalone/sandbox/probe_worker.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "standalone/sandbox/cgroup.h"

namespace weft::standalone::sandbox {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr Clock::duration kFirstEarlyTry = 5ms;
constexpr Clock::duration kFirstEarlyCommand = 50ms;

}  // namespace

struct ProbeWorker::State {
  State(asio::io_context& io, ProbeKind k, kube::Probe p, ActionTarget t, Events e)
      : kind(k),
        probe(std::move(p)),
        target(std::move(t)),
        events(std::move(e)),
        counter(probe, k == ProbeKind::liveness),
        timer(io) {}

  /// One result; `early`: it counts only if it is good.
  void record(const ActionResult& result, bool early) {
    if (early && !result.success) return;
    if (!result.success) events.on_failure(result.message);
    if (!stopped && counter.record(result.success)) events.on_answer(counter.good());
  }
  bool may_try_early() const { return kind != ProbeKind::liveness && !counter.good(); }

  ProbeKind kind;
  kube::Probe probe;
  ActionTarget target;
  Events events;
  ProbeCounter counter;
  asio::steady_timer timer;
  bool stopped = false;
};

ProbeWorker::ProbeWorker(asio::io_context& io, ProbeKind kind, kube::Probe probe, ActionTarget target,
                         Events events)
    : state_(std::make_shared<State>(io, kind, std::move(probe), std::move(target), std::move(events))) {
  asio::co_spawn(io, run(state_), asio::detached);
}

ProbeWorker::~ProbeWorker() {
  state_->stopped = true;
  state_->timer.cancel();
}

asio::awaitable<void> ProbeWorker::run(std::shared_ptr<State> state) {
  constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
  const Clock::duration period = std::chrono::seconds(std::max(1, state->probe.periodSeconds));
  Clock::duration early = state->probe.exec ? kFirstEarlyCommand : kFirstEarlyTry;
  auto due = Clock::now() + std::chrono::seconds(state->probe.initialDelaySeconds);
  bool first = true;
  while (true) {
    auto next = due;
    bool is_early = false;
    if (!first && state->may_try_early() && Clock::now() + early < due) {
      next = Clock::now() + early;
      early *= 2;
      is_early = true;
    }
    state->timer.expires_at(next);
    [[maybe_unused]] auto [error] = co_await state->timer.async_wait(kAwait);
    if (state->stopped) co_return;
    auto result = co_await run_probe(state->probe, state->target);
    if (state->stopped) co_return;
    // The very first try comes so soon that its failure says nothing where early tries follow.
    bool uncounted = is_early || (first && state->may_try_early() && period > early);
    // On a node that stands still the kubelet would, too.
    uncounted |= !result.success && state->target.container && is_frozen(state->target.container->cgroup);
    first = false;
    if (!is_early) due = std::max(Clock::now(), due + period);
    state->record(result, uncounted);
    if (state->stopped) co_return;
  }
}

}  // namespace weft::standalone::sandbox
