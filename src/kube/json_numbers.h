#pragma once

#include "kube/json.h"

namespace weft::kube {

/// Whether all numbers of a parsed text are numbers. The parser makes infinity of one that is too large, and
/// NaN of 0e999; neither can be written as JSON again (RFC 8259, section 6).
bool has_finite_numbers(const json::value& value);

}  // namespace weft::kube
