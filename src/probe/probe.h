#pragma once

#include <netinet/in.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "kube/json.h"
#include "probe/place.h"

/// Real connections, made from where a client is, and what came of them.
namespace weft::probe {

struct HttpAsk {
  bool tls = false;
  std::string method = "GET";
  std::string path = "/";
  std::string host;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// One connection that is tried.
struct Ask {
  std::string host;               ///< asked for by name, by the client's own resolver, without `addresses`
  std::vector<IpAddr> addresses;  ///< tried one after the other, as those of a name are
  uint16_t port = 0;
  uint8_t protocol = IPPROTO_TCP;
  std::optional<HttpAsk> http;  ///< asked once it is connected
  std::vector<IpAddr> from;  ///< the client's own, one of each family at most; without: the kernel's choice
  std::chrono::milliseconds patience{1500};  ///< for all of it
};

enum class Result : uint8_t {
  connected,    ///< over UDP: something came back
  refused,      ///< or reset, or closed before TLS was set up or anything was answered
  timed_out,    ///< nobody answered within the patience
  unreachable,  ///< the kernel or a router says so
  no_name,      ///< the resolver found no address
  failed,       ///< something else, in Observed::detail
};
std::string_view name_of(Result result);

struct Observed {
  Result result = Result::failed;
  std::string stage = "name";  ///< how far it came: "name", "connect", "answer" (of HTTP)
  std::string detail;
  int status = 0;                 ///< of HTTP
  std::string location;           ///< where an answer redirects to
  std::vector<IpAddr> addresses;  ///< that the resolver gave
  std::optional<IpAddr> address;  ///< the one that was connected to, or tried last
  std::optional<IpAddr> peer;     ///< where the socket really leads, behind the address of a Service
  std::string pod;                ///< "namespace/name" that answered, as far as it is known
  double seconds = 0;

  /// "connected, HTTP 200, Pod shop/web-0 (10.244.0.5), in 2 ms".
  std::string str() const;
  json::object to_json() const;
};

/// Tries all of them at one place, many at a time; the answers are in the order of the asks. Blocks: as long
/// as the most patient, and a little. Needs root.
Expected<std::vector<Observed>> probe_from(const Place& place, const std::vector<Ask>& asks);

/// What `weft probe-agent` does, the process that goes to the place: reads the asks from standard input and
/// writes what it has seen to standard output.
Expected<void> run_agent(const Place& place);

// For the two above: what they say to each other.
json::value to_json(const Ask& ask);
Expected<Ask> ask_of(const json::value& value);
Expected<Observed> observed_of(const json::value& value);

}  // namespace weft::probe
