#include <cstdint>
#include <cstdlib>

#include "kube/client/watch_parser.h"

/// The first byte says how the rest is cut into pieces: however it is cut, the same events come out.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = data[0] + 1;
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  auto events = [&](size_t piece) {
    weft::kube::WatchParser parser;
    std::string seen;
    for (size_t at = 0; at < text.size(); at += piece) {
      auto fed = parser.feed(text.substr(at, piece), [&](weft::json::value event) {
        seen += weft::json::serialize(event);
        return true;
      });
      if (!fed) break;
    }
    return seen;
  };
  if (events(step) != events(text.size() + 1)) std::abort();
  return 0;
}
