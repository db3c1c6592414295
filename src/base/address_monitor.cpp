#include "base/address_monitor.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace weft {

Expected<AddressMonitor> AddressMonitor::open() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd) return fail_errno("open a netlink socket", errno);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("listen for changes of addresses", errno);
  return AddressMonitor(std::move(fd));
}

void AddressMonitor::drain() const {
  char buffer[16'384];
  // ENOBUFS says that notices were lost, and that there were some.
  while (::recv(fd_.get(), buffer, sizeof buffer, 0) > 0 || errno == ENOBUFS || errno == EINTR) {
  }
}

}  // namespace weft
