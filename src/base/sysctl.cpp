#include "base/sysctl.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"

namespace weft {
namespace {

std::unexpected<Error> failed(const std::string& what, int err) {
  if (err == ENOENT) return fail(ErrorCode::not_found, what + ": this kernel has no such parameter");
  return fail_errno(what, err);
}

}  // namespace

Expected<std::string> read_sysctl(const std::string& name) {
  Fd fd(::open(("/proc/sys/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failed("sysctl " + name, errno);
  char text[256];
  auto size = ::read(fd.get(), text, sizeof text);
  if (size < 0) return failed("sysctl " + name, errno);
  std::string out(text, size);
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

Expected<void> write_sysctl(const std::string& name, const std::string& value) {
  if (auto now = read_sysctl(name); now && *now == value) return {};
  Fd fd(::open(("/proc/sys/" + name).c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), value.data(), value.size()) < 0)
    return failed(fmt::format("sysctl {}={}", name, value), errno);
  return {};
}

}  // namespace weft
