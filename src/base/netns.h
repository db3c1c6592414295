#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

/// Named network namespaces (as of ip-netns(8)): a file in /run/netns that the namespace is mounted on.
namespace weft {

std::string netns_path(const std::string& name);

/// Makes a named namespace with loopback up and `sysctls` (dotted names under net.) set. The thread is in its
/// own namespace again afterwards. Fails if the name is taken.
Expected<void> create_netns(const std::string& name, const std::map<std::string, std::string>& sysctls);
/// The namespace lives on while a process or descriptor is in it. One that is not there is good.
Expected<void> remove_netns(const std::string& name);
/// Names that begin with `prefix`.
std::vector<std::string> list_netns(const std::string& prefix);

/// The kernel's number of the calling thread's namespace, which no other one ever has (SO_NETNS_COOKIE).
Expected<uint64_t> netns_cookie();

/// Runs the calling thread in another network namespace until it goes out of scope.
class InNetns {
 public:
  /// `path`: of the namespace; "": stay.
  static Expected<InNetns> enter(const std::string& path);
  InNetns(InNetns&&) = default;
  InNetns& operator=(InNetns&&) = delete;
  ~InNetns();

 private:
  explicit InNetns(Fd before) : before_(std::move(before)) {}
  Fd before_;
};

}  // namespace weft
