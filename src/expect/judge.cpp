#include "expect/judge.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

namespace weft::expect {
namespace {

using trace::Hop;
using trace::Verdict;

std::string words(const trace::Outcome& outcome) {
  auto out = std::string(trace::name_of(outcome.verdict));
  if (outcome.status != 0) out += fmt::format(" ({})", outcome.status);
  return outcome.reason.empty() ? out : fmt::format("{}: {}", out, outcome.reason);
}

bool has_said(const std::vector<Hop>& hops, const Decider& who) {
  return std::ranges::any_of(hops, [&](const Hop& hop) {
    return std::ranges::any_of(hop.by,
                               [&](const trace::ObjectRef& object) {
                                 return object.kind == who.kind && object.namespace_ == who.namespace_ &&
                                        object.name == who.name;
                               }) ||
           has_said(hop.hops, who);
  });
}

/// Of a way that ends, only those have decided who stand where it ends.
bool has_decided(const std::vector<Hop>& hops, const Decider& who) {
  auto ends = std::ranges::find_if(hops, &Hop::ends);
  if (ends == hops.end()) return has_said(hops, who);
  bool below = std::ranges::any_of(ends->hops, &Hop::ends);
  Hop own;
  own.by = ends->by;
  return below ? has_decided(ends->hops, who) : has_said({own}, who);
}

/// "web" as "shop/web"; "deployment/web" as "deployment/shop/web".
bool is_among(const trace::World& world, const Expectation& what, const std::string& pod,
              const std::string& named) {
  auto sources = trace::parse_source(world, named, what.ns);
  if (sources && std::ranges::any_of(*sources, [&](const auto& one) { return one.pod == pod; })) return true;
  // Of a workload parse_source has one pod of each node; and without a kind it may be one, too.
  auto slash = named.rfind('/');
  auto name = named.substr(slash == named.npos ? 0 : slash + 1);
  auto before = slash == named.npos ? std::string() : named.substr(0, slash);
  auto ns = before.contains('/') ? before.substr(before.find('/') + 1) : before;
  constexpr std::array kKinds = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"};
  return std::ranges::any_of(kKinds, [&](const char* kind) {
    for (const auto& in : {ns, what.ns}) {
      auto at = world.workloads.find(fmt::format("{}/{}/{}", kind, in, name));
      if (at != world.workloads.end() && std::ranges::find(at->second, pod) != at->second.end()) return true;
    }
    return false;
  });
}

bool is_expected_backend(const trace::World& world, const Expectation& what, const std::string& pod) {
  return std::ranges::any_of(what.backends,
                             [&](const auto& named) { return is_among(world, what, pod, named); });
}

/// The addresses that `answer` asks for.
Expected<std::set<IpAddr>> addresses_of(const trace::World& world, const Expectation& what) {
  std::set<IpAddr> out;
  auto add = [&](const std::string& text) {
    if (auto address = IpAddr::parse(text)) out.insert(*address);
  };
  for (const auto& text : what.answers) {
    if (IpAddr::parse(text)) {
      add(text);
      continue;
    }
    auto to = trace::parse_destination(world, text, what.ns);
    if (to && to->kind == trace::Destination::Kind::service) {
      for (const auto& ip : world.services.at(to->key)->spec.clusterIPs) add(ip);
    } else if (to && to->kind == trace::Destination::Kind::pod) {
      for (const auto& ip : world.pods.at(to->key)->status.podIPs) add(ip.ip);
    } else {
      return fail(ErrorCode::invalid,
                  fmt::format("{}: answer: \"{}\": {}", what.place(), text,
                              to ? "expected an address, service/NAME or pod/NAME" : to.error().message));
    }
  }
  return out;
}

std::string text_of(const std::set<IpAddr>& addresses) {
  std::vector<std::string> out;
  for (const auto& address : addresses) out.push_back(address.str());
  return out.empty() ? "nothing" : fmt::format("{}", fmt::join(out, ", "));
}

void judge_answer(const trace::World& world, const Expectation& what, const std::set<IpAddr>& got,
                  Judgement& out) {
  if (what.answers.empty()) return;
  auto wanted = addresses_of(world, what);
  // look_up has seen that they are there.
  if (wanted && *wanted != got)
    out.worsen(State::failed, fmt::format("the name is {}, not {}", text_of(got), text_of(*wanted)));
}

void judge_status(const Expectation& what, const trace::Trace& trace, Judgement& out) {
  if (!what.status) return;
  const auto& outcome = trace.outcome;
  if (outcome.status == *what.status) return;
  if (outcome.verdict == Verdict::unknown || outcome.verdict == Verdict::partly)
    return out.worsen(State::unknown, words(outcome), outcome.fix);
  bool answered = outcome.verdict == Verdict::works && outcome.status == 0;
  // A program that is reached is taken to be content; what else it may say no object knows.
  if (answered && *what.status >= 200 && *what.status < 300) return;
  if (answered)
    return out.worsen(
        State::unknown,
        fmt::format("it gets to a program: whether that answers with {} no object says", *what.status));
  out.worsen(State::failed, fmt::format("status {} is expected, foretold: {}", *what.status, words(outcome)),
             outcome.fix);
}

void judge_location(const Expectation& what, const trace::Trace& trace, Judgement& out) {
  const auto& outcome = trace.outcome;
  if (what.location.empty() || what.location == outcome.location) return;
  bool known = outcome.verdict != Verdict::unknown && outcome.verdict != Verdict::partly;
  out.worsen(known ? State::failed : State::unknown,
             outcome.location.empty()
                 ? fmt::format("a redirect to {} is expected, foretold: {}", what.location, words(outcome))
                 : fmt::format("a redirect to {} is expected, not to {}", what.location, outcome.location),
             outcome.fix);
}

void judge_backends(const trace::World& world, const Expectation& what, const trace::Trace& trace,
                    Judgement& out) {
  if (what.backends.empty()) return;
  auto pods = probe::pods_reached(trace);
  if (pods.empty())
    return out.worsen(State::failed, fmt::format("it gets to no pod, but is expected to get to {}",
                                                 fmt::join(what.backends, ", ")));
  for (const auto& pod : pods) {
    if (!is_expected_backend(world, what, pod))
      out.worsen(State::failed, fmt::format("it may get to Pod {}, which is none of {}", pod,
                                            fmt::join(what.backends, ", ")));
  }
}

/// A trace of the same hops that says what is expected, to compare with what is seen.
trace::Trace as_expected(const Expectation& what, const trace::Trace& foretold) {
  auto out = foretold;
  if (what.verdict && *what.verdict != foretold.outcome.verdict) out.outcome = {.verdict = *what.verdict};
  if (what.status) out.outcome.status = *what.status;
  return out;
}

}  // namespace

std::string_view name_of(State state) {
  constexpr std::array kNames = {"held", "failed", "unknown"};
  return kNames.at(static_cast<size_t>(state));
}

void Judgement::worsen(State to, std::string reason, std::string mend) {
  // That it fails is more than that something is not known.
  if (state == State::failed || (state == State::unknown && to == State::unknown)) return;
  *this = {.state = to, .why = std::move(reason), .fix = std::move(mend)};
}

Expected<Case> look_up(const trace::World& world, const Expectation& what,
                       const std::vector<IpAddr>& outside) {
  Case out{.what = &what, .sources = {}, .to = {}, .traces = {}};
  auto sources = trace::parse_source(world, what.from, what.ns);
  if (!sources) return in_context(what.place(), sources.error());
  auto to = trace::parse_destination(world, what.to, what.ns);
  if (!to) return in_context(what.place(), to.error());
  // Of a Gateway the listener says what is spoken.
  if (what.status && to->scheme.empty() && to->kind != trace::Destination::Kind::gateway) to->scheme = "http";
  for (auto& source : *sources) {
    if (source.kind == trace::Source::Kind::outside && !source.stated && !outside.empty())
      source.addresses = outside;
    auto trace = trace::trace_connection(world, {source}, *to, what.request);
    if (!trace) return in_context(what.place(), trace.error());
    out.traces.push_back(std::move(*trace));
  }
  WEFT_CHECK(addresses_of(world, what));
  out.sources = std::move(*sources);
  out.to = std::move(*to);
  return out;
}

Judgement judge(const trace::World& world, const Case& found) {
  Judgement out;
  const auto& what = *found.what;
  for (const auto& trace : found.traces) {
    const auto& outcome = trace.outcome;
    if (what.verdict && outcome.verdict != *what.verdict)
      out.worsen(outcome.verdict == Verdict::unknown ? State::unknown : State::failed,
                 fmt::format("{} is expected, foretold: {}", trace::name_of(*what.verdict), words(outcome)),
                 outcome.fix);
    judge_status(what, trace, out);
    judge_location(what, trace, out);
    judge_backends(world, what, trace, out);
    std::set<IpAddr> addresses;
    for (const auto& target : trace.targets) addresses.insert(target.addr);
    judge_answer(world, what, addresses, out);
    for (const auto& who : what.by) {
      if (!has_decided(trace.hops, who))
        out.worsen(State::failed,
                   fmt::format("{} has not decided it; foretold: {}", who.str(), words(outcome)));
    }
  }
  return out;
}

Judgement judge(const trace::World& world, const Case& found, size_t index, const probe::Ask& ask,
                const probe::Observed& seen) {
  Judgement out;
  const auto& what = *found.what;
  auto expected = as_expected(what, found.traces[index]);
  if (auto wrong = probe::difference(expected, ask, seen); !wrong.empty()) out.worsen(State::failed, wrong);
  if (what.status && seen.status != *what.status)
    out.worsen(State::failed, fmt::format("status {} is expected; seen: {}", *what.status, seen.str()));
  if (!what.location.empty() && seen.location != what.location)
    out.worsen(State::failed,
               fmt::format("a redirect to {} is expected; seen: {}", what.location, seen.str()));
  if (!what.backends.empty() && !seen.pod.empty() && !is_expected_backend(world, what, seen.pod))
    out.worsen(State::failed,
               fmt::format("{} is expected to answer; seen: {}", fmt::join(what.backends, ", "), seen.str()));
  if (!ask.host.empty()) judge_answer(world, what, {seen.addresses.begin(), seen.addresses.end()}, out);
  return out;
}

}  // namespace weft::expect
