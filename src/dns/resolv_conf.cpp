#include "dns/resolv_conf.h"

#include <fmt/core.h>

#include <cerrno>
#include <fstream>
#include <sstream>

namespace weft::dns {

std::vector<SocketAddress> parse_resolv_conf(std::string_view text) {
  std::vector<SocketAddress> servers;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string keyword, value;
    if (!(words >> keyword >> value) || keyword != "nameserver") continue;
    if (auto ip = IpAddr::parse(value)) servers.push_back({*ip, 53});
  }
  return servers;
}

Expected<std::vector<SocketAddress>> load_resolv_conf(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail_errno(fmt::format("{}: cannot read the name servers", path), errno);
  std::stringstream text;
  text << file.rdbuf();
  return parse_resolv_conf(text.str());
}

}  // namespace weft::dns
