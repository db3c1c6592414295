#include <cstddef>
#include <cstdint>

#include "standalone/sandbox/echo_http.h"

using namespace weft::standalone::sandbox;

/// Cut anywhere or not at all, the same bytes are the same requests.
static std::string read_all(std::string_view bytes, size_t piece) {
  std::string seen;
  HttpReader reader;
  for (size_t at = 0; at < bytes.size();) {
    size_t used = reader.feed(bytes.substr(at, piece));
    at += used;
    if (reader.state() == HttpReader::State::bad) return seen + "bad";
    if (reader.state() != HttpReader::State::complete) continue;
    seen += answer(reader.request(), {"p", "n", "i", "o"}, "c").body + "|";
    reader.reset();
  }
  return seen;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (read_all(bytes, bytes.size() + 1) != read_all(bytes, 3)) __builtin_trap();
  return 0;
}
