#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "dns/name.h"
#include "dns/socket.h"

namespace weft::dns {

/// The name servers of a resolv.conf, in order; lines that are none, or name no address, are passed over as
/// the C library does. A scope ("fe80::1%eth0") is not supported and passed over too.
std::vector<SocketAddress> parse_resolv_conf(std::string_view text);
/// From a file; an unreadable one is an error.
Expected<std::vector<SocketAddress>> load_resolv_conf(const std::string& path);
/// The search list: the last `search` or `domain` line counts (resolv.conf(5)); what is no name is passed
/// over.
std::vector<Name> parse_search_list(std::string_view text);
Expected<std::vector<Name>> load_search_list(const std::string& path);

}  // namespace weft::dns
