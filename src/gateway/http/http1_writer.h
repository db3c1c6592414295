#pragma once

#include <string_view>

#include "gateway/http/buffer.h"
#include "gateway/http/message.h"

/// Writes heads of HTTP/1.1 messages. What the fields hold is trusted to be without control characters: it
/// was read by a codec, or made by a filter that looked.
namespace weft::gateway::http1 {

void write_request(const RequestHead& head, const Body& body, Buffer& out);

/// What a response says about the connection; of HTTP/1.1 nothing is said when it goes on.
enum class Goes : uint8_t { on, on_http10, closes };
void write_response(const ResponseHead& head, const Body& body, Goes goes, Buffer& out);

/// The last chunk, the trailers' lines and the end.
void write_trailers(const Fields& trailers, Buffer& out);

/// "Not Found"; empty for what has no name.
std::string_view reason(uint16_t status);

}  // namespace weft::gateway::http1
