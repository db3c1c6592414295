#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ip.h"

/// What a proxy does, as values: the border between the control plane (objects in, these out) and the data
/// plane (these in, packets out). Everything is immutable once it is shared; a part that a change does not
/// touch is the very same pointer in the next snapshot, so that neither side does the work of it again. Times
/// are in milliseconds, ports in host byte order, header names in lower case.
namespace weft::gateway {

/// The object and the part of it that something is there for.
struct Why {
  std::string kind;  ///< "HTTPRoute"
  std::string namespace_;
  std::string name;
  std::string section;  ///< a listener's or a rule's name, else ""
  int rule = -1;        ///< index in spec.rules; -1: none
  auto operator<=>(const Why&) const = default;
};

// Matching of HTTP requests.

enum class PathKind : uint8_t { exact, prefix, regex };

/// A header or query parameter that has to be there: `value` is the whole value, or an RE2 expression that
/// the whole value has to match.
struct ValueMatch {
  std::string name;
  std::string value;
  bool regex = false;
  bool operator==(const ValueMatch&) const = default;
};

/// All of it has to match. A prefix matches whole elements: "/foo" matches "/foo" and "/foo/bar", not
/// "/foobar"; a slash at its end means nothing. A regular expression has to match the whole path.
struct Match {
  PathKind path_kind = PathKind::prefix;
  std::string path = "/";
  std::string method;  ///< empty: any
  std::vector<ValueMatch> headers;
  std::vector<ValueMatch> query;
  bool operator==(const Match&) const = default;
};

// What happens to a request on its way.

struct HeaderEdit {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;
  std::vector<std::string> remove;
  bool empty() const { return set.empty() && add.empty() && remove.empty(); }
  bool operator==(const HeaderEdit&) const = default;
};

/// A new path: all of it, or the part that the rule's prefix matched. The query stays.
struct PathEdit {
  bool prefix = false;
  std::string value;
  bool operator==(const PathEdit&) const = default;
};

/// Answered by the proxy itself. What is absent is as in the request; without a port it is the scheme's where
/// a scheme is given, else the listener's (HTTPRequestRedirectFilter).
struct Redirect {
  std::optional<std::string> scheme;
  std::optional<std::string> hostname;
  std::optional<PathEdit> path;
  std::optional<uint16_t> port;
  uint16_t status = 302;
  bool operator==(const Redirect&) const = default;
};

struct Rewrite {
  std::optional<std::string> hostname;
  std::optional<PathEdit> path;
  bool operator==(const Rewrite&) const = default;
};

/// A copy of `numerator` of `denominator` requests goes to `backend`, whose answer nobody waits for.
struct Mirror {
  std::string backend;
  uint32_t numerator = 1;
  uint32_t denominator = 1;
  bool operator==(const Mirror&) const = default;
};

/// HTTPCORSFilter; an origin, method or header "*" stands for all.
struct Cors {
  std::vector<std::string> allow_origins;  ///< scheme://host[:port], with "*" or "*." before the host
  bool allow_credentials = false;
  std::vector<std::string> allow_methods;
  std::vector<std::string> allow_headers;
  std::vector<std::string> expose_headers;
  uint32_t max_age_seconds = 5;
  bool operator==(const Cors&) const = default;
};

struct Filters {
  HeaderEdit request;
  HeaderEdit response;
  std::optional<Redirect> redirect;
  std::optional<Rewrite> rewrite;
  std::vector<Mirror> mirrors;
  std::optional<Cors> cors;
  bool operator==(const Filters&) const = default;
};

/// One of a rule's backends; a share of `weight` of the sum of weights goes to it. `backend` is a key of
/// Snapshot::backends; empty: the reference is not valid, and that share is answered with 500.
struct WeightedBackend {
  std::string backend;
  uint32_t weight = 1;
  Filters filters;  ///< besides the rule's: only header edits, redirect, rewrite and mirrors
  bool operator==(const WeightedBackend&) const = default;
};

/// How often and when a request whose answer has not begun is tried again, each time with another endpoint
/// where there is one.
struct Retry {
  std::vector<uint16_t> codes;  ///< besides failures to connect
  uint32_t attempts = 1;
  uint32_t backoff = 0;
  bool operator==(const Retry&) const = default;
};

/// Requests that any of the matches takes.
struct Rule {
  std::vector<Match> matches;  ///< never empty
  Filters filters;
  std::vector<WeightedBackend> backends;  ///< all weights 0, or none: 500 (unless a redirect answers)
  uint32_t request_timeout = 0;           ///< until the answer has been passed on whole; 0: none
  uint32_t backend_timeout = 0;           ///< of one try; 0: none
  std::optional<Retry> retry;
  bool grpc = false;  ///< of a GRPCRoute: failures are answered as gRPC answers them
  Why why;
  bool operator==(const Rule&) const = default;
};

/// The rules for requests to a host. Among matches that take a request the more specific one wins: exact
/// before longest regular expression before longest prefix (which nearly always includes "/" and would leave
/// expressions nothing), then one with a method, then more headers, then more query parameters, then the one
/// that stands first here (the plan has put older routes first). A request that no rule takes goes on to the
/// next less specific VirtualHost of its listener.
struct VirtualHost {
  std::string hostname;    ///< "" any, "*.example.com" (one label or more), or a name in lower case
  bool one_label = false;  ///< of Ingress: the "*" stands for exactly one label
  std::vector<std::shared_ptr<const Rule>> rules;
};

// Where connections come in.

/// Where a connection that is not HTTP to the proxy goes.
struct StreamRoute {
  std::vector<std::string> hostnames;  ///< of TLS: server names as in VirtualHost; empty: any
  bool terminate = false;              ///< of TLS: the backend gets the plain stream
  std::vector<WeightedBackend> backends;
  Why why;
};

enum class Protocol : uint8_t { http, https, tls, tcp, udp };

/// Asks clients for a certificate.
struct ClientValidation {
  std::vector<std::string> ca_bundles;  ///< keys of Certificates::ca_bundles; none valid: no client is let in
  bool allow_insecure = false;          ///< one without or with a wrong certificate is let in all the same
  bool operator==(const ClientValidation&) const = default;
};

/// What a Gateway or ListenerSet calls a listener. Of several at one port the connection or request belongs
/// to the one with the most specific hostname alone (listener isolation).
struct Listener {
  std::string hostname;  ///< as in VirtualHost
  Protocol protocol = Protocol::http;
  std::vector<std::string>
      certificates;  ///< keys of Certificates::pairs; of https, and of tls that terminates
  std::optional<ClientValidation> client_validation;
  /// http, https; and of a Service's port that has no route any more, for connections from before. Sorted by
  /// hostname.
  std::vector<std::shared_ptr<const VirtualHost>> hosts;
  std::vector<std::shared_ptr<const StreamRoute>> streams;  ///< tls, tcp, udp; none matches: closed
  Why why;
};

/// A port of a Gateway's address, or of a Service's cluster addresses.
struct Port {
  std::string gateway;     ///< "namespace/name"; of a Service "Service/namespace/name"
  uint16_t port = 0;       ///< as clients know it
  uint16_t bind_port = 0;  ///< where the proxy listens, on all addresses of its node
  bool udp = false;
  std::vector<std::shared_ptr<const Listener>> listeners;
  /// Of a Service's port (the mesh): by namespace, what its clients get instead of `listeners`.
  std::map<std::string, std::shared_ptr<const Listener>> consumers;
};

/// The namespaces of pods, by their addresses; of those that some Port has consumers in.
using ClientNamespaces = std::unordered_map<IpAddr, std::string>;

// Where connections go to.

enum class BackendProtocol : uint8_t { http1, h2c };

/// TLS to a backend (BackendTLSPolicy, or an appProtocol that asks for it).
struct BackendTls {
  std::string server_name;
  bool system_ca = false;
  std::vector<std::string> ca_bundles;  ///< keys of Certificates::ca_bundles
  std::vector<std::string> san_dns;     ///< if any of the two is not empty one of them has to match
  std::vector<std::string> san_uri;     ///<   instead of server_name
  std::string client_certificate;       ///< key of Certificates::pairs, or empty
  bool operator==(const BackendTls&) const = default;
};

/// A Service's port as a target.
struct Backend {
  BackendProtocol protocol = BackendProtocol::http1;
  std::optional<BackendTls> tls;
  bool broken = false;    ///< its TLS cannot be set up as asked: answered with 502, never without TLS
  std::string endpoints;  ///< key of Snapshot::endpoints
  Why why;
  bool operator==(const Backend&) const = default;
};

struct Endpoint {
  IpAddr addr;
  uint16_t port = 0;
  std::string pod;  ///< "namespace/name", or empty
  auto operator<=>(const Endpoint&) const = default;
};

/// Those that take new requests, each once, by address and port.
using Endpoints = std::vector<Endpoint>;

struct CertificatePair {
  std::string chain_pem;
  std::string key_pem;
};

/// Checked by the plan: what is here can be loaded.
struct Certificates {
  std::map<std::string, std::shared_ptr<const CertificatePair>> pairs;
  std::map<std::string, std::shared_ptr<const std::string>> ca_bundles;  ///< PEM
};

template <class T>
using SharedMap = std::map<std::string, std::shared_ptr<const T>>;

/// All that a proxy knows at one moment.
struct Snapshot {
  std::vector<std::shared_ptr<const Port>> ports;  ///< by bind_port, TCP before UDP
  std::shared_ptr<const SharedMap<Backend>> backends;
  std::shared_ptr<const SharedMap<Endpoints>> endpoints;  ///< a key that is not there: no endpoint
  std::shared_ptr<const Certificates> certificates;
  std::shared_ptr<const ClientNamespaces> clients;  ///< may be null: none is known
};

}  // namespace weft::gateway
