#include "cmd/try_until_held.h"

#include <fmt/core.h>

#include <algorithm>
#include <thread>

#include "cmd/trace_source.h"
#include "expect/live.h"

namespace weft::cmd {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kBetweenRounds{200};
/// A machine that has much to do answers late: each round waits longer, up to so many times.
constexpr int kMorePatience = 4;

}  // namespace

Expected<void> try_until_held(const std::string& cluster, std::vector<expect::Test*> pending,
                              milliseconds timeout, milliseconds patience,
                              const std::atomic<bool>& interrupted, ProgressReport& report) {
  auto start = Clock::now();
  auto all = pending.size(), left = all + 1;
  for (int round = 1; !pending.empty(); ++round) {
    if (interrupted) return fail(ErrorCode::timeout, "interrupted");
    WEFT_TRY(auto objects, read_objects({.files = {}, .cluster = cluster, .kubeconfig = {}}));
    WEFT_TRY(auto world, trace::build_world(objects.documents, objects.machinery));
    WEFT_CHECK(expect::try_once(cluster, *world, pending, timeout * std::min(round, kMorePatience)));
    std::erase_if(pending,
                  [](const expect::Test* test) { return test->judgement.state == expect::State::held; });
    if (pending.size() != left)
      report.step(fmt::format("tried {} connections, {} are as expected", all, all - pending.size()));
    left = pending.size();
    if (Clock::now() - start > patience) break;
    if (!pending.empty()) std::this_thread::sleep_for(kBetweenRounds);
  }
  return {};
}

}  // namespace weft::cmd
