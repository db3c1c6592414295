#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dns/codec.h"

/// How a server says where an answer came from: a private EDNS option (RFC 6891, 9: codes for local use),
/// empty in the question, a text in the answer. Given only to who asks from the server's own machine.
namespace weft::dns {

/// Puts the option into a message whose last record is its OPT record. False, and the message as it was, when
/// it is another message, or there is no room.
bool add_source_option(std::span<uint8_t> buffer, size_t& size, std::string_view text);

/// What the option in a message says; nothing when it has none.
std::optional<std::string> source_option_of(std::span<const uint8_t> message);

}  // namespace weft::dns
