#include <cstdint>
#include <cstdlib>

#include "gateway/http/path.h"

// Any bytes as a path: what is accepted is normal, stays the same when normalised again, and has no way up in
// it however often a backend unescapes it once.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::gateway;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Arena arena;
  decoded_form(text, arena);
  auto path = normal_path(text, arena);
  if (!path) return 0;
  if (path->empty() || path->front() != '/' || path->find("//") != path->npos) std::abort();
  if (normal_path(*path, arena) != path) std::abort();
  std::string_view rest = decoded_form(*path, arena);
  while (!rest.empty()) {
    rest.remove_prefix(1);
    std::string_view segment = rest.substr(0, rest.find_first_of("/\\"));
    if (segment == "." || segment == "..") std::abort();
    rest.remove_prefix(segment.size());
  }
  return 0;
}
