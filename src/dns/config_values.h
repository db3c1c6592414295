#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "dns/config.h"
#include "dns/upstream_order.h"

/// What values in configuration files look like, in whichever of them.
namespace weft::dns {

/// Number and unit (ms, s, m, h), several in a row: "500ms", "1h30m", "0.5s". At most a year.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// A domain, or a prefix for the reverse names of its addresses: "10.0.0.0/8" is 10.in-addr.arpa. Lower case.
/// Says what is wrong and what to write.
Expected<Name> parse_domain(std::string_view text);

/// "10.0.0.53", "10.0.0.53:5353", "[fd00::53]:53", "tls://9.9.9.9" (port 853; the certificate must be for
/// the address until `tls_server_name` says otherwise).
std::optional<Upstream> parse_upstream(std::string_view text);

/// The lines of /etc/hosts; what is no address or no name is left out, as the C library does.
std::vector<HostsEntry> parse_hosts(std::string_view text);

/// "file:line: what" of all that is wrong in a configuration, or is worth a word.
class ConfigProblems {
 public:
  void error(std::string_view file, int line, std::string_view what);
  void warn(std::string_view file, int line, std::string_view what);
  bool any() const { return !errors_.empty(); }
  /// All errors, a line each.
  Error as_error() const;
  std::vector<std::string> take_warnings() { return std::move(warnings_); }

 private:
  std::vector<std::string> errors_, warnings_;
};

}  // namespace weft::dns
