#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "kube/json.h"
#include "trace/origin.h"

/// The way of a connection, as a tree: what docs/trace.md calls hops.
namespace weft::trace {

/// How the way goes on, or how it ends.
enum class Verdict : uint8_t {
  works,
  partly,   ///< some of the ways that a connection may take work, others do not
  denied,   ///< a policy drops it: the client waits until it gives up
  refused,  ///< the client is told at once
  dropped,  ///< nobody answers, and no policy is why
  no_name,  ///< the name does not exist
  no_way,   ///< no such address can be reached from there
  error,    ///< a proxy answers with an error status
  unknown,  ///< it leads to where objects say nothing
};
std::string_view name_of(Verdict verdict);

/// How and why it ended; of `works` only status and location may be set.
struct Outcome {
  Verdict verdict = Verdict::works;
  std::string reason;
  std::string fix;       ///< what would mend it; empty where that is not for objects to say
  int status = 0;        ///< of HTTP, that a proxy answers with by itself
  std::string location;  ///< where that redirects to; empty: nowhere
};

struct Hop {
  std::string step;           ///< "from", "name", "service", …: docs/trace.md has all
  std::string text;           ///< one line
  std::vector<ObjectRef> by;  ///< who decided
  Outcome outcome;            ///< of this hop with all below it
  std::vector<std::string> notes;
  std::vector<Hop> hops;  ///< its parts, or the ways that go on from it

  bool ends() const { return outcome.verdict != Verdict::works; }
  void end(Verdict verdict, std::string reason, std::string fix = {}) {
    outcome = {
        .verdict = verdict, .reason = std::move(reason), .fix = std::move(fix), .status = 0, .location = {}};
  }
  json::object to_json() const;
};

/// One that goes on.
inline Hop make_hop(std::string step, std::string text, std::vector<ObjectRef> by = {}) {
  Hop out;
  out.step = std::move(step);
  out.text = std::move(text);
  out.by = std::move(by);
  return out;
}

/// Of hops one after the other: the first that does not work.
Outcome in_sequence(const std::vector<Hop>& hops);
/// Of hops one of which is taken: they have to work all.
Outcome any_of(const std::vector<Hop>& hops);

/// An address and a port of it.
struct Target {
  IpAddr addr;
  uint16_t port = 0;
};

struct Trace {
  std::string from, to;
  Outcome outcome;
  std::vector<Hop> hops;
  std::vector<std::string> notes;  ///< what was assumed
  std::vector<Target>
      targets;       ///< what the last source connects to: one of these; none: it does not get so far
  std::string host;  ///< that HTTP would ask for
  bool name_taken =
      false;  ///< the name is of outside; it is only taken to lead to the Gateway that is for it

  /// 0 it works, 1 it does not, 3 nobody knows.
  int exit_code() const;
  json::object to_json() const;
  /// A tree of lines, ready to be printed.
  std::string to_text() const;
};

}  // namespace weft::trace
