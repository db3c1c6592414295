#include "datapath/udp_destroy.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/fd.h"

namespace weft::datapath {
namespace {

using Sockets = std::unordered_map<uint64_t, const weft_peer*>;  ///< by cookie

/// The network namespaces of all processes in the cgroup's tree, each once.
std::map<ino_t, Fd> open_namespaces(const std::string& cgroup_path) {
  std::map<ino_t, Fd> found;
  auto visit = [&](const std::filesystem::path& cgroup) {
    std::ifstream procs(cgroup / "cgroup.procs");
    for (std::string pid; std::getline(procs, pid);) {
      Fd ns(::open(fmt::format("/proc/{}/ns/net", pid).c_str(), O_RDONLY | O_CLOEXEC));
      struct stat st{};
      if (ns && fstat(ns.get(), &st) == 0) found.try_emplace(st.st_ino, std::move(ns));  // else: it has ended
    }
  };
  visit(cgroup_path);
  std::error_code ec;
  for (std::filesystem::recursive_directory_iterator it(cgroup_path, ec), end; !ec && it != end;
       it.increment(ec)) {
    if (it->is_directory(ec)) visit(it->path());
  }
  return found;
}

/// A sock_diag socket of the thread's network namespace.
class SockDiag {
 public:
  static Expected<SockDiag> open() {
    SockDiag diag;
    diag.fd_.reset(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!diag.fd_) return fail_errno("open sock_diag socket", errno);
    return diag;
  }
  /// Calls `each` for every UDP socket of a family.
  Expected<void> dump(uint8_t family, const std::function<void(const inet_diag_msg&)>& each);
  /// True: the socket was there and is ended.
  Expected<bool> destroy(const inet_diag_msg& socket);

 private:
  Expected<void> send(uint16_t type, uint16_t flags, const inet_diag_req_v2& request);

  Fd fd_;
};

Expected<void> SockDiag::send(uint16_t type, uint16_t flags, const inet_diag_req_v2& request) {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message{};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = type;
  message.header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  message.request = request;
  if (::send(fd_.get(), &message, sizeof(message), 0) < 0) return fail_errno("sock_diag request", errno);
  return {};
}

Expected<void> SockDiag::dump(uint8_t family, const std::function<void(const inet_diag_msg&)>& each) {
  inet_diag_req_v2 request{};
  request.sdiag_family = family;
  request.sdiag_protocol = IPPROTO_UDP;
  request.idiag_states = ~0U;
  WEFT_CHECK(send(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request));
  alignas(nlmsghdr) char buffer[32'768];
  for (;;) {
    ssize_t size = ::recv(fd_.get(), buffer, sizeof(buffer), 0);
    if (size < 0) return fail_errno("sock_diag answer", errno);
    auto left = static_cast<uint32_t>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) {
        return fail_errno("sock_diag dump", -static_cast<nlmsgerr*>(NLMSG_DATA(header))->error);
      }
      if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(inet_diag_msg))) {
        each(*static_cast<inet_diag_msg*>(NLMSG_DATA(header)));
      }
    }
  }
}

Expected<bool> SockDiag::destroy(const inet_diag_msg& socket) {
  inet_diag_req_v2 request{};
  request.sdiag_family = socket.idiag_family;
  request.sdiag_protocol = IPPROTO_UDP;
  request.idiag_states = ~0U;
  request.id = socket.id;
  WEFT_CHECK(send(SOCK_DESTROY, NLM_F_ACK, request));
  alignas(nlmsghdr) char buffer[4'096];
  ssize_t size = ::recv(fd_.get(), buffer, sizeof(buffer), 0);
  if (size < 0) return fail_errno("sock_diag answer", errno);
  auto* header = reinterpret_cast<nlmsghdr*>(buffer);
  if (!NLMSG_OK(header, static_cast<uint32_t>(size)) || header->nlmsg_type != NLMSG_ERROR) {
    return fail(ErrorCode::internal, "sock_diag answer is not an acknowledgement");
  }
  int err = -static_cast<nlmsgerr*>(NLMSG_DATA(header))->error;
  if (err == 0) return true;
  if (err == ENOENT || err == ESTALE) return false;
  if (err == EOPNOTSUPP) {
    return fail(ErrorCode::unavailable,
                "the kernel cannot end sockets (CONFIG_INET_DIAG_DESTROY is not set)");
  }
  return fail_errno("sock_diag SOCK_DESTROY", err);
}

bool connected_to_backend(const inet_diag_msg& socket, const weft_peer& peer) {
  const auto* remote = reinterpret_cast<const uint8_t*>(socket.id.idiag_dst);
  bool v4 = socket.idiag_family == AF_INET;
  return socket.id.idiag_dport == peer.backend_port &&
         std::memcmp(remote, peer.backend_addr + (v4 ? 12 : 0), v4 ? 4 : 16) == 0;
}

/// Ends those of `sockets` that are in a namespace. Leaves the thread there.
Expected<size_t> destroy_in(int ns, const std::map<uint64_t, Sockets>& by_namespace) {
  if (setns(ns, CLONE_NEWNET) != 0) return fail_errno("enter network namespace", errno);
  WEFT_TRY(auto diag, SockDiag::open());
  Fd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  if (getsockopt(any.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0) {
    return fail_errno("getsockopt SO_NETNS_COOKIE", errno);
  }
  auto wanted = by_namespace.find(cookie);
  if (wanted == by_namespace.end()) return 0;

  std::vector<inet_diag_msg> matching;
  for (uint8_t family : {AF_INET, AF_INET6}) {
    WEFT_CHECK(diag.dump(family, [&](const inet_diag_msg& socket) {
      auto it = wanted->second.find(socket.id.idiag_cookie[0] | uint64_t{socket.id.idiag_cookie[1]} << 32);
      if (it != wanted->second.end() && connected_to_backend(socket, *it->second)) matching.push_back(socket);
    }));
  }
  size_t count = 0;
  for (const auto& socket : matching) {
    WEFT_TRY(bool ended, diag.destroy(socket));
    count += ended;
  }
  return count;
}

}  // namespace

Expected<size_t> destroy_udp_sockets(const std::string& cgroup_path, std::span<const ConnectedUdp> sockets) {
  if (sockets.empty()) return 0;
  std::map<uint64_t, Sockets> by_namespace;
  for (const auto& socket : sockets)
    by_namespace[socket.peer.netns_cookie].emplace(socket.cookie, &socket.peer);
  Expected<size_t> result = 0;
  // A thread of its own, because a thread that has entered a namespace may not find back.
  std::thread([&] {
    for (const auto& [inode, ns] : open_namespaces(cgroup_path)) {
      auto count = destroy_in(ns.get(), by_namespace);
      if (!count) {
        result = std::move(count);
        return;
      }
      *result += *count;
    }
  }).join();
  return result;
}

}  // namespace weft::datapath
