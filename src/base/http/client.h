#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>

#include "base/error.h"
#include "base/http/address.h"

namespace weft {
namespace asio = boost::asio;
}

namespace weft::http {

struct Response {
  unsigned status = 0;
  std::string body;  ///< of at most 1 MiB
};

/// Asks once, over a connection of its own. unavailable when there is no answer within `patience`.
asio::awaitable<Expected<Response>> get(asio::io_context& io, Address address, std::string path,
                                        std::chrono::milliseconds patience);

}  // namespace weft::http
