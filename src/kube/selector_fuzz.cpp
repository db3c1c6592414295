#include <cstdint>
#include <cstdlib>

#include "kube/selector.h"

/// The string form of what was parsed is parsed as the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::kube;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto selector = Selector::parse(text)) {
    auto again = Selector::parse(selector->str());
    if (!again || again->str() != selector->str()) std::abort();
    StringMap labels{{"a", "b"}, {"n", "3"}};
    if (again->matches(labels) != selector->matches(labels)) std::abort();
  }
  if (auto fields = FieldSelector::parse(text))
    (void)fields->matches(weft::json::value{{"metadata", {{"name", "a"}}}});
  return 0;
}
