#include "expect/live.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <thread>

namespace weft::expect {
namespace {

/// Where several pods may answer, more than one should be seen.
constexpr size_t kRepeats = 3;

/// One connection of a test.
struct Try {
  Test* test = nullptr;
  const Case* found = nullptr;
  size_t source = 0;
  probe::Ask ask;
};

/// All that begin at one place.
struct Group {
  probe::Place place;
  std::vector<Try> tries;
  Expected<std::vector<probe::Observed>> seen;
};

void not_tried(Test& test, const Error& error) { test.judgement.worsen(State::unknown, error.message); }

void add_tries(const std::string& cluster, const trace::World& world, Test& test, const Case& found,
               std::chrono::milliseconds patience, std::map<std::string, Group>& groups) {
  for (size_t i = 0; i < found.sources.size(); ++i) {
    const auto& source = found.sources[i];
    const auto& trace = found.traces[i];
    // Of several ways that manifests leave open the cluster has taken one.
    bool left_open = test.foretold.verdict == trace::Verdict::partly;
    if (test.what->is_open() && !left_open && trace.outcome.verdict != test.foretold.verdict)
      test.judgement.worsen(State::failed,
                            fmt::format("manifests say: {}; the cluster's objects say: {} {}",
                                        trace::name_of(test.foretold.verdict),
                                        trace::name_of(trace.outcome.verdict), trace.outcome.reason));
    auto place = probe::place_of(cluster, world, source);
    auto ask = probe::ask_for(world, source, found.to, test.what->request, trace);
    // Who gets nowhere need not be tried.
    if (!ask && trace.outcome.verdict == trace::Verdict::no_way) continue;
    if (!place || !ask) {
      not_tried(test, place ? ask.error() : place.error());
      continue;
    }
    ask->patience = patience;
    auto& group = groups[source.label];
    group.place = *place;
    size_t times = probe::pods_reached(trace).size() > 1 ? kRepeats : 1;
    for (const auto& one : probe::at_each_address(*ask)) {
      for (size_t n = 0; n < times; ++n) group.tries.push_back({&test, &found, i, one});
    }
  }
}

void probe_all(std::map<std::string, Group>& groups) {
  std::vector<std::jthread> threads;
  for (auto& [label, group] : groups) {
    threads.emplace_back([&group] {
      std::vector<probe::Ask> asks;
      for (const auto& one : group.tries) asks.push_back(one.ask);
      group.seen = probe::probe_from(group.place, asks);
    });
  }
}

}  // namespace

Expected<void> try_once(const std::string& cluster, const trace::World& world,
                        const std::vector<Test*>& tests, std::chrono::milliseconds patience) {
  WEFT_TRY(auto outside, probe::outside_of(cluster));
  std::vector<std::pair<Test*, Case>> cases;
  for (auto* test : tests) {
    test->judgement = {};
    test->seen.clear();
    auto found = look_up(world, *test->what, outside);
    if (!found) test->judgement.worsen(State::failed, found.error().message);
    if (found) cases.emplace_back(test, std::move(*found));
  }
  std::map<std::string, Group> groups;
  for (auto& [test, found] : cases) add_tries(cluster, world, *test, found, patience, groups);
  probe_all(groups);
  for (auto& [label, group] : groups) {
    if (!group.seen && group.seen.error().code == ErrorCode::forbidden)
      return std::unexpected(group.seen.error());
    for (size_t i = 0; i < group.tries.size(); ++i) {
      auto& [test, found, source, ask] = group.tries[i];
      if (!group.seen) {
        not_tried(*test, group.seen.error());
        continue;
      }
      auto& seen = (*group.seen)[i];
      probe::name_peer(world, seen);
      test->seconds += seen.seconds;
      auto judged = judge(world, *found, source, ask, seen);
      if (judged.state != State::held) test->judgement.worsen(judged.state, judged.why, judged.fix);
      test->seen.push_back(std::move(seen));
    }
  }
  return {};
}

}  // namespace weft::expect
