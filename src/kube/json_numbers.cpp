#include "kube/json_numbers.h"

#include <algorithm>
#include <cmath>

namespace weft::kube {

bool has_finite_numbers(const json::value& value) {
  if (const auto* number = value.if_double()) return std::isfinite(*number);
  if (const auto* list = value.if_array()) return std::ranges::all_of(*list, has_finite_numbers);
  const auto* object = value.if_object();
  return !object ||
         std::ranges::all_of(*object, [](const auto& field) { return has_finite_numbers(field.value()); });
}

}  // namespace weft::kube
