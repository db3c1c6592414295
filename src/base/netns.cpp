#include "base/netns.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "base/sysctl.h"

namespace weft {

namespace fs = std::filesystem;

namespace {

const std::string kFolder = "/run/netns";

/// Makes /run/netns a shared mount of its own, as ip-netns does, so that every mount namespace sees a name
/// come and go.
Expected<void> share_folder() {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  std::error_code error;
  fs::create_directories(kFolder, error);
  if (error) return fail(ErrorCode::system, fmt::format("{}: {}", kFolder, error.message()));
  const char* folder = kFolder.c_str();
  if (::mount("", folder, "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (errno != EINVAL) return fail_errno("share " + kFolder, errno);
  if (::mount(folder, folder, "none", MS_BIND | MS_REC, nullptr) != 0)
    return fail_errno("bind " + kFolder, errno);
  if (::mount("", folder, "none", MS_SHARED | MS_REC, nullptr) != 0)
    return fail_errno("share " + kFolder, errno);
  return {};
}

Expected<void> loopback_up() {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket", errno);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return fail_errno("set lo up", errno);
  return {};
}

Expected<void> furnish(const std::string& name, const std::map<std::string, std::string>& sysctls) {
  if (::unshare(CLONE_NEWNET) != 0) return fail_errno("new network namespace", errno);
  WEFT_CHECK(loopback_up());
  for (const auto& [key, value] : sysctls) {
    auto name = key;
    std::ranges::replace(name, '.', '/');
    WEFT_CHECK(write_sysctl(name, value));
  }
  auto path = netns_path(name);
  if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0)
    return fail_errno("name network namespace " + path, errno);
  return {};
}

}  // namespace

std::string netns_path(const std::string& name) { return kFolder + "/" + name; }

Expected<void> create_netns(const std::string& name, const std::map<std::string, std::string>& sysctls) {
  WEFT_CHECK(share_folder());
  auto path = netns_path(name);
  Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file) return fail_errno("network namespace " + path, errno);
  WEFT_TRY(auto back, InNetns::enter(""));
  if (auto made = furnish(name, sysctls); !made) {
    ::unlink(path.c_str());
    return made;
  }
  return {};
}

Expected<void> remove_netns(const std::string& name) {
  auto path = netns_path(name);
  ::umount2(path.c_str(), MNT_DETACH);
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail_errno("remove network namespace " + path, errno);
}

std::vector<std::string> list_netns(const std::string& prefix) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator it(kFolder, error), end; !error && it != end; it.increment(error)) {
    if (auto name = it->path().filename().string(); name.starts_with(prefix)) out.push_back(name);
  }
  return out;
}

Expected<uint64_t> netns_cookie() {
  Fd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (!any || ::getsockopt(any.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
    return fail_errno("read the network namespace's cookie", errno);
  return cookie;
}

Expected<InNetns> InNetns::enter(const std::string& path) {
  Fd before(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!before) return fail_errno("open our network namespace", errno);
  if (!path.empty()) {
    Fd target(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!target || ::setns(target.get(), CLONE_NEWNET) != 0)
      return fail_errno("enter network namespace " + path, errno);
  }
  return InNetns(std::move(before));
}

InNetns::~InNetns() {
  if (before_) ::setns(before_.get(), CLONE_NEWNET);
}

}  // namespace weft
