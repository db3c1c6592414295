#pragma once

#include <optional>
#include <string_view>

#include "gateway/http/message.h"

/// One spelling for every path, so that what a rule is matched with is what a backend gets.
namespace weft::gateway {

/// The path of a request target without its query, in the normal form of RFC 3986 (6.2.2):
///  - an escaped character that needs no escape is itself ("%7E" is "~"), other escapes are in upper case,
///  and
///    what may not stand in a path unescaped (RFC 3986 `pchar`; also "\", bytes from 0x80) is escaped;
///  - "." and ".." segments are taken away, escaped or not; above the root there is only the root;
///  - several slashes in a row are one.
/// An escaped slash stays escaped and belongs to its segment. Absent for what is refused with 400: a path
/// that does not start with "/", an escape that is none, a control character or NUL escaped or not, "#", and
/// a segment that a backend which unescapes "%2F" or "%5C" would read as a way up ("..%2Fadmin"). The same
/// view where nothing had to change, else in the arena.
std::optional<std::string_view> normal_path(std::string_view path, Arena& arena);

/// What a query stands for where form data is meant (the URL standard's urlencoded parser): "+" is a space
/// and escapes are bytes; an escape that is none stays as it is. The same view where nothing had to change.
std::string_view decoded_form(std::string_view text, Arena& arena);

}  // namespace weft::gateway
