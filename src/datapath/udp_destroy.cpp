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

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace weft::datapath {
namespace {

using ByNamespace = std::map<uint32_t, std::vector<const weft_udp_socket*>>;

/// Opens those network namespaces of the processes in the cgroup's tree that `wanted` names.
std::map<uint32_t, Fd> open_namespaces(const std::string& cgroup_path, const ByNamespace& wanted) {
  std::map<uint32_t, Fd> found;
  auto visit = [&](const std::filesystem::path& cgroup) {
    std::ifstream procs(cgroup / "cgroup.procs");
    for (std::string pid; found.size() < wanted.size() && std::getline(procs, pid);) {
      Fd ns(::open(fmt::format("/proc/{}/ns/net", pid).c_str(), O_RDONLY | O_CLOEXEC));
      struct stat st{};
      if (!ns || fstat(ns.get(), &st) != 0) continue;  // the process has ended
      auto inode = static_cast<uint32_t>(st.st_ino);
      if (wanted.contains(inode)) found.try_emplace(inode, std::move(ns));
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

/// True: the socket was there and is ended.
Expected<bool> destroy(int netlink, const weft_udp_socket& socket) {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message{};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DESTROY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  message.request.sdiag_family = static_cast<uint8_t>(socket.family);
  message.request.sdiag_protocol = IPPROTO_UDP;
  message.request.idiag_states = ~0U;
  auto& id = message.request.id;
  id.idiag_sport = socket.local_port;
  id.idiag_dport = socket.remote_port;
  std::memcpy(id.idiag_src, socket.local_addr, sizeof(id.idiag_src));
  std::memcpy(id.idiag_dst, socket.remote_addr, sizeof(id.idiag_dst));
  id.idiag_if = socket.bound_device;
  id.idiag_cookie[0] = static_cast<uint32_t>(socket.cookie);
  id.idiag_cookie[1] = static_cast<uint32_t>(socket.cookie >> 32);
  if (::send(netlink, &message, sizeof(message), 0) < 0) return fail_errno("sock_diag SOCK_DESTROY", errno);

  alignas(nlmsghdr) char buffer[4096];
  ssize_t size = ::recv(netlink, buffer, sizeof(buffer), 0);
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

Expected<size_t> destroy_in(int ns, const std::vector<const weft_udp_socket*>& sockets) {
  if (setns(ns, CLONE_NEWNET) != 0) return fail_errno("enter network namespace", errno);
  Fd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return fail_errno("open sock_diag socket", errno);
  size_t count = 0;
  for (const auto* socket : sockets) {
    WEFT_TRY(bool ended, destroy(netlink.get(), *socket));
    count += ended;
  }
  return count;
}

}  // namespace

Expected<size_t> destroy_udp_sockets(const std::string& cgroup_path,
                                     std::span<const weft_udp_socket> sockets) {
  if (sockets.empty()) return 0;
  ByNamespace by_namespace;
  for (const auto& socket : sockets) by_namespace[socket.netns].push_back(&socket);
  Expected<size_t> result = 0;
  // A thread of its own, because a thread that has entered a namespace may not find back.
  std::thread([&] {
    for (const auto& [inode, ns] : open_namespaces(cgroup_path, by_namespace)) {
      auto count = destroy_in(ns.get(), by_namespace[inode]);
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
