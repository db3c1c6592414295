#include <cstdlib>

#include "gateway/http/client_hello.h"

// Any bytes as the start of a connection, as they come bit by bit: what was decided does not change with
// more, and a name is a name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::gateway;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ClientHello whole = read_client_hello(bytes);
  if (whole.server_name.find_first_of(std::string_view("\0/ \r\nA*", 7)) != std::string::npos) std::abort();
  for (size_t part : {size / 4, size / 2, size - size / 4}) {
    ClientHello hello = read_client_hello(bytes.substr(0, part));
    if (hello.state == ClientHello::State::more) continue;
    if (hello.state != whole.state || hello.server_name != whole.server_name) std::abort();
  }
  return 0;
}
