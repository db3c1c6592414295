#include "cmd/trace_live.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

namespace weft::cmd {
namespace {

/// Where several pods may answer, so many probes for each of them, and no more than that many.
constexpr size_t kTimesEach = 2;
constexpr size_t kMostTimes = 8;
/// A probe that was not answered is tried again with more patience before it counts.
constexpr int kMorePatience = 3;

Expected<LiveSource> try_source(const LiveRequest& how, const trace::World& world,
                                const trace::Source& source, const trace::Destination& to,
                                const trace::Request& request) {
  LiveSource out{.from = source.label, .seen = {}, .difference = {}, .untried = {}};
  WEFT_TRY(auto trace, trace::trace_connection(world, {source}, to, request));
  auto place = probe::place_of(how.cluster, world, source);
  if (!place && place.error().code != ErrorCode::unavailable) return std::unexpected(place.error());
  auto ask = probe::ask_for(world, source, to, request, trace);
  if (!place || !ask) {
    out.untried = place ? ask.error().message : place.error().message;
    return out;
  }
  auto pods = probe::pods_reached(trace).size();
  auto times = pods > 1 ? std::min(kTimesEach * pods, kMostTimes) : size_t{1};
  for (int patience : {1, kMorePatience}) {
    ask->patience = how.patience * patience;
    out.difference.clear();
    WEFT_TRY(out.seen, probe::probe_from(*place, std::vector(times, *ask)));
    for (auto& seen : out.seen) {
      probe::name_peer(world, seen);
      if (out.difference.empty()) out.difference = probe::difference(trace, *ask, seen);
    }
    if (out.difference.empty()) break;
  }
  return out;
}

}  // namespace

Expected<std::vector<LiveSource>> trace_live(const LiveRequest& how, const trace::World& world,
                                             const std::vector<trace::Source>& sources,
                                             const trace::Destination& to, const trace::Request& request) {
  std::vector<LiveSource> out;
  for (const auto& source : sources) {
    WEFT_TRY(auto one, try_source(how, world, source, to, request));
    out.push_back(std::move(one));
  }
  return out;
}

json::array to_json(const std::vector<LiveSource>& all) {
  json::array out;
  for (const auto& source : all) {
    json::object one{{"from", source.from}};
    json::array seen;
    for (const auto& probe : source.seen) seen.push_back(probe.to_json());
    one["probes"] = std::move(seen);
    one["agrees"] = source.difference.empty() && source.untried.empty();
    if (!source.difference.empty()) one["difference"] = source.difference;
    if (!source.untried.empty()) one["untried"] = source.untried;
    out.push_back(std::move(one));
  }
  return out;
}

std::string to_text(const std::vector<LiveSource>& all) {
  std::string out;
  for (const auto& source : all) {
    for (const auto& probe : source.seen)
      out += fmt::format("observed from {}: {}\n", source.from, probe.str());
    if (!source.untried.empty())
      out += fmt::format("not tried from {}: {}\n", source.from, source.untried);
    else if (source.difference.empty())
      out += "as foretold\n";
    else
      out += fmt::format("NOT as foretold: {}\n", source.difference);
  }
  return out;
}

}  // namespace weft::cmd
