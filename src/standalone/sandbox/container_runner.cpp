#include "standalone/sandbox/container_runner.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>

#include "kube/time.h"
#include "standalone/sandbox/backoff.h"
#include "standalone/sandbox/cgroup.h"
#include "standalone/sandbox/container_log.h"
#include "standalone/sandbox/probe_worker.h"
#include "standalone/sandbox/spawn.h"

namespace weft::standalone::sandbox {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

namespace {

/// What a container gets to end by itself after its preStop hook used up the grace period, as kubelet.
constexpr milliseconds kLeastGrace = 2s;

int stop_signal(const kube::Container& spec) {
  if (!spec.lifecycle || !spec.lifecycle->stopSignal) return SIGTERM;
  const auto& name = *spec.lifecycle->stopSignal;
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    const char* text = ::sigabbrev_np(signal);
    if (text && name == fmt::format("SIG{}", text)) return signal;
  }
  return SIGTERM;
}

}  // namespace

/// One run of the container. Handlers hold it by shared_ptr and check that it still is the current one.
struct ContainerRunner::Run {
  Run(asio::io_context& io, Spawned s)
      : ended(io, ::dup(s.pidfd.get())),
        started(io, s.started.release()),
        kill_timer(io),
        pidfd(std::make_shared<Fd>(std::move(s.pidfd))) {}

  void send(int signal) const { ::syscall(SYS_pidfd_send_signal, pidfd->get(), signal, nullptr, 0); }

  asio::posix::stream_descriptor ended;
  asio::posix::stream_descriptor started;
  asio::steady_timer kill_timer;
  std::shared_ptr<Fd> pidfd;
  std::shared_ptr<const ExecTarget> exec;
  std::unique_ptr<LogPump> log;
  std::unique_ptr<ProbeWorker> startup, readiness, liveness;
  std::array<char, 4096> start_error_buffer{};
  std::string start_error;
  std::string id;
  Clock::time_point begun = Clock::now();
  Clock::time_point kill_at = Clock::time_point::max();
  bool program_runs = false;
  bool terminating = false;
};

struct ContainerRunner::Impl {
  Impl(ContainerRunner& o, asio::io_context& i, kube::Container s, bool sc, Changed c, Event e)
      : owner(o),
        io(i),
        spec(std::move(s)),
        sidecar(sc),
        changed(std::move(c)),
        event(std::move(e)),
        restart_timer(i) {}

  Expected<std::shared_ptr<Run>> launch(const ContainerSpec& process);
  void watch(const std::shared_ptr<Run>& run);
  void read_start_error(const std::shared_ptr<Run>& run);
  void on_program_runs(const std::shared_ptr<Run>& run);
  void on_ended(const std::shared_ptr<Run>& run);
  void finish(int exit_code, std::string reason, std::string message);
  void begin_probes(const std::shared_ptr<Run>& run);
  std::unique_ptr<ProbeWorker> probe(const std::shared_ptr<Run>& run, ProbeKind kind,
                                     const std::optional<kube::Probe>& probe,
                                     std::function<void(bool)> on_answer);
  void mark_started(const std::shared_ptr<Run>& run);
  void run_post_start(const std::shared_ptr<Run>& run);
  void terminate(const std::shared_ptr<Run>& run, milliseconds grace);
  void arm_kill(const std::shared_ptr<Run>& run);
  void wait_for_restart();
  ActionTarget target(const std::shared_ptr<Run>& r) const {
    return {place.netns, address, r->exec, spec.ports};
  }
  bool current(const std::shared_ptr<Run>& r) const { return r == run; }
  std::string log_file(int32_t number) const { return fmt::format("{}/{}.log", place.log_dir, number); }

  ContainerRunner& owner;
  asio::io_context& io;
  kube::Container spec;
  bool sidecar;
  Changed changed;
  Event event;

  Phase phase = Phase::waiting;
  ContainerPlace place;
  std::string address;
  std::shared_ptr<Run> run;
  int32_t restart_count = 0;
  bool ever_started = false;
  bool ready = false, started = false;
  std::string waiting_reason, waiting_message, container_id, started_at;
  std::optional<kube::ContainerStateTerminated> last;   ///< of the run before this one
  std::optional<kube::ContainerStateTerminated> ended;  ///< of the run that has just ended
  RestartBackoff backoff;
  milliseconds wait{0};
  Clock::time_point may_start = Clock::time_point::min();
  asio::steady_timer restart_timer;
};

ContainerRunner::ContainerRunner(asio::io_context& io, kube::Container spec, bool sidecar, Changed changed,
                                 Event event)
    : impl_(std::make_unique<Impl>(*this, io, std::move(spec), sidecar, std::move(changed),
                                   std::move(event))) {}

