#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "dns/name.h"
#include "dns/socket.h"

/// How a DNS server answers what is not its cluster's, as values. What reads a file makes one of it, the
/// server takes it as a whole; nothing in it changes while it is in force.
namespace weft::dns {

/// Somebody who is asked.
struct Upstream {
  SocketAddress address;
  /// Not empty: DNS over TLS (RFC 7858), and the certificate must be for this name.
  std::string tls_server_name;
  std::string tls_ca_file;  ///< PEM; empty: the system's
  bool tls() const { return !tls_server_name.empty(); }
  bool operator==(const Upstream&) const = default;
};

/// In which order the upstreams of a domain that are well are asked.
enum class ForwardPolicy { random, round_robin, sequential };

/// Who is asked for the names of one domain: the most specific domain that a name is under counts.
struct Forward {
  Name domain;               ///< the root: all names
  std::vector<Name> except;  ///< domains below that are not meant
  std::vector<Upstream> upstreams;
  ForwardPolicy policy = ForwardPolicy::random;
  bool force_tcp = false;
  std::chrono::milliseconds timeout{2000};  ///< of one try
  std::chrono::milliseconds hedge{40};      ///< until a rival is asked; doubled for each further one
  std::chrono::milliseconds repeat{400};    ///< until the same upstream is asked again: datagrams get lost
  std::chrono::milliseconds health_check{500};
  int max_fails = 2;  ///< consecutive, until an upstream counts as down; 0: it never does
  size_t max_in_flight = 1000;
  bool operator==(const Forward&) const = default;
};

struct CacheOptions {
  bool enabled = true;
  size_t positive = 9984, negative = 9984;  ///< answers kept, of all threads together
  std::chrono::seconds positive_min{5}, positive_max{3600};
  std::chrono::seconds negative_min{5}, negative_max{1800};
  int prefetch_hits = 0;  ///< within the time below; 0: never asked for again before it ends
  std::chrono::seconds prefetch_within{60};
  int prefetch_percent = 10;            ///< of its time left when it is asked for again
  std::chrono::seconds serve_stale{0};  ///< after its end, while no upstream answers (RFC 8767); 0: never
  bool operator==(const CacheOptions&) const = default;
};

/// Addresses by name, before the zone and before any upstream: as of /etc/hosts.
struct HostsEntry {
  IpAddr address;
  std::vector<Name> names;  ///< the first is what the address is called in PTR answers
  bool operator==(const HostsEntry&) const = default;
};
struct Hosts {
  std::vector<HostsEntry> entries;
  uint32_t ttl = 3600;  ///< seconds
  bool reverse = true;  ///< PTR answers are made of the entries
  /// Whether a name that is not there goes on to zone and upstreams; else it is NXDOMAIN when it is below one
  /// of `zones`, of which none are all.
  bool fall_through = true;
  std::vector<Name> zones;
  bool operator==(const Hosts&) const = default;
};

/// A question that is answered as another one would be; the answer carries the name that was asked.
struct Rewrite {
  enum class Match { exact, prefix, suffix, substring, regex };
  Match match = Match::exact;
  std::string from, to;     ///< text without a final dot; for `regex` RE2, and {1} in `to` is its first group
  Name within;              ///< only for names below it; the root: all
  bool stop = true;         ///< no later rule is looked at
  bool answer_auto = true;  ///< names in the answer are written back
  bool operator==(const Rewrite&) const = default;
};

struct Config {
  std::vector<Forward> forwards;
  CacheOptions cache;
  Hosts hosts;
  std::vector<Rewrite> rewrites;
  /// Answers of upstreams that point into these ranges are NXDOMAIN (rebinding), but for names below
  /// `rebind_allowed`.
  std::vector<IpPrefix> rebind_refused;
  std::vector<Name> rebind_allowed;
  /// The search-path walk of a pod is answered at once.
  bool search_path = true;
  /// Questions a second of one client (a pod's link, else an address) that are answered; 0: no limit. Not
  /// set: no limit but while a thread has more to answer than it can (`ClientLimits`).
  std::optional<uint32_t> client_rate;
  bool log_queries = false;
  bool operator==(const Config&) const = default;
};

using ConfigPtr = std::shared_ptr<const Config>;

}  // namespace weft::dns
