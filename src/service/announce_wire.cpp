#include "service/announce_wire.h"

#include <algorithm>

namespace weft::service {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kEthernet = 14;
constexpr size_t kIpv6 = 40;
constexpr size_t kNeighbour = 24;  ///< a solicitation or advertisement without options
constexpr uint16_t kArpType = 0x0806, kIpv6Type = 0x86dd;
constexpr uint8_t kIcmpv6 = 58, kSolicitation = 135, kAdvertisement = 136;
constexpr uint8_t kSourceLinkLayer = 1, kTargetLinkLayer = 2;
constexpr uint8_t kSolicited = 0x40, kOverride = 0x20;
constexpr MacAddr kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr MacAddr kAllNodesMac{0x33, 0x33, 0, 0, 0, 1};
constexpr std::array<uint8_t, 8> kArpOverEthernet{0, 1, 8, 0, 6, 4, 0, 0};  ///< the operation comes last

uint16_t read16(Bytes data, size_t at) { return static_cast<uint16_t>(data[at] << 8 | data[at + 1]); }

MacAddr read_mac(Bytes data, size_t at) {
  MacAddr out;
  std::copy_n(data.begin() + static_cast<ptrdiff_t>(at), out.size(), out.begin());
  return out;
}

template <size_t N>
std::array<uint8_t, N> read(Bytes data, size_t at) {
  std::array<uint8_t, N> out;
  std::copy_n(data.begin() + static_cast<ptrdiff_t>(at), N, out.begin());
  return out;
}

template <class Frame, class Part>
void put(Frame& frame, size_t at, const Part& part) {
  std::ranges::copy(part, frame.begin() + static_cast<ptrdiff_t>(at));
}

template <class Frame>
void put16(Frame& frame, size_t at, uint16_t value) {
  frame[at] = static_cast<uint8_t>(value >> 8);
  frame[at + 1] = static_cast<uint8_t>(value);
}

template <class Frame>
void put_ethernet(Frame& frame, const MacAddr& to, const MacAddr& from, uint16_t type) {
  put(frame, 0, to);
  put(frame, 6, from);
  put16(frame, 12, type);
}

/// One link's own: not a group's, not nobody's.
bool is_unicast(const MacAddr& mac) { return (mac[0] & 1) == 0 && mac != MacAddr{}; }

/// The Internet checksum of an ICMPv6 message with its pseudo-header (RFC 8200, 8.1); 0 if one is in it and
/// right.
uint16_t icmpv6_checksum(Bytes addresses, Bytes message) {
  uint64_t sum = message.size() + kIcmpv6;
  for (auto part : {addresses, message}) {
    for (size_t i = 0; i < part.size(); ++i) sum += static_cast<uint64_t>(part[i]) << (i % 2 == 0 ? 8 : 0);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

ArpFrame arp(uint16_t operation, const MacAddr& to, const MacAddr& mac, const IpAddr& addr,
             const MacAddr& target_mac, const IpAddr& target) {
  ArpFrame out{};
  put_ethernet(out, to, mac, kArpType);
  put(out, kEthernet, kArpOverEthernet);
  put16(out, kEthernet + 6, operation);
  put(out, kEthernet + 8, mac);
  put(out, kEthernet + 14, addr.bytes());
  put(out, kEthernet + 18, target_mac);
  put(out, kEthernet + 24, target.bytes());
  return out;
}

AdvertisementFrame advertise(const MacAddr& mac, const IpAddr& addr, const MacAddr& to_mac, const IpAddr& to,
                             uint8_t flags) {
  AdvertisementFrame out{};
  put_ethernet(out, to_mac, mac, kIpv6Type);
  out[kEthernet] = 0x60;
  put16(out, kEthernet + 4, kNeighbour + 8);
  out[kEthernet + 6] = kIcmpv6;
  out[kEthernet + 7] = 255;
  put(out, kEthernet + 8, addr.bytes());
  put(out, kEthernet + 24, to.bytes());
  constexpr size_t kMessage = kEthernet + kIpv6;
  out[kMessage] = kAdvertisement;
  out[kMessage + 4] = flags;
  put(out, kMessage + 8, addr.bytes());
  out[kMessage + kNeighbour] = kTargetLinkLayer;
  out[kMessage + kNeighbour + 1] = 1;
  put(out, kMessage + kNeighbour + 2, mac);
  Bytes all(out);
  put16(out, kMessage + 2, icmpv6_checksum(all.subspan(kEthernet + 8, 32), all.subspan(kMessage)));
  return out;
}

IpAddr all_nodes() { return *IpAddr::parse("ff02::1"); }

/// Options are well formed; the sender's link-layer address among them goes to `mac`. RFC 4861, 4.6.
bool read_options(Bytes options, std::optional<MacAddr>& mac) {
  while (!options.empty()) {
    if (options.size() < 8) return false;
    size_t length = size_t{options[1]} * 8;
    if (length == 0 || length > options.size()) return false;
    if (options[0] == kSourceLinkLayer) mac = read_mac(options, 2);
    options = options.subspan(length);
  }
  return true;
}

}  // namespace

std::optional<AddressQuery> parse_arp_request(Bytes frame) {
  if (frame.size() < ArpFrame{}.size() || read16(frame, 12) != kArpType) return std::nullopt;
  auto body = frame.subspan(kEthernet);
  if (!std::ranges::equal(body.first(6), std::span(kArpOverEthernet).first(6))) return std::nullopt;
  if (read16(body, 6) != 1) return std::nullopt;
  AddressQuery out{.sender_mac = read_mac(body, 8),
                   .sender = IpAddr::v4(read<4>(body, 14)),
                   .target = IpAddr::v4(read<4>(body, 24))};
  if (!is_unicast(out.sender_mac) || out.sender == out.target) return std::nullopt;
  if (out.target.is_multicast() || out.target.is_unspecified()) return std::nullopt;
  return out;
}

std::optional<AddressQuery> parse_solicitation(Bytes frame) {
  if (frame.size() < kEthernet + kIpv6 + kNeighbour || read16(frame, 12) != kIpv6Type) return std::nullopt;
  auto header = frame.subspan(kEthernet);
  const size_t length = read16(header, 4);
  if (header[0] >> 4 != 6 || header[6] != kIcmpv6 || header[7] != 255) return std::nullopt;
  if (length < kNeighbour || length > header.size() - kIpv6) return std::nullopt;
  auto message = header.subspan(kIpv6, length);
  if (message[0] != kSolicitation || message[1] != 0) return std::nullopt;
  if (icmpv6_checksum(header.subspan(8, 32), message) != 0) return std::nullopt;

  auto destination = IpAddr::v6(read<16>(header, 24));
  AddressQuery out{.sender_mac = read_mac(frame, 6),
                   .sender = IpAddr::v6(read<16>(header, 8)),
                   .target = IpAddr::v6(read<16>(message, 8))};
  if (out.target.is_multicast() || out.target.is_unspecified() || out.sender.is_multicast())
    return std::nullopt;
  std::optional<MacAddr> told;
  if (!read_options(message.subspan(kNeighbour), told)) return std::nullopt;
  const bool to_group = destination == solicited_node_group(out.target);
  if (!to_group && destination != out.target) return std::nullopt;
  if (out.sender.is_unspecified() && (!to_group || told)) return std::nullopt;
  if (told) out.sender_mac = *told;
  if (!is_unicast(out.sender_mac)) return std::nullopt;
  return out;
}

ArpFrame arp_reply(const MacAddr& mac, const AddressQuery& query) {
  return arp(2, query.sender_mac, mac, query.target, query.sender_mac, query.sender);
}

ArpFrame arp_announcement(const MacAddr& mac, const IpAddr& addr, ArpForm form) {
  if (form == ArpForm::request) return arp(1, kBroadcast, mac, addr, {}, addr);
  return arp(2, kBroadcast, mac, addr, kBroadcast, addr);
}

AdvertisementFrame advertisement(const MacAddr& mac, const AddressQuery& query) {
  if (query.sender.is_unspecified())
    return advertise(mac, query.target, kAllNodesMac, all_nodes(), kOverride);
  return advertise(mac, query.target, query.sender_mac, query.sender, kSolicited | kOverride);
}

AdvertisementFrame unsolicited_advertisement(const MacAddr& mac, const IpAddr& addr) {
  return advertise(mac, addr, kAllNodesMac, all_nodes(), kOverride);
}

IpAddr solicited_node_group(const IpAddr& addr) {
  std::array<uint8_t, 16> out{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::ranges::copy(addr.bytes().last(3), out.begin() + 13);
  return IpAddr::v6(out);
}

}  // namespace weft::service
