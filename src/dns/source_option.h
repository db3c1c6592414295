#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dns/codec.h"

/// What a server tells about itself in private EDNS options (RFC 6891, 9: codes for local use), over TCP,
/// when the question has the option. Where the answer came from: empty in the question, a text in the answer;
/// told only to who asks from the server's own machine. That it ends soon (lame duck): empty in both, told to
/// all.
namespace weft::dns {

/// Puts the option into a message whose last record is its OPT record. False, and the message as it was, when
/// it is another message, or there is no room.
bool add_source_option(std::span<uint8_t> buffer, size_t& size, std::string_view text);

/// What the option in a message says; nothing when it has none.
std::optional<std::string> source_option_of(std::span<const uint8_t> message);

/// The same for "it ends soon".
bool add_ending_option(std::span<uint8_t> buffer, size_t& size);
bool has_ending_option(std::span<const uint8_t> message);

}  // namespace weft::dns
