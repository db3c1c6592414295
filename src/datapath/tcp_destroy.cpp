#include "datapath/tcp_destroy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "datapath/prefix_key.h"
#include "datapath/sock_diag.h"

namespace weft::datapath {
namespace {

IpAddr address_of(uint8_t family, const void* bytes) {
  std::array<uint8_t, 4> v4{};
  uint8_t v6[16];
  if (family == AF_INET) {
    std::memcpy(v4.data(), bytes, v4.size());
    return IpAddr::v4(v4);
  }
  std::memcpy(v6, bytes, sizeof(v6));
  return addr_of(v6);
}

TcpConnection connection_of(const inet_diag_msg& socket, const std::set<uint16_t>& listened) {
  uint16_t port = ntohs(socket.id.idiag_sport);
  return {.local = address_of(socket.idiag_family, socket.id.idiag_src),
          .remote = address_of(socket.idiag_family, socket.id.idiag_dst),
          .local_port = port,
          .remote_port = ntohs(socket.id.idiag_dport),
          .accepted = listened.contains(port)};
}

/// One that is still asking (SYN_SENT) has nothing to end: it is to find out as one does that asks later.
bool is_connected(uint8_t state) {
  return state != TCP_SYN_SENT && state != TCP_TIME_WAIT && state != TCP_CLOSE;
}

/// In the thread's namespace.
Expected<size_t> destroy_here(const std::function<bool(const TcpConnection&)>& is_denied) {
  WEFT_TRY(auto diag, SockDiag::open(IPPROTO_TCP));
  std::set<uint16_t> listened;
  std::vector<inet_diag_msg> sockets;
  for (uint8_t family : {AF_INET, AF_INET6}) {
    WEFT_CHECK(diag.dump(family, [&](const inet_diag_msg& socket) {
      if (socket.idiag_state == TCP_LISTEN)
        listened.insert(ntohs(socket.id.idiag_sport));
      else if (is_connected(socket.idiag_state))
        sockets.push_back(socket);
    }));
  }
  size_t count = 0;
  for (const auto& socket : sockets) {
    if (!is_denied(connection_of(socket, listened))) continue;
    WEFT_TRY(bool ended, diag.destroy(socket));
    count += ended;
  }
  return count;
}

}  // namespace

Expected<size_t> destroy_tcp_connections(int netns,
                                         const std::function<bool(const TcpConnection&)>& is_denied) {
  Expected<size_t> result = 0;
  // A thread of its own, because a thread that has entered a namespace may not find back.
  std::thread([&] {
    if (setns(netns, CLONE_NEWNET) != 0)
      result = fail_errno("enter network namespace", errno);
    else
      result = destroy_here(is_denied);
  }).join();
  return result;
}

}  // namespace weft::datapath
