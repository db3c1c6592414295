#include <algorithm>
#include <cstdlib>

#include "base/domain_messages.h"

namespace {

constexpr uint8_t kLastKind = 7;

/// The bytes at the front that are whole messages of kinds that nobody knows.
size_t unknown_at_front(std::span<const uint8_t> stream) {
  size_t at = 0;
  while (stream.size() - at > 2) {
    const size_t size = static_cast<size_t>(stream[at]) << 8 | stream[at + 1];
    if (size == 0 || stream.size() - at - 2 < size || stream[at + 2] <= kLastKind) break;
    at += 2 + size;
  }
  return at;
}

}  // namespace

// Any bytes as a stream: what is understood is written again as the very bytes it was read from.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::domain_feed;
  std::span<const uint8_t> stream(data, size);
  Reader whole, pieces;
  whole.append(stream);
  size_t at = 0, understood = 0;
  while (auto message = whole.next()) {
    at += unknown_at_front(stream.subspan(at));
    auto again = encode(*message);
    if (size - at < again.size() ||
        !std::equal(again.begin(), again.end(), data + at, [](char a, uint8_t b) { return uint8_t(a) == b; }))
      std::abort();
    at += again.size();
    understood += again.size();
  }
  size_t found = 0;
  for (size_t i = 0; i < size; ++i) {
    pieces.append(stream.subspan(i, 1));
    while (auto message = pieces.next()) found += encode(*message).size();
  }
  if (found != understood || pieces.broken() != whole.broken()) std::abort();
  return 0;
}
