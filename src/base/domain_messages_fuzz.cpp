#include <algorithm>
#include <cstdlib>

#include "base/domain_messages.h"

// Any bytes as a stream: what is understood is written again as the very bytes it was read from.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::domain_feed;
  std::span<const uint8_t> stream(data, size);
  Reader whole, pieces;
  whole.append(stream);
  size_t at = 0;
  while (auto message = whole.next()) {
    auto again = encode(*message);
    if (size - at < again.size() ||
        !std::equal(again.begin(), again.end(), data + at, [](char a, uint8_t b) { return uint8_t(a) == b; }))
      std::abort();
    at += again.size();
  }
  size_t found = 0;
  for (size_t i = 0; i < size; ++i) {
    pieces.append(stream.subspan(i, 1));
    while (auto message = pieces.next()) found += encode(*message).size();
  }
  if (found != at || pieces.broken() != whole.broken()) std::abort();
  return 0;
}
