#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ui/query.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t length = 0;
  for (const auto& [name, value] : weft::ui::parse_query(text)) length += name.size() + value.size();
  // Nothing comes from nowhere.
  if (length > size) std::abort();
  if (auto filter = weft::ui::filter_of(text); !filter && filter.error().message.empty()) std::abort();
  return 0;
}
