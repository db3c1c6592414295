#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/config/config.h"
#include "gateway/http/message.h"

/// What is done when a request fails.
namespace weft::gateway {

/// Whether the request is a gRPC call, by its content type (gRPC over HTTP/2, "Requests").
bool is_grpc(const RequestHead& request);

/// An answer of the proxy's own to a gRPC call, as trailers alone: the whole of it is this head. `status` is
/// what HTTP would be answered with, `message` what went wrong.
void answer_grpc(uint16_t status, std::string_view message, ResponseHead& answer, Arena& arena);

/// Milliseconds after which the request is to be tried again, or none: it is not. `done`: how often it has
/// been tried again before. `status`: of the answer; 0: there was none, because of the connection or a
/// timeout. `random`: any number, so that those who failed together do not come back together. The waiting
/// time doubles from Retry::backoff (without one from nothing to 25 ms) up to ten times that.
std::optional<uint32_t> try_again_after(const Retry& retry, uint32_t done, uint16_t status, uint32_t random);

}  // namespace weft::gateway
