#include "cmd/throw_away.h"

#include <fmt/core.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "cmd/bring_objects.h"
#include "cmd/trace_source.h"
#include "expect/live.h"

namespace weft::cmd {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kBetweenRounds{200};
/// A machine that has much to do answers late: each round waits longer, up to so many times.
constexpr int kMorePatience = 4;

}  // namespace

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
  auto start = Clock::now();
  auto all = pending.size(), left = all + 1;
  for (int round = 1; !pending.empty(); ++round) {
    if (interrupted_) return fail(ErrorCode::timeout, "interrupted");
    WEFT_TRY(auto objects, read_objects({.files = {}, .cluster = name_, .kubeconfig = {}}));
    WEFT_TRY(auto world, trace::build_world(objects.documents, objects.machinery));
    WEFT_CHECK(expect::try_once(name_, *world, pending, timeout * std::min(round, kMorePatience)));
    std::erase_if(pending,
                  [](const expect::Test* test) { return test->judgement.state == expect::State::held; });
    if (pending.size() != left)
      report_.step(fmt::format("tried {} connections, {} are as expected", all, all - pending.size()));
    left = pending.size();
    if (Clock::now() - start > patience) break;
    if (!pending.empty()) std::this_thread::sleep_for(kBetweenRounds);
  }
  return {};
}

}  // namespace weft::cmd
