#include "standalone/sandbox/cleanup.h"

#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "base/mounts.h"
#include "base/netns.h"
#include "standalone/sandbox/cgroup.h"

namespace weft::standalone {

using namespace sandbox;

namespace {

constexpr int kCgroupTimeoutMs = 5000;

/// The other clusters of this machine whose names begin with `name` and a dash: what begins with their names
/// is theirs.
std::set<std::string> longer_names(const std::string& mark, const std::string& cgroup_root) {
  std::set<std::string> out;
  auto look = [&](const std::string& folder, const std::string& prefix) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      auto other = prefix + entry.path().filename().string();
      if (other.starts_with(mark + "-")) out.insert(other + "-");
    }
  };
  look("/run/weft", "weft-");
  if (!cgroup_root.empty()) look(cgroup_root, "");
  return out;
}

/// Deletes the links of this namespace that were marked as the cluster's by their alias.
Expected<void> delete_links(const std::string& mark) {
  std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
  if (!socket || nl_connect(socket.get(), NETLINK_ROUTE) != 0)
    return fail(ErrorCode::system, "rtnetlink: cannot connect");
  nl_cache* raw = nullptr;
  if (rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &raw) != 0)
    return fail(ErrorCode::system, "rtnetlink: cannot list links");
  std::unique_ptr<nl_cache, decltype(&nl_cache_free)> cache(raw, nl_cache_free);
  Expected<void> result;
  for (nl_object* object = nl_cache_get_first(raw); object; object = nl_cache_get_next(object)) {
    auto* link = reinterpret_cast<rtnl_link*>(object);
    const char* alias = rtnl_link_get_ifalias(link);
    std::string text = alias ? alias : "";
    if (text != mark && !text.starts_with(mark + "/")) continue;
    // The other end of a veth goes with the first.
    int error = rtnl_link_delete(socket.get(), link);
    if (error != 0 && error != -NLE_NODEV && error != -NLE_OBJ_NOTFOUND)
      result = fail(ErrorCode::system,
                    std::string("delete link ") + rtnl_link_get_name(link) + ": " + nl_geterror(error));
  }
  return result;
}

}  // namespace

Expected<void> clean_cluster(const std::string& name) {
  const std::string mark = "weft-" + name;
  Expected<void> first;
  auto note = [&](Expected<void> step) {
    if (!step && first) first = std::move(step);
  };
  auto root = cgroup2_root();
  auto others = longer_names(mark, root ? *root : "");
  // Processes first: while one lives in a namespace, the namespace and its links live too.
  if (root) note(destroy_cgroup(*root + "/" + mark, kCgroupTimeoutMs));
  for (const auto& netns : list_netns(mark + "-")) {
    bool foreign = std::ranges::any_of(others, [&](const auto& other) { return netns.starts_with(other); });
    if (!foreign) note(remove_netns(netns));
  }
  note(delete_links(mark));
  return first;
}

}  // namespace weft::standalone
