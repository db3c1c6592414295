#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gateway/table.h"

/// Which rule would take a request, by the same look-up as the proxy's, and why others did not.
namespace weft::gateway {

struct Question {
  std::string gateway;  ///< "namespace/name"; empty: each
  std::string scheme;   ///< "http", "https", or empty: both
  std::string host;     ///< in lower case, without a port
  std::optional<uint16_t> port;
  std::string path = "/";  ///< in normal form
  std::string query;       ///< behind the "?"
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case

  /// [http[s]://]HOST[:PORT][/PATH[?QUERY]]; what the proxy would refuse with 400 is ErrorCode::invalid.
  static Expected<Question> parse(std::string_view target);
  /// "NAME: VALUE"; ErrorCode::invalid if it is none.
  Expected<void> add_header(std::string_view line);
};

/// A rule that was looked at, in the order of precedence.
struct Considered {
  std::string hostname;    ///< of the rules' host
  std::optional<Why> why;  ///< nothing: no rule of that host has a path that takes the request
  std::string match;       ///< of the rule's matches, as words_of
  std::string why_not;     ///< empty: this one takes it
};

/// What becomes of the request at a port of a Gateway.
struct Decision {
  std::string gateway;
  uint16_t port = 0;
  std::optional<Why> listener;  ///< that the host belongs to; nothing: none of this port
  Protocol protocol = Protocol::http;
  std::vector<Considered> considered;
  std::optional<TableRow> taken;  ///< by this rule; nothing: answered with 404, or (of streams) closed

  json::object to_json() const;
};

/// One for each port that may be meant: all for TCP but those of listeners of TCP alone, which do not look at
/// requests. Empty: no Gateway has any.
std::vector<Decision> decide(const Snapshot& snapshot, const Question& question);

}  // namespace weft::gateway
