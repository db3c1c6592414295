#include "standalone/sandbox/init_mounts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "base/fd.h"

namespace weft::standalone::sandbox {

namespace fs = std::filesystem;

namespace {

/// A mount (with all below it), taken from the tree and not attached anywhere yet.
struct Detached {
  Fd fd;
  std::string target;
};

bool is_below(const std::string& path, const std::string& root) {
  return root == "/" ? path != "/" : path.size() > root.size() && path.starts_with(root + "/");
}

Expected<Detached> detach_copy(const std::string& source, std::string target) {
  Fd fd(::open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!fd) return fail_errno(fmt::format("bind {} at {}", source, target), errno);
  return Detached{std::move(fd), std::move(target)};
}

Expected<void> attach(const Detached& mount) {
  if (::move_mount(mount.fd.get(), "", AT_FDCWD, mount.target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0)
    return {};
  return fail_errno("mount at " + mount.target, errno);
}

std::string read_mountinfo() {
  std::ifstream file("/proc/self/mountinfo");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The mount that holds the nearest existing parent of a path that is not there.
std::string mount_of_missing(const std::string& path, const std::vector<std::string>& points) {
  fs::path parent = fs::path(path).parent_path();
  std::error_code error;
  while (parent != "/" && !fs::exists(parent, error)) parent = parent.parent_path();
  auto real = fs::canonical(parent, error).string();
  if (error) real = "/";
  std::string best = "/";
  for (const auto& point : points) {
    if ((point == real || is_below(real, point)) && point.size() > best.size()) best = point;
  }
  return best;
}

/// The folders for the layers: on one tmpfs that is mounted at `scratch`, on first use.
class Layers {
 public:
  explicit Layers(std::string scratch) : scratch_(std::move(scratch)) {}

  /// Puts a private writable layer over the mount at `root`; what is mounted below it is put back on top.
  Expected<void> cover(const std::string& root) {
    WEFT_CHECK(mount_scratch());
    std::vector<Detached> below;
    for (const auto& point : topmost_below(mount_points(read_mountinfo()), root)) {
      if (point == scratch_ || is_below(scratch_, point)) continue;
      if (auto copy = detach_copy(point, point)) below.push_back(std::move(*copy));
    }
    auto base = fmt::format("{}/{}", scratch_, count_++);
    auto merged = base + "/merged";
    std::error_code error;
    for (const char* part : {"/upper", "/work", "/merged"}) fs::create_directories(base + part, error);
    if (struct stat st{}; ::stat(root.c_str(), &st) == 0)
      ::chmod((base + "/upper").c_str(), st.st_mode & 07777);
    auto options = fmt::format("lowerdir={},upperdir={}/upper,workdir={}/work", root, base, base);
    if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0)
      return fail_errno(fmt::format("private layer over {} (overlayfs)", root), errno);
    for (auto& mount : below) {
      mount.target = merged + (root == "/" ? mount.target : mount.target.substr(root.size()));
      WEFT_CHECK(attach(mount));
    }
    return root == "/" ? become_root(merged) : move_over(merged, root);
  }

 private:
  Expected<void> mount_scratch() {
    if (std::exchange(mounted_, true)) return {};
    if (::mount("tmpfs", scratch_.c_str(), "tmpfs", 0, "mode=0755") == 0) return {};
    return fail_errno("mount tmpfs at " + scratch_, errno);
  }
  static Expected<void> become_root(const std::string& merged) {
    if (::chdir(merged.c_str()) != 0) return fail_errno("chdir " + merged, errno);
    // The old root ends up stacked over the new one and is then let go of (pivot_root(2), notes).
    if (::syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno("pivot_root", errno);
    if (::umount2(".", MNT_DETACH) != 0) return fail_errno("detach the old root", errno);
    if (::chdir("/") != 0) return fail_errno("chdir /", errno);
    return {};
  }
  static Expected<void> move_over(const std::string& merged, const std::string& root) {
    if (::mount(merged.c_str(), root.c_str(), nullptr, MS_MOVE, nullptr) == 0) return {};
    return fail_errno("move a layer over " + root, errno);
  }

  std::string scratch_;
  bool mounted_ = false;
  int count_ = 0;
};

Expected<std::vector<Detached>> copy_sources(const std::vector<MountSpec>& mounts) {
  std::vector<Detached> copies;
  for (const auto& m : mounts) {
    WEFT_TRY(auto copy, detach_copy(m.source, m.target));
    if (m.read_only) {
      mount_attr attributes{};
      attributes.attr_set = MOUNT_ATTR_RDONLY;
      if (::mount_setattr(copy.fd.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) !=
          0)
        return fail_errno("make read-only " + m.target, errno);
    }
    copies.push_back(std::move(copy));
  }
  return copies;
}

/// What lies over which mounts is decided before the first change: "/" last, because it moves the scratch
/// folder out of sight.
Expected<void> cover_missing(const ContainerSpec& spec) {
  auto points = mount_points(read_mountinfo());
  std::set<std::string, std::greater<>> roots;
  std::error_code error;
  for (const auto& m : spec.mounts) {
    if (!fs::exists(m.target, error)) roots.insert(mount_of_missing(m.target, points));
  }
  if (roots.empty()) return {};
  Layers layers(spec.scratch);
  for (const auto& root : roots) WEFT_CHECK(layers.cover(root));
  return {};
}

Expected<void> make_mount_point(const Detached& mount) {
  std::error_code error;
  if (fs::exists(mount.target, error)) return {};
  struct stat source{};
  if (::fstat(mount.fd.get(), &source) != 0) return fail_errno("stat for " + mount.target, errno);
  if (S_ISDIR(source.st_mode)) {
    fs::create_directories(mount.target, error);
  } else {
    fs::create_directories(fs::path(mount.target).parent_path(), error);
    if (!error && !Fd(::open(mount.target.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)))
      return fail_errno("make mount point " + mount.target, errno);
  }
  if (error) return fail(ErrorCode::system, fmt::format("mount point {}: {}", mount.target, error.message()));
  return {};
}

Expected<void> mount_kernel_views(const ContainerSpec& spec) {
  if (spec.own_pids && ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return fail_errno("mount /proc", errno);
  if (spec.netns.empty()) return {};
  // /sys/class/net shows the namespace of whoever mounted sysfs; the cgroup tree below is the host's.
  auto cgroups = detach_copy("/sys/fs/cgroup", "/sys/fs/cgroup");
  if (::mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return fail_errno("mount /sys", errno);
  if (cgroups) WEFT_CHECK(attach(*cgroups));
  return {};
}

/// proc(5): space, tab, newline and backslash are written as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> mount_points(const std::string& mountinfo) {
  std::vector<std::string> out;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, device, root, point;
    if (fields >> id >> parent >> device >> root >> point) out.push_back(unescape(point));
  }
  return out;
}

std::vector<std::string> topmost_below(const std::vector<std::string>& points, const std::string& root) {
  std::set<std::string> sorted;
  for (const auto& point : points) {
    if (is_below(point, root)) sorted.insert(point);
  }
  std::vector<std::string> out;
  for (const auto& point : sorted) {
    bool covered = std::ranges::any_of(out, [&](const auto& above) { return is_below(point, above); });
    if (!covered) out.push_back(point);
  }
  return out;
}

Expected<void> set_up_mounts(const ContainerSpec& spec) {
  // Mounts made here stay here; what the host mounts or unmounts later is followed, or a deleted network
  // namespace would live on in every container's copy of /run/netns.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    return fail_errno("make / a slave", errno);
  ::umount2("/run/netns", MNT_DETACH);
  WEFT_TRY(auto copies, copy_sources(spec.mounts));
  WEFT_CHECK(cover_missing(spec));
  WEFT_CHECK(mount_kernel_views(spec));
  // Outer mount points before the ones inside them.
  std::ranges::sort(copies, {}, [](const Detached& m) { return m.target.size(); });
  for (const auto& copy : copies) {
    WEFT_CHECK(make_mount_point(copy));
    WEFT_CHECK(attach(copy));
  }
  return {};
}

}  // namespace weft::standalone::sandbox
