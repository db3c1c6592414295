#include <cstdint>
#include <cstdlib>

#include "kube/yaml_blocks.h"

/// Whatever the quick reader reads, yaml-cpp reads as the same, lines included.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::kube;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto quick = read_block_yaml(text, "fuzz.yaml");
  if (!quick) return 0;
  auto slow = parse_any_yaml(text, "fuzz.yaml");
  if (!slow || slow->size() != quick->size()) std::abort();
  for (size_t i = 0; i < quick->size(); ++i) {
    const auto &a = (*quick)[i], &b = (*slow)[i];
    if (a.value != b.value || a.line != b.line || a.lines != b.lines || a.file != b.file) std::abort();
  }
  return 0;
}
