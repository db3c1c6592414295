#include <cstdint>
#include <cstdlib>

#include "kube/yaml.h"

/// Whatever is read can be written and read again as the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto documents = weft::kube::parse_yaml({reinterpret_cast<const char*>(data), size}, "fuzz.yaml");
  if (!documents) return 0;
  for (const auto& document : *documents) {
    (void)document.line_of("spec.ports[0]");
    auto again = weft::kube::parse_yaml(weft::kube::to_yaml(document.value), "again.yaml");
    if (!again || again->size() != 1 || again->front().value != document.value) std::abort();
  }
  return 0;
}
