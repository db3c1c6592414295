#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "service/address_range.h"

/// What is accepted is a range of one family, begins before it ends, and means the same when it is written
/// and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using weft::service::AddressRange;
  auto range = AddressRange::parse({reinterpret_cast<const char*>(data), size});
  if (!range) return 0;
  if (range->first.is_v4() != range->last.is_v4() || range->last < range->first || range->size() < 1) abort();
  auto again = AddressRange::parse(range->first.str() + "-" + range->last.str());
  if (!again || *again != *range) abort();
  return 0;
}
