#pragma once

#include "base/error.h"
#include "kube/json.h"
#include "trace/hop.h"
#include "trace/world.h"

namespace weft::ui {

/// `weft trace` as the page asks it: {"from", "to", "namespace", "port", "protocol", "method", "headers":
/// [[NAME, VALUE]]}; all but the first two may be absent.
Expected<trace::Trace> ask(const trace::World& world, const json::value& question);

}  // namespace weft::ui
