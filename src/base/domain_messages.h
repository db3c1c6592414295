#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ip.h"

/// What a node's agent and its DNS servers say to each other over a unix socket, so that an address is in
/// force before the answer that tells it leaves (docs/decisions/0005-domain-feed.md), and so that what is
/// simple is answered without the server. Names are text in lower case, of printable characters, without the
/// dot at the end. A message is its length in two bytes, a byte that tells its kind, and what it holds;
/// numbers are in network order.
namespace weft::domain_feed {

/// For so long addresses stay in force beyond their time to live: between an answer and the last try to
/// connect by it is time, and there are clients that keep answers for half a minute whatever they say.
inline constexpr std::chrono::seconds kGrace{30};
/// Of a name's text.
inline constexpr size_t kMaxName = 1024;
/// Of one answer.
inline constexpr size_t kMaxAddresses = 1000;
/// After which a server that does not say so again is taken for one that does not answer.
inline constexpr std::chrono::seconds kServingFor{1};
/// Addresses of one server.
inline constexpr size_t kMaxServing = 64;

/// The agent: policies ask for a name or a pattern ("*.a.example").
struct Asked {
  std::string pattern;
  bool operator==(const Asked&) const = default;
};
/// The agent: no policy does any more.
struct Dropped {
  std::string pattern;
  bool operator==(const Dropped&) const = default;
};
/// The agent: since the connection began, all that are asked for were told.
struct Complete {
  bool operator==(const Complete&) const = default;
};
/// The agent: the answer with that number is in force.
struct InForce {
  uint32_t number = 0;
  bool operator==(const InForce&) const = default;
};
struct TimedAddress {
  IpAddr address;
  uint32_t ttl = 0;  ///< seconds
  bool operator==(const TimedAddress&) const = default;
};
/// The DNS server: what a name that is asked for was answered to have.
struct Answer {
  uint32_t number = 0;  ///< of this connection
  std::string name;
  std::vector<TimedAddress> addresses;
  bool operator==(const Answer&) const = default;
};
/// The DNS server: for kServingFor from now on, links of the node's pods may answer as it does what asks one
/// of these addresses for a name of a Service with a cluster address
/// (docs/decisions/0009-dns-at-the-link.md).
struct Serving {
  struct At {
    IpAddr address;  ///< unspecified: any of the node's
    uint16_t port = 0;
    bool operator==(const At&) const = default;
  };
  uint32_t ttl = 0;     ///< seconds, of all records
  uint32_t serial = 0;  ///< of the zone's SOA record
  std::string zone;
  std::vector<At> at;
  bool operator==(const Serving&) const = default;
};
/// The DNS server: not any more.
struct Silent {
  bool operator==(const Silent&) const = default;
};
using Message = std::variant<Asked, Dropped, Complete, InForce, Answer, Serving, Silent>;

/// With its length. Names and lists of addresses must keep to the limits above.
std::string encode(const Message& message);
/// Without its length. Nothing: it is none.
std::optional<Message> decode(std::span<const uint8_t> message);

/// Whether what a policy asks for may be a name of a zone.
bool may_be_within(std::string_view pattern, std::string_view zone);

/// Puts a stream together and takes it apart into messages; kinds that are not known are stepped over.
class Reader {
 public:
  void append(std::span<const uint8_t> bytes);
  /// Nothing: the next one is not complete, or (then broken() is true, for good) the stream is none of this
  /// kind.
  std::optional<Message> next();
  bool broken() const { return broken_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t at_ = 0;
  bool broken_ = false;
};

/// Calls `fn` with all that a policy may ask for and mean `name` by: the name, and "*." for one label or more
/// at its beginning.
template <class Fn>
void for_each_pattern(const std::string& name, Fn&& fn) {
  fn(name);
  for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
    fn("*" + name.substr(dot));
}

}  // namespace weft::domain_feed
