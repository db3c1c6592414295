#include <cstdlib>
#include <string_view>

#include "expect/expectation.h"

/// Files of expectations: each is understood, or refused with its place.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto documents = weft::kube::parse_yaml({reinterpret_cast<const char*>(data), size}, "x.weft.yaml");
  if (!documents) return 0;
  auto all = weft::expect::read_expectations(*documents);
  if (!all && !all.error().message.starts_with("x.weft.yaml:")) std::abort();
  if (!all) return 0;
  for (const auto& one : *all) {
    if (one.from.empty() || one.to.empty() || one.name.empty()) std::abort();
  }
  return 0;
}