ContainerRunner::~ContainerRunner() = default;

ContainerRunner::Phase ContainerRunner::phase() const { return impl_->phase; }
bool ContainerRunner::alive() const {
  return impl_->phase == Phase::starting || impl_->phase == Phase::running || impl_->phase == Phase::stopping;
}
const kube::Container& ContainerRunner::spec() const { return impl_->spec; }
bool ContainerRunner::sidecar() const { return impl_->sidecar; }
void ContainerRunner::set_spec(kube::Container spec) { impl_->spec = std::move(spec); }
int ContainerRunner::exit_code() const { return impl_->ended ? impl_->ended->exitCode : 0; }
milliseconds ContainerRunner::backoff() const { return impl_->wait; }

void ContainerRunner::set_restart_count(int32_t count) { impl_->restart_count = count; }

milliseconds ContainerRunner::backoff_left() const {
  if (impl_->may_start <= Clock::now()) return 0ms;
  return std::chrono::ceil<milliseconds>(impl_->may_start - Clock::now());
}

bool ContainerRunner::set_waiting(const std::string& reason, const std::string& message) {
  auto& d = *impl_;
  if (d.waiting_reason == reason && d.waiting_message == message) return false;
  d.waiting_reason = reason;
  d.waiting_message = message;
  return true;
}

void ContainerRunner::start(const ContainerPlace& place, ContainerSpec process, const std::string& address) {
  auto& d = *impl_;
  d.place = place;
  d.address = address;
  if (d.ended) {
    d.last = std::move(d.ended);
    d.ended.reset();
  }
  if (std::exchange(d.ever_started, true)) ++d.restart_count;
  d.waiting_reason = d.waiting_message = "";
  d.started = d.ready = false;
  d.phase = Phase::starting;
  auto launched = d.launch(process);
  if (!launched) {
    d.container_id = "";
    d.event(true, "Failed", "Error: " + launched.error().message);
    return d.finish(128, "StartError", launched.error().message);
  }
  d.run = *launched;
  d.container_id = d.run->id;
  d.event(false, "Created", "Created container: " + d.spec.name);
  d.watch(d.run);
}

Expected<std::shared_ptr<ContainerRunner::Run>> ContainerRunner::Impl::launch(const ContainerSpec& process) {
  std::error_code ignored;
  fs::create_directories(place.log_dir, ignored);
  if (restart_count >= 2) {
    fs::remove(log_file(restart_count - 2), ignored);
    fs::remove(log_file(restart_count - 2) + ".1", ignored);
  }
  // A cgroup that was killed once is never used again: kernels compare its count of kills with that of our
  // own cgroup, and kill what clone3 puts into it.
  if (!remove_cgroup(place.cgroup)) place.cgroup += fmt::format(".{}", restart_count);
  WEFT_CHECK(make_cgroup(place.cgroup));
  WEFT_TRY(auto log, LogFile::open(log_file(restart_count)));
  WEFT_TRY(auto out, make_pipe());
  WEFT_TRY(auto err, make_pipe());
  SpawnRequest request;
  request.program = place.program;
  request.cgroup = place.cgroup;
  request.stdout_fd = out.write.get();
  request.stderr_fd = err.write.get();
  request.tied_to_thread = true;
  WEFT_TRY(auto spawned, spawn_init(process, request));
  auto id = fmt::format("weft://{}/{}/{}", place.pod_uid, spec.name, restart_count);
  auto r = std::make_shared<Run>(io, std::move(spawned));
  r->id = id;
  r->log = std::make_unique<LogPump>(io, std::move(log), std::move(out.read), std::move(err.read));
  r->exec = std::make_shared<ExecTarget>(ExecTarget{r->pidfd, place.cgroup, place.program, process.env,
                                                    process.cwd, process.uid, process.gid, process.groups});
  return r;
}

void ContainerRunner::Impl::watch(const std::shared_ptr<Run>& r) {
  auto self = owner.shared_from_this();
  read_start_error(r);
  r->ended.async_wait(asio::posix::stream_descriptor::wait_read, [this, self, r](error_code error) {
    if (!error && current(r)) on_ended(r);
  });
}

/// The pipe closes when the program is executed, or after the line that says why it was not.
void ContainerRunner::Impl::read_start_error(const std::shared_ptr<Run>& r) {
  auto self = owner.shared_from_this();
  r->started.async_read_some(asio::buffer(r->start_error_buffer),
                             [this, self, r](error_code error, size_t n) {
                               if (error == asio::error::operation_aborted || !current(r)) return;
                               r->start_error.append(r->start_error_buffer.data(), n);
                               if (!error) return read_start_error(r);
                               if (r->start_error.empty()) on_program_runs(r);
                             });
}

