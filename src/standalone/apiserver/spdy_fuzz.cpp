#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "standalone/apiserver/spdy.h"

using namespace weft::standalone::spdy;

namespace {

void add(std::string& out, std::string_view text) { out.append(text).push_back('|'); }

/// What came out, in words, with the pieces of data put together.
struct Story {
  std::string frames;
  std::string data;

  void operator()(const HeaderFrame& frame) {
    add(frames, "h" + std::to_string(frame.stream) + (frame.fin ? "f" : ""));
    for (const auto& [name, value] : frame.headers) add(frames, name), add(frames, value);
  }
  void operator()(const Data& frame) {
    data += frame.bytes;
    if (frame.fin) add(frames, "d" + std::to_string(frame.stream));
  }
  void operator()(const RstStream& frame) { add(frames, "r" + std::to_string(frame.stream)); }
  void operator()(const Ping& frame) { add(frames, "p" + std::to_string(frame.id)); }
  void operator()(const GoAway& frame) { add(frames, "g" + std::to_string(frame.status)); }
  void operator()(const Ignored& frame) { add(frames, "i" + std::to_string(frame.type)); }
  bool operator==(const Story&) const = default;
};

Story read(std::string_view bytes, size_t step) {
  Reader reader;
  Story out;
  while (!bytes.empty()) {
    auto size = std::min(step, bytes.size());
    reader.feed(bytes.substr(0, size));
    bytes.remove_prefix(size);
    while (true) {
      auto frame = reader.next();
      if (!frame) {
        add(out.frames, frame.error().message);
        return out;
      }
      if (!*frame) break;
      std::visit(out, **frame);
    }
  }
  return out;
}

}  // namespace

/// However the bytes are cut, the frames are the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (read(bytes, size + 1) != read(bytes, 7)) std::abort();
  return 0;
}
