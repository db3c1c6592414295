#include <cstdint>
#include <cstdlib>

#include "base/http/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view head(reinterpret_cast<const char*>(data), size);
  auto request = weft::http::parse_request(head);
  if (!request) return request.error().message.empty() ? (std::abort(), 0) : 0;
  bool known = request->method == "GET" || request->method == "HEAD";
  bool path = request->path.starts_with('/') && !request->path.contains('?');
  // What was understood was there.
  if (!known || !path || !head.contains(request->path)) std::abort();
  return 0;
}