void ContainerRunner::Impl::on_program_runs(const std::shared_ptr<Run>& r) {
  // A container that was told to end while it started is not announced as running.
  if (phase != Phase::starting) return;
  r->program_runs = true;
  phase = Phase::running;
  started_at = kube::now_time();
  event(false, "Started", "Started container " + spec.name);
  run_post_start(r);
  begin_probes(r);
  changed();
}

void ContainerRunner::Impl::run_post_start(const std::shared_ptr<Run>& r) {
  if (!spec.lifecycle || !spec.lifecycle->postStart) return;
  auto self = owner.shared_from_this();
  auto hook = [this, self, r, handler = *spec.lifecycle->postStart,
               t = target(r)]() -> asio::awaitable<void> {
    auto result = co_await run_hook(handler, t, std::chrono::minutes(5));
    if (result.success || !current(r)) co_return;
    event(true, "FailedPostStartHook", "PostStartHook failed: " + result.message);
    terminate(r, kLeastGrace);
  };
  asio::co_spawn(io, std::move(hook), asio::detached);
}

std::unique_ptr<ProbeWorker> ContainerRunner::Impl::probe(const std::shared_ptr<Run>& r, ProbeKind kind,
                                                          const std::optional<kube::Probe>& probe,
                                                          std::function<void(bool)> on_answer) {
  if (!probe) return nullptr;
  const char* name = kind == ProbeKind::startup     ? "Startup"
                     : kind == ProbeKind::readiness ? "Readiness"
                                                    : "Liveness";
  // The worker belongs to the run and the run to us: plain pointers do not outlive what they point to.
  ProbeWorker::Events events{std::move(on_answer), [this, name](const std::string& message) {
                               event(true, "Unhealthy", fmt::format("{} probe failed: {}", name, message));
                             }};
  return std::make_unique<ProbeWorker>(io, kind, *probe, target(r), std::move(events));
}

void ContainerRunner::Impl::begin_probes(const std::shared_ptr<Run>& r) {
  if (!spec.startupProbe) return mark_started(r);
  std::weak_ptr<Run> weak = r;
  r->startup = probe(r, ProbeKind::startup, spec.startupProbe, [this, weak](bool good) {
    auto alive = weak.lock();
    if (!alive || !current(alive)) return;
    // The worker that calls is freed on the next turn, not under its own feet.
    asio::post(io, [alive] { alive->startup.reset(); });
    if (good) {
      mark_started(alive);
      return changed();
    }
    event(false, "Killing", fmt::format("Container {} failed startup probe, will be restarted", spec.name));
    terminate(alive, std::chrono::seconds(spec.startupProbe->terminationGracePeriodSeconds.value_or(30)));
  });
}

void ContainerRunner::Impl::mark_started(const std::shared_ptr<Run>& r) {
  started = true;
  ready = !spec.readinessProbe;
  std::weak_ptr<Run> weak = r;
  r->readiness = probe(r, ProbeKind::readiness, spec.readinessProbe, [this, weak](bool good) {
    auto alive = weak.lock();
    if (!alive || !current(alive) || ready == good) return;
    ready = good;
    changed();
  });
  r->liveness = probe(r, ProbeKind::liveness, spec.livenessProbe, [this, weak](bool good) {
    auto alive = weak.lock();
    if (good || !alive || !current(alive)) return;
    event(false, "Killing", fmt::format("Container {} failed liveness probe, will be restarted", spec.name));
    terminate(alive, std::chrono::seconds(spec.livenessProbe->terminationGracePeriodSeconds.value_or(30)));
  });
}

void ContainerRunner::stop(milliseconds grace) {
  auto& d = *impl_;
  d.restart_timer.cancel();
  if (alive()) d.terminate(d.run, grace);
}

void ContainerRunner::Impl::terminate(const std::shared_ptr<Run>& r, milliseconds grace) {
  if (!current(r)) return;
  r->kill_at = std::min(r->kill_at, Clock::now() + grace);
  arm_kill(r);
  if (std::exchange(r->terminating, true)) return;
  phase = Phase::stopping;
  bool hook = r->program_runs && grace > 0ms && spec.lifecycle && spec.lifecycle->preStop;
  if (!hook) {
    r->send(stop_signal(spec));
    return;
  }
  auto self = owner.shared_from_this();
  auto pre_stop = [this, self, r, grace, handler = *spec.lifecycle->preStop,
                   t = target(r)]() -> asio::awaitable<void> {
    auto result = co_await run_hook(handler, t, grace);
    if (!current(r)) co_return;
    if (!result.success) event(true, "FailedPreStopHook", "PreStopHook failed: " + result.message);
    r->send(stop_signal(spec));
    r->kill_at = std::max(r->kill_at, Clock::now() + kLeastGrace);
    arm_kill(r);
  };
  asio::co_spawn(io, std::move(pre_stop), asio::detached);
}

