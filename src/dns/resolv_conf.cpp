#include "dns/resolv_conf.h"

#include <fmt/core.h>

#include <cerrno>
#include <fstream>
#include <sstream>

namespace weft::dns {
namespace {

Expected<std::string> read(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail_errno(fmt::format("{}: cannot read the name servers", path), errno);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

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

std::vector<Name> parse_search_list(std::string_view text) {
  std::vector<Name> names;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string keyword;
    if (!(words >> keyword) || (keyword != "search" && keyword != "domain")) continue;
    names.clear();
    for (std::string word; words >> word;) {
      auto name = Name::parse(word);
      if (name && !name->is_root()) names.push_back(*name);
    }
  }
  return names;
}

Expected<std::vector<SocketAddress>> load_resolv_conf(const std::string& path) {
  WEFT_TRY(auto text, read(path));
  return parse_resolv_conf(text);
}

Expected<std::vector<Name>> load_search_list(const std::string& path) {
  WEFT_TRY(auto text, read(path));
  return parse_search_list(text);
}

}  // namespace weft::dns
