#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/http/address.h"
#include "dns/config.h"
#include "dns/config_values.h"

/// A DNS server's configuration as files: Weft's own YAML (docs/dns.md) and CoreDNS's Corefile.
namespace weft::dns {

/// What a file says. What it does not say is empty: the command line's, or the default.
struct ConfigFile {
  Config config;
  /// It says where names go that are not the cluster's (nowhere, perhaps); else resolv.conf does.
  bool says_forwards = false;

  std::optional<Name> zone;
  std::optional<uint32_t> ttl;  ///< seconds
  std::string pods;             ///< disabled, insecure, verified
  std::vector<SocketAddress> listen;
  std::optional<http::Address> health, ready, metrics;
  std::optional<std::chrono::milliseconds> lame_duck;

  std::vector<std::string> warnings;  ///< "file:line: what"; it can be used nevertheless
  std::vector<std::string> files;     ///< others that were read for it: hosts, resolv.conf, imports
};

/// How a configuration gets at what is outside its text.
struct FileAccess {
  std::function<Expected<std::string>(const std::string& path)> read;
  std::function<std::vector<std::string>(const std::string& pattern)> match;  ///< sorted paths
  std::function<std::string(const std::string& name)> variable;               ///< "": not set
  static FileAccess system();
};

/// Reads a configuration of either kind. A file called Corefile or *.yaml, *.yml, *.json is what its name
/// says; any other is told by its text. Refused as a whole: the error has all that is wrong, a line each,
/// "file:line: what, why, what to do".
Expected<ConfigFile> read_config(std::string_view text, const std::string& file, const FileAccess& access);
Expected<ConfigFile> load_config(const std::string& path);

Expected<ConfigFile> read_yaml_config(std::string_view text, const std::string& file,
                                      const FileAccess& access);
Expected<ConfigFile> read_corefile(std::string_view text, const std::string& file, const FileAccess& access);

/// The name servers of a resolv.conf for all names that no other forward is for.
Forward forward_to(const std::vector<SocketAddress>& servers);

}  // namespace weft::dns
