#include "cmd/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include "kube/json.h"

namespace weft::cmd {

double ProgressReport::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void ProgressReport::write(const std::string& text) const {
  // Who does not read gets nothing; the cluster goes on.
  [[maybe_unused]] auto written = ::write(fd_, text.data(), text.size());
}

void ProgressReport::step(const std::string& what) {
  if (json_) return write(json::serialize(json::object{{"seconds", seconds()}, {"step", what}}) + "\n");
  write(fmt::format("{:7.3f} s  {}\n", seconds(), what));
}

void ProgressReport::done(const std::string& kubeconfig) {
  if (json_) {
    write(json::serialize(json::object{{"seconds", seconds()}, {"up", true}, {"kubeconfig", kubeconfig}}) +
          "\n");
  } else {
    write(fmt::format("{:7.3f} s  up: export KUBECONFIG={}\n", seconds(), kubeconfig));
  }
  if (!detached_) return;
  write(std::string(1, '\0'));
  ::close(fd_);
  fd_ = -1;
}

void ProgressReport::failed(const Error& why) {
  if (json_)
    return write(
        json::serialize(json::object{{"seconds", seconds()}, {"up", false}, {"error", why.message}}) + "\n");
  write("weft up: " + why.message + "\n");
}

}  // namespace weft::cmd
