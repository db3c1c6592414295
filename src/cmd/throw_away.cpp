#include "cmd/throw_away.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "cmd/bring_objects.h"
#include "cmd/try_until_held.h"

namespace weft::cmd {

using std::chrono::milliseconds;

/// A resolv.conf that knows no server: outside this cluster no names exist.
class NoResolver {
 public:
  static Expected<std::unique_ptr<NoResolver>> make() {
    std::unique_ptr<NoResolver> out(new NoResolver);
    int fd = ::mkstemp(out->path_.data());
    if (fd < 0) return fail_errno("make " + out->path_, errno);
    // The DNS server, a user of its own, reads it.
    ::fchmod(fd, 0644);
    ::close(fd);
    return out;
  }
  ~NoResolver() { ::unlink(path_.c_str()); }
  NoResolver(const NoResolver&) = delete;
  NoResolver& operator=(const NoResolver&) = delete;
  const std::string& path() const { return path_; }

 private:
  NoResolver() = default;
  std::string path_ = "/tmp/weft-test-resolv-XXXXXX";
};

ThrowAway::ThrowAway(ProgressReport& report) : report_(report), signals_(io_, SIGINT, SIGTERM) {}

Expected<std::unique_ptr<ThrowAway>> ThrowAway::start(standalone::ClusterOptions options,
                                                      ProgressReport& report) {
  std::unique_ptr<ThrowAway> out(new ThrowAway(report));
  WEFT_TRY(out->resolver_, NoResolver::make());
  options.resolv_conf = out->resolver_->path();
  out->name_ = options.name;
  auto* self = out.get();
  out->signals_.async_wait([self](auto error, int) {
    if (!error) self->interrupted_ = true;
  });
  WEFT_TRY(out->cluster_, standalone::Cluster::start(out->io_, std::move(options),
                                                     [&](const std::string& step) { report.step(step); }));
  out->thread_ = std::thread([self] { self->io_.run(); });
  return out;
}

ThrowAway::~ThrowAway() {
  io_.stop();
  if (thread_.joinable()) thread_.join();
  cluster_.reset();
}

Expected<void> ThrowAway::bring(const std::vector<kube::YamlDocument>& manifests, milliseconds patience) {
  return run(bring_objects(*cluster_, manifests, report_, patience));
}

Expected<void> ThrowAway::try_until_held(std::vector<expect::Test*> pending, milliseconds timeout,
                                         milliseconds patience) {
  return cmd::try_until_held(name_, std::move(pending), timeout, patience, interrupted_, report_);
}

}  // namespace weft::cmd
