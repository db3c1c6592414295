#include <cstdint>
#include <cstdlib>

#include "base/http/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view head(reinterpret_cast<const char*>(data), size);
  constexpr size_t kMaxBody = 100;
  // With bodies no request is refused that is taken without.
  auto request = weft::http::parse_request(head, kMaxBody);
  if (!request && weft::http::parse_request(head)) std::abort();
  if (request && request->length > (request->method == "POST" ? kMaxBody : 0)) std::abort();
  if (!request) return request.error().message.empty() ? (std::abort(), 0) : 0;
  bool known = request->method == "GET" || request->method == "HEAD" || request->method == "POST";
  bool path = request->path.starts_with('/') && !request->path.contains('?');
  // What was understood was there.
  if (!known || !path || !head.contains(request->path)) std::abort();
  return 0;
}
