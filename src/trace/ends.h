#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "trace/world.h"

/// What people write as the two ends of a connection.
namespace weft::trace {

/// Who connects.
struct Source {
  enum class Kind : uint8_t { pod, node, outside };
  Kind kind = Kind::outside;
  std::string label;   ///< "Pod shop/web-0"
  std::string pod;     ///< key; its addresses below may be its node's
  std::string node;    ///< where it runs; empty: outside
  bool stated = true;  ///< the addresses are known, not taken for an example
  std::vector<IpAddr> addresses;

  /// Its address of the family of `peer`; nothing: it has none.
  std::optional<IpAddr> address_for(const IpAddr& peer) const;
};

/// Whom it asks for.
struct Destination {
  enum class Kind : uint8_t { name, address, service, pod, gateway, node };
  Kind kind = Kind::name;
  std::string label;
  std::string scheme;  ///< "http", "https" or empty
  std::string host;    ///< a name or an address, as written in the URL
  std::string key;     ///< of service, pod, gateway and node
  std::optional<IpAddr> address;
  std::optional<uint16_t> port;  ///< written in it
  std::string path = "/";        ///< with the query
};

/// FROM: "NAMESPACE/NAME" or "NAME" (a pod), "deployment/NAME" and the like (each of its pods that stand on
/// different nodes), "node/NAME", an address, "outside". KIND/NAMESPACE/NAME says the namespace; otherwise it
/// is `ns`.
Expected<std::vector<Source>> parse_source(const World& world, std::string_view text, const std::string& ns);

/// TO: a URL, a name or an address (both with ":PORT" or not), "service/NAME", "pod/NAME", "gateway/NAME",
/// "node/NAME", "NAMESPACE/NAME" (a pod, or else a Service).
Expected<Destination> parse_destination(const World& world, std::string_view text, const std::string& ns);

}  // namespace weft::trace
