#pragma once

#include <cstdint>

namespace weft {

/// What is known of somebody who is asked again and again how they are.
enum class Health : uint8_t {
  up,
  ending,  ///< nobody new is to ask them, but they still answer
  down,
};

}  // namespace weft
