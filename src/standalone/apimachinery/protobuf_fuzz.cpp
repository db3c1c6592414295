#include <cstddef>
#include <cstdint>

#include "standalone/apimachinery/protobuf.h"

/// Whatever the bytes, the answer is JSON or an error; with the envelope in front, so that messages are
/// reached.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)weft::standalone::decode_protobuf(bytes);
  if (size > 4096) return 0;
  std::string body("k8s\0\n\x09\n\x02v1\x12\x03Pod\x12", 18);
  for (size_t rest = size;; rest >>= 7) {
    body += static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    if (rest <= 0x7f) break;
  }
  body.append(bytes);
  (void)weft::standalone::decode_protobuf(body);
  return 0;
}
