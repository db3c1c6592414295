#include "datapath/udp_destroy.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/inet_diag.h>
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
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "datapath/sock_diag.h"

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

bool connected_to_backend(const inet_diag_msg& socket, const weft_peer& peer) {
  const auto* remote = reinterpret_cast<const uint8_t*>(socket.id.idiag_dst);
  bool v4 = socket.idiag_family == AF_INET;
  return socket.id.idiag_dport == peer.backend_port &&
         std::memcmp(remote, peer.backend_addr + (v4 ? 12 : 0), v4 ? 4 : 16) == 0;
}

/// Ends those of `sockets` that are in a namespace. Leaves the thread there.
Expected<size_t> destroy_in(int ns, const std::map<uint64_t, Sockets>& by_namespace) {
  if (setns(ns, CLONE_NEWNET) != 0) return fail_errno("enter network namespace", errno);
  WEFT_TRY(auto diag, SockDiag::open(IPPROTO_UDP));
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
