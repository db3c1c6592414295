#include "standalone/sandbox/cgroup.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/fd.h"

namespace weft::standalone::sandbox {

namespace fs = std::filesystem;

Expected<void> make_cgroup(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(ErrorCode::system, fmt::format("cgroup {}: {}", path, error.message()));
  return {};
}

void kill_cgroup(const std::string& path) {
  Fd fd(::open((path + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  if (fd) [[maybe_unused]]
    auto n = ::write(fd.get(), "1", 1);
}

bool remove_cgroup(const std::string& path) {
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored) && !remove_cgroup(it->path())) return false;
  }
  return ::rmdir(path.c_str()) == 0 || errno == ENOENT;
}

bool is_frozen(const std::string& path) {
  std::ifstream events(path + "/cgroup.events");
  for (std::string name, value; events >> name >> value;) {
    if (name == "frozen") return value == "1";
  }
  return false;
}

Expected<void> destroy_cgroup(const std::string& path, int timeout_ms) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  kill_cgroup(path);
  while (!remove_cgroup(path)) {
    if (std::chrono::steady_clock::now() >= deadline)
      return fail(
          ErrorCode::system,
          fmt::format("cgroup {}: still in use {} ms after its processes were killed", path, timeout_ms));
    ::poll(nullptr, 0, 2);
    kill_cgroup(path);
  }
  return {};
}

}  // namespace weft::standalone::sandbox
