#pragma once

#include <string_view>

namespace weft::gateway {

/// Host or the authority of a target (RFC 3986, 3.2 without user information): put in lower case where it
/// stands, so `text` has to be a view of an arena. False: it is none. An empty one is good.
bool read_authority(std::string_view text, std::string_view& authority);

}  // namespace weft::gateway
