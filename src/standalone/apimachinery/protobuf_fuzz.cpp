#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "standalone/apimachinery/protobuf.h"

namespace {

using weft::standalone::decode_protobuf;
using namespace std::string_literals;

/// The envelopes of some kinds, up to the size of the object.
const std::array<std::string, 4> kEnvelopes = {
    "k8s\0\n\x09\n\x02v1\x12\x03Pod\x12"s,
    "k8s\0\n\x0d\n\x02v1\x12\x07Service\x12"s,
    "k8s\0\n\x0a\n\x02v1\x12\x04Node\x12"s,
    "k8s\0\n\x1d\n\x07"s + "apps/v1\x12\x12"s + "ControllerRevision\x12"s,
};

/// Whatever the bytes, the answer is an error or something that JSON can write.
bool decode(std::string_view body) {
  auto object = decode_protobuf(body);
  if (!object) return object.error().message.find("are not read") == std::string::npos;
  boost::system::error_code bad;
  weft::json::parse_options options;
  options.max_depth = 256;
  weft::json::parse(weft::json::serialize(*object), bad, {}, options);
  if (bad) std::abort();
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  decode(bytes);
  if (bytes.empty() || size > 4096) return 0;
  auto body = kEnvelopes[data[0] % kEnvelopes.size()];
  bytes.remove_prefix(1);
  size_t rest = bytes.size();
  for (; rest > 0x7f; rest >>= 7) body += static_cast<char>((rest & 0x7f) | 0x80);
  body += static_cast<char>(rest);
  body.append(bytes);
  // The envelopes are in order: messages are reached.
  if (!decode(body)) std::abort();
  return 0;
}
