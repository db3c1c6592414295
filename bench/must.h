#pragma once

#include <stdexcept>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace weft::bench {

/// Fails as the benchmark does.
template <class T>
T must(Expected<T> value) {
  if (!value) throw std::runtime_error(value.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}

}  // namespace weft::bench
