#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/config/config.h"
#include "kube/json.h"

/// What proxies have in force, in words: for people and programs that ask. Pure: all from a snapshot.
namespace weft::gateway {

/// "HTTPRoute shop/web rule 2 \"green\"", "Gateway shop/edge listener \"https\"".
std::string words_of(const Why& why);
/// "prefix /a GET header x=1 query q~[0-9]"; "~": an expression that the whole value has to match.
std::string words_of(const Match& match);
std::string_view name_of(Protocol protocol);
/// A VirtualHost's or listener's, "*" for any.
std::string hostname_of(const std::string& hostname);

/// Where a share of what a rule or route takes goes.
struct TargetRow {
  std::string backend;  ///< "namespace/service:port"; empty: a reference that is not valid, answered with 500
  uint32_t weight = 1;
  size_t endpoints = 0;  ///< that take requests
  bool broken = false;   ///< its TLS cannot be set up as asked: answered with 502
};

/// A rule, or a route of streams, at a listener of a Gateway.
struct TableRow {
  std::string gateway;  ///< "namespace/name"
  uint16_t port = 0;    ///< as clients know it
  Protocol protocol = Protocol::http;
  Why listener;
  std::string hostname;  ///< that the rule is for, as in VirtualHost
  std::vector<std::string> matches;
  std::string answer;  ///< by the proxy itself ("redirect 301"); empty: by a backend
  std::vector<TargetRow> targets;
  Why why;

  /// "redirect 301", "shop/web:80 (3 endpoints)", with shares where there are several.
  std::string goes_to() const;
  json::object to_json() const;
};

/// All of a Gateway ("namespace/name", or "" for all), by Gateway, port, listener, hostname, and in the order
/// in which the plan has put the rules. A listener without any has no row.
std::vector<TableRow> table_of(const Snapshot& snapshot, const std::string& gateway);

/// The row of a rule at this place; of a stream: of that route.
TableRow row_of(const Snapshot& snapshot, const Port& port, const Listener& listener,
                const std::string& hostname, const Rule& rule);
TableRow row_of(const Snapshot& snapshot, const Port& port, const Listener& listener,
                const std::string& hostname, const StreamRoute& route);

}  // namespace weft::gateway
