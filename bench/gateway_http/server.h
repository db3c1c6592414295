#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::bench {

/// A backend that answers each request of HTTP/1.1 with `body` bytes, on one thread, until the process is
/// killed. Never returns. `port`: on 127.0.0.1.
[[noreturn]] void serve(uint16_t port, size_t body);

}  // namespace weft::bench
