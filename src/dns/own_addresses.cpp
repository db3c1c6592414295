#include "dns/own_addresses.h"

#include <ifaddrs.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace weft::dns {
namespace {

void add_of_links(bool v4, std::vector<IpAddr>& out) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return;
  std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const ifaddrs* link = list; link; link = link->ifa_next) {
    if (!link->ifa_addr || link->ifa_addr->sa_family != (v4 ? AF_INET : AF_INET6)) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, link->ifa_addr, v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    out.push_back(SocketAddress::from(storage).ip);
  }
}

}  // namespace

std::vector<IpAddr> own_addresses(const std::vector<SocketAddress>& listen) {
  std::vector<IpAddr> out;
  for (const SocketAddress& address : listen) {
    if (address.ip.is_unspecified()) {
      add_of_links(address.ip.is_v4(), out);
    } else {
      out.push_back(address.ip);
    }
  }
  std::erase_if(out, [](const IpAddr& ip) { return ip.is_loopback() || ip.is_link_local(); });
  std::ranges::sort(out);
  const auto repeated = std::ranges::unique(out);
  out.erase(repeated.begin(), repeated.end());
  return out;
}

}  // namespace weft::dns
