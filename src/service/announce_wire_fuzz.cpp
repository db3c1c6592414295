#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "service/announce_wire.h"

/// What is accepted asks for one unicast address of its family, and the answer to it asks for nothing.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::service;
  const weft::MacAddr mac{2, 0, 0, 0, 0, 1};
  const std::span<const uint8_t> frame(data, size);
  if (auto query = parse_arp_request(frame)) {
    if (!query->target.is_v4() || query->target.is_multicast() || (query->sender_mac[0] & 1) != 0) abort();
    if (parse_arp_request(arp_reply(mac, *query))) abort();
  }
  if (auto query = parse_solicitation(frame)) {
    if (!query->target.is_v6() || query->target.is_multicast() || (query->sender_mac[0] & 1) != 0) abort();
    if (parse_solicitation(advertisement(mac, *query))) abort();
  }
  return 0;
}
