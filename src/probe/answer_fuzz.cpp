#include <cstdlib>
#include <string_view>

#include "probe/attempt.h"

/// What servers answer, whatever they like.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto seen = weft::probe::read_answer({reinterpret_cast<const char*>(data), size});
  if (seen.status < 0 || seen.status > 999 || (seen.status == 0 && !(seen.pod + seen.location).empty()))
    std::abort();
  return 0;
}
