#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "observe/filter.h"

namespace weft::ui {

/// "a=1&b=x+y%21" as pairs, in their order. What is no escape stays as it is written.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

/// The options of `weft observe` that choose flows: "pod=shop/web&verdict=DROPPED&not=1". Empty values count
/// as if they were not there; fails on a name that is none of them, or a port that is none.
Expected<observe::FlowFilter> filter_of(std::string_view query);

}  // namespace weft::ui
