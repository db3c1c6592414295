#pragma once

#include <string>
#include <vector>

#include "probe/probe.h"
#include "trace/walk.h"

/// What was foretold of a connection beside what was seen of it.
namespace weft::probe {

/// What to try for a connection from `source` that was traced, alone. Fails where there is nothing to try:
/// the client is nobody, or nobody knows what the name stands for.
Expected<Ask> ask_for(const trace::World& world, const trace::Source& source, const trace::Destination& to,
                      const trace::Request& request, const trace::Trace& trace);

/// A client that asks for a name takes one of its addresses; an object is tried at each that it has.
std::vector<Ask> at_each_address(const Ask& ask);

/// Says which pod it is that answered, where the address tells it.
void name_peer(const trace::World& world, Observed& seen);

/// What may come of a connection.
struct Way {
  trace::Verdict verdict = trace::Verdict::works;
  int status = 0;  ///< of HTTP, that a proxy answers with
};
std::vector<Way> ways_of(const trace::Trace& trace);
/// The pods ("namespace/name") that it may get to.
std::vector<std::string> pods_reached(const trace::Trace& trace);
/// True: it passes a proxy, which answers in the pods' place.
bool passes_proxy(const trace::Trace& trace);

/// In which way the two are not the same; empty: they agree.
std::string difference(const trace::Trace& trace, const Ask& ask, const Observed& seen);

}  // namespace weft::probe
