#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/ip.h"

/// DNS cookies of a server (RFC 7873), made as RFC 9018 says, so that servers that share a secret would take
/// each other's. Ours are told and never asked for: a client that sends none, or an old one, is answered all
/// the same.
namespace weft::dns {

using CookieSecret = std::array<uint8_t, 16>;
using ServerCookie = std::array<uint8_t, 16>;

/// For the client that sent `client_cookie` (8 bytes) from `ip` at `now` (seconds since 1970).
ServerCookie server_cookie(std::span<const uint8_t> client_cookie, const IpAddr& ip, uint32_t now,
                           const CookieSecret& secret);

/// This process's, random.
const CookieSecret& cookie_secret();

/// SipHash-2-4 of `data`, its 8 bytes as they go over the wire (Aumasson and Bernstein, 2012).
std::array<uint8_t, 8> siphash24(std::span<const uint8_t> data, const CookieSecret& key);

}  // namespace weft::dns
