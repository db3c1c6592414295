#include <cstddef>
#include <cstdint>

#include "podnet/cni.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto request = weft::podnet::parse_request(text)) {
    // What was read can be sent on, and means the same.
    auto again = weft::podnet::parse_request(weft::json::serialize(weft::podnet::to_json(*request)));
    if (!again || again->container_id != request->container_id || again->args != request->args)
      __builtin_trap();
  }
  (void)weft::podnet::parse_args(text);
  (void)weft::podnet::parse_config(text);
  return 0;
}