void ContainerRunner::Impl::arm_kill(const std::shared_ptr<Run>& r) {
  if (r->kill_at <= Clock::now()) return kill_cgroup(place.cgroup);
  auto self = owner.shared_from_this();
  r->kill_timer.expires_at(r->kill_at);
  r->kill_timer.async_wait([this, self, r](error_code error) {
    if (!error && current(r)) kill_cgroup(place.cgroup);
  });
}

void ContainerRunner::Impl::on_ended(const std::shared_ptr<Run>& r) {
  int code = reap(*r->pidfd);
  // Commands of `kubectl exec` and what a container without PID namespace left behind.
  kill_cgroup(place.cgroup);
  // The line that says why it did not start may still be on its way.
  if (!r->program_runs) {
    error_code ignored;
    r->started.cancel(ignored);
    if (auto n =
            ::read(r->started.native_handle(), r->start_error_buffer.data(), r->start_error_buffer.size());
        n > 0)
      r->start_error.append(r->start_error_buffer.data(), static_cast<size_t>(n));
    if (r->start_error.empty()) on_program_runs(r);
  }
  r->log->drain();
  r->startup.reset();
  r->readiness.reset();
  r->liveness.reset();
  r->kill_timer.cancel();
  auto start_error = r->start_error;
  auto ran = std::chrono::duration_cast<milliseconds>(Clock::now() - r->begun);
  run.reset();
  wait = backoff.next(ran);
  may_start = Clock::now() + wait;
  if (!start_error.empty()) {
    event(true, "Failed", "Error: failed to start container: " + start_error);
    return finish(128, "StartError", "failed to start container: " + start_error);
  }
  finish(code, code == 0 ? "Completed" : "Error", "");
}

void ContainerRunner::Impl::finish(int exit_code, std::string reason, std::string message) {
  if (container_id.empty()) {
    // It never came to a run; the back-off holds all the same.
    wait = backoff.next(0ms);
    may_start = Clock::now() + wait;
  }
  kube::ContainerStateTerminated t;
  t.exitCode = exit_code;
  t.reason = std::move(reason);
  t.message = std::move(message);
  t.finishedAt = kube::now_time();
  t.startedAt = started_at.empty() ? t.finishedAt : started_at;
  t.containerID = container_id;
  started_at.clear();
  ended = std::move(t);
  phase = Phase::ended;
  started = ready = false;
  wait_for_restart();
  changed();
}

/// So that the pod looks again when the back-off is over.
void ContainerRunner::Impl::wait_for_restart() {
  if (wait <= 0ms) return;
  restart_timer.expires_at(may_start);
  restart_timer.async_wait([this, weak = owner.weak_from_this()](error_code error) {
    if (auto self = weak.lock(); self && !error) changed();
  });
}

ContainerView ContainerRunner::view() const {
  const auto& d = *impl_;
  ContainerView v;
  v.spec = &d.spec;
  v.sidecar = d.sidecar;
  v.restart_count = d.restart_count;
  v.container_id = d.container_id;
  v.ready = d.ready;
  v.started = d.started;
  if (d.last) v.last_state.terminated = d.last;
  bool runs = d.phase == Phase::running || (d.phase == Phase::stopping && d.run && d.run->program_runs);
  if (runs) {
    v.state.running.emplace().startedAt = d.started_at;
  } else if (d.ended && d.waiting_reason.empty()) {
    v.state.terminated = d.ended;
  } else {
    auto& waiting = v.state.waiting.emplace();
    waiting.reason = d.waiting_reason;
    waiting.message = d.waiting_message;
    if (d.ended) v.last_state.terminated = d.ended;
  }
  return v;
}

ContainerRegistry::Entry ContainerRunner::registry_entry() const {
  const auto& d = *impl_;
  ContainerRegistry::Entry entry;
  entry.container = d.spec.name;
  if (d.run && d.run->program_runs) entry.running = d.run->exec;
  if (d.ever_started) entry.log = d.log_file(d.restart_count);
  std::error_code ignored;
  if (d.restart_count > 0 && fs::exists(d.log_file(d.restart_count - 1), ignored))
    entry.previous_log = d.log_file(d.restart_count - 1);
  return entry;
}

}  // namespace weft::standalone::sandbox
