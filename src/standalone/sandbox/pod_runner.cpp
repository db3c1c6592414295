#include "standalone/sandbox/pod_runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <fstream>
#include <ranges>

#include "base/netns.h"
#include "kube/time.h"
#include "standalone/sandbox/cgroup.h"
#include "standalone/sandbox/container_plan.h"
#include "standalone/sandbox/container_runner.h"
#include "standalone/sandbox/image.h"
#include "standalone/sandbox/volumes.h"

namespace weft::standalone::sandbox {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Container = std::shared_ptr<ContainerRunner>;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kFirstRetry = 20ms;
constexpr milliseconds kLongestRetry = 2s;
constexpr milliseconds kImageRetry = 10s;
/// What a pod gets whose object was removed without grace.
constexpr milliseconds kOrphanGrace = 1s;

milliseconds grace_of(const kube::Pod& pod) {
  auto seconds =
      pod.metadata.deletionGracePeriodSeconds.value_or(pod.spec.terminationGracePeriodSeconds.value_or(30));
  return std::chrono::seconds(std::max<int64_t>(seconds, 0));
}

}  // namespace

struct PodRunner::Impl : std::enable_shared_from_this<Impl> {
  Impl(PodHost& h, std::shared_ptr<const kube::Pod> p)
      : host(h), pod(std::move(p)), retry_timer(h.io()), deadline(h.io()) {}

  void begin();
  void add_container(const kube::Container& spec, bool init);
  void schedule();
  void sync();
  bool prepare_volumes();
  Expected<void> follow_objects(const kube::Volume& volume, const std::string& folder,
                                const ConfigSource& source);
  void attach();
  Expected<void> write_files();
  void run_containers();
  bool ensure_running(const Container& container);
  bool wait_for_backoff(const Container& container);
  void try_start(const Container& container);
  void cannot_start(const Container& container, const Error& error, bool image);
  bool complete() const;
  void end_containers();
  void stop(const Container& container, milliseconds grace);
  void detach();
  void finish();
  void retry_later(milliseconds at_least = 0ms);
  void warn(const std::string& reason, const std::string& message);
  void publish();
  PodView view() const;
  PodFacts facts() const { return {pod.get(), addresses, host.node().addresses}; }
  std::string dir() const { return fmt::format("{}/pods/{}", host.node().state_dir, pod->metadata.uid); }
  std::string cgroup() const { return fmt::format("{}/pods/{}", host.node().cgroup, pod->metadata.uid); }

  PodHost& host;
  std::shared_ptr<const kube::Pod> pod;
  PodIdentity identity;
  kube::PodName name;
  std::vector<Container> init, main;
  std::map<std::string, std::string> volumes;       ///< name to folder of the host
  std::map<std::string, VolumeFiles> volume_files;  ///< what was written last
  kube::PodStatus published;
  std::vector<std::string> addresses;
  std::string start_time;
  std::string failed_reason, failed_message;
  std::string warned;  ///< the last problem an Event told of
  asio::steady_timer retry_timer, deadline;
  milliseconds retry_delay = kFirstRetry;
  bool scheduled = false;
  bool attaching = false, attached = false, files_written = false;
  bool orphan = false;  ///< its object is gone
  bool ending = false;  ///< containers are being stopped for good
  bool detaching = false, detached = false;
  bool abandoned = false, ended = false;
};

PodRunner::PodRunner(PodHost& host, std::shared_ptr<const kube::Pod> pod)
    : impl_(std::make_shared<Impl>(host, std::move(pod))) {
  impl_->begin();
}

PodRunner::~PodRunner() { abandon(); }

const kube::Pod& PodRunner::pod() const { return *impl_->pod; }
const PodIdentity& PodRunner::identity() const { return impl_->identity; }
bool PodRunner::ended() const { return impl_->ended; }
void PodRunner::start() { impl_->schedule(); }

void PodRunner::config_changed() {
  impl_->retry_delay = kFirstRetry;
  impl_->schedule();
}

void PodRunner::object_gone() {
  impl_->orphan = true;
  impl_->schedule();
}

void PodRunner::abandon() {
  auto& d = *impl_;
  if (d.ended || std::exchange(d.abandoned, true)) return;
  d.retry_timer.cancel();
  d.deadline.cancel();
  for (auto* list : {&d.init, &d.main}) {
    for (auto& container : *list) container->stop(0ms);
  }
  kill_cgroup(d.cgroup());
}

void PodRunner::update(std::shared_ptr<const kube::Pod> pod) {
  auto& d = *impl_;
  d.pod = std::move(pod);
  auto refresh = [&](std::vector<Container>& list, const std::vector<kube::Container>& specs) {
    for (size_t i = 0; i < std::min(list.size(), specs.size()); ++i) {
      bool changed = list[i]->spec().image != specs[i].image;
      list[i]->set_spec(specs[i]);
      if (changed && list[i]->alive()) d.stop(list[i], grace_of(*d.pod));
    }
  };
  refresh(d.init, d.pod->spec.initContainers);
  refresh(d.main, d.pod->spec.containers);
  d.schedule();
}

void PodRunner::Impl::begin() {
  identity.ns = pod->metadata.namespace_;
  identity.name = pod->metadata.name;
  identity.uid = pod->metadata.uid;
  identity.netns = pod_netns_name(host.node().cluster, pod->metadata.uid);
  // Ports below 1024 and ping for every user, as container runtimes set it.
  identity.sysctls = {{"net.ipv4.ip_unprivileged_port_start", "0"},
                      {"net.ipv4.ping_group_range", "0 2147483647"}};
  if (pod->spec.securityContext) {
    for (const auto& sysctl : pod->spec.securityContext->sysctls)
      identity.sysctls[sysctl.name] = sysctl.value;
  }
  start_time = pod->status.startTime.value_or(kube::now_time());
  for (const auto& spec : pod->spec.initContainers) add_container(spec, true);
  for (const auto& spec : pod->spec.containers) add_container(spec, false);
}

void PodRunner::Impl::add_container(const kube::Container& spec, bool is_init) {
  bool sidecar = is_init && spec.restartPolicy == "Always";
  std::weak_ptr<Impl> weak = weak_from_this();
  auto changed = [this, weak] {
    if (auto alive = weak.lock()) schedule();
  };
  auto field = fmt::format("spec.{}{{{}}}", is_init ? "initContainers" : "containers", spec.name);
  auto event = [this, weak, field](bool warning, const std::string& reason, const std::string& message) {
    if (auto alive = weak.lock(); alive && !abandoned) host.event(*pod, field, warning, reason, message);
  };
  auto container = std::make_shared<ContainerRunner>(host.io(), spec, sidecar, changed, event);
  const auto& statuses = is_init ? pod->status.initContainerStatuses : pod->status.containerStatuses;
  auto before = std::ranges::find(statuses, spec.name, &kube::ContainerStatus::name);
  // It ran under an earlier `weft up`, whose end was its end.
  if (before != statuses.end() && !before->containerID.empty())
    container->set_restart_count(before->restartCount + 1);
  (is_init ? init : main).push_back(std::move(container));
}

/// Many things that happen at once are one look at the pod, never from inside another.
void PodRunner::Impl::schedule() {
  if (abandoned || ended || std::exchange(scheduled, true)) return;
  asio::post(host.io(), [self = shared_from_this()] {
    self->scheduled = false;
    if (!self->abandoned && !self->ended) self->sync();
  });
}

void PodRunner::Impl::sync() {
  if (orphan || pod->metadata.deletionTimestamp || !failed_reason.empty() || complete()) ending = true;
  if (ending) {
    end_containers();
  } else if (prepare_volumes()) {
    if (attached) {
      run_containers();
      if (complete()) schedule();
    } else {
      attach();
    }
  }
  publish();
}

/// Volumes made of objects are compared and rewritten at every look: that is how they follow their objects.
bool PodRunner::Impl::prepare_volumes() {
  auto made = kube::pod_name(*pod, host.node().dns.domain);
  if (!made) {
    warn("FailedCreatePodSandBox", made.error().message);
    return false;
  }
  name = *made;
  auto source = host.config(pod->metadata.namespace_);
  for (const auto& volume : pod->spec.volumes) {
    auto folder = fmt::format("{}/volumes/{}", dir(), volume.name);
    Expected<std::string> ready = folder;
    if (is_object_volume(volume)) {
      if (auto followed = follow_objects(volume, folder, source); !followed)
        ready = std::unexpected(followed.error());
    } else if (!volumes.contains(volume.name)) {
      ready = prepare_plain_volume(volume, folder);
    } else {
      continue;
    }
    if (!ready) {
      warn("FailedMount", fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}", volume.name,
                                      ready.error().message));
      // What runs already keeps the content it has.
      if (attached) continue;
      retry_later();
      return false;
    }
    volumes[volume.name] = *ready;
  }
  return true;
}

Expected<void> PodRunner::Impl::follow_objects(const kube::Volume& volume, const std::string& folder,
                                               const ConfigSource& source) {
  WEFT_TRY(auto files, object_volume_files(volume, facts(), source));
  auto before = volume_files.find(volume.name);
  if (before != volume_files.end() && before->second == files) return {};
  WEFT_CHECK(write_object_volume(folder, files));
  volume_files[volume.name] = std::move(files);
  return {};
}

void PodRunner::Impl::attach() {
  if (attaching) return;
  if (pod->spec.hostNetwork) {
    addresses = host.node().addresses;
    attached = true;
    return schedule();
  }
  attaching = true;
  host.attach_network(identity, [self = shared_from_this()](Expected<std::vector<std::string>> result) {
    self->attaching = false;
    if (self->abandoned || self->ended) return;
    if (result) {
      self->addresses = std::move(*result);
      self->attached = true;
      self->retry_delay = kFirstRetry;
      return self->schedule();
    }
    self->warn("FailedCreatePodSandBox", "Failed to create pod sandbox: " + result.error().message);
    self->retry_later();
    self->schedule();
  });
}

Expected<void> PodRunner::Impl::write_files() {
  if (files_written) return {};
  const auto& node = host.node();
  auto dns = kube::pod_dns(*pod, node.dns, node.resolv_conf);
  for (const auto& warning : dns.warnings) host.event(*pod, "", true, "DNSConfigForming", warning);
  std::error_code error;
  fs::create_directories(dir() + "/etc", error);
  auto write = [&](const char* file, const std::string& text) {
    std::ofstream out(fmt::format("{}/etc/{}", dir(), file));
    out << text;
    return static_cast<bool>(out.flush());
  };
  bool ok = write("resolv.conf", kube::write_resolv_conf(dns.conf)) &&
            write("hosts", pod_hosts(*pod, name, addresses)) && write("hostname", name.kernel + "\n");
  if (!ok) return fail(ErrorCode::system, fmt::format("cannot write {}/etc", dir()));
  files_written = true;
  return {};
}

void PodRunner::Impl::run_containers() {
  if (pod->spec.activeDeadlineSeconds && deadline.expiry() == Clock::time_point()) {
    deadline.expires_after(std::chrono::seconds(*pod->spec.activeDeadlineSeconds));
    deadline.async_wait([self = shared_from_this()](error_code error) {
      if (error) return;
      self->failed_reason = "DeadlineExceeded";
      self->failed_message = "Pod was active on the node longer than the specified deadline";
      self->schedule();
    });
  }
  for (const auto& container : init) {
    bool finished = container->phase() == ContainerRunner::Phase::ended && container->exit_code() == 0;
    if (!container->sidecar() && finished) continue;
    ensure_running(container);
    if (container->sidecar() && container->view().started) continue;
    return;
  }
  for (const auto& container : main) ensure_running(container);
}

/// True when it runs or is about to.
bool PodRunner::Impl::ensure_running(const Container& container) {
  if (container->alive()) return true;
  if (container->phase() == ContainerRunner::Phase::ended) {
    if (!should_restart(pod->spec.restartPolicy, container->sidecar(), container->exit_code())) return false;
    if (wait_for_backoff(container)) return false;
  }
  try_start(container);
  return container->alive();
}

bool PodRunner::Impl::wait_for_backoff(const Container& container) {
  if (container->backoff_left() <= 0ms) return false;
  const auto& spec = container->spec();
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(container->backoff()).count();
  auto text = fmt::format("back-off {}s restarting failed container={} pod={}_{}({})", seconds, spec.name,
                          identity.name, identity.ns, identity.uid);
  if (container->set_waiting("CrashLoopBackOff", text)) {
    host.event(*pod, fmt::format("spec.containers{{{}}}", spec.name), true, "BackOff",
               fmt::format("Back-off restarting failed container {} in pod {}_{}({})", spec.name,
                           identity.name, identity.ns, identity.uid));
  }
  return true;
}

void PodRunner::Impl::try_start(const Container& container) {
  const auto& spec = container->spec();
  if (auto written = write_files(); !written) return cannot_start(container, written.error(), false);
  auto environment = build_environment(facts(), spec, host.config(identity.ns));
  if (!environment) return cannot_start(container, environment.error(), false);
  auto command = resolve_command(spec, *environment, host.node().images);
  if (!command) return cannot_start(container, command.error(), true);
  auto mounts = container_mounts(spec, volumes, *environment);
  if (!mounts) return cannot_start(container, mounts.error(), false);

  ContainerSetting setting{facts(), host.node(), name, pod->spec.hostNetwork ? "" : identity.netns, dir()};
  auto process = plan_container(setting, spec, *environment, *command, std::move(*mounts));
  std::error_code ignored;
  fs::create_directories(process.scratch, ignored);
  ContainerPlace place{host.node().program, fmt::format("{}/{}", cgroup(), spec.name),
                       fmt::format("{}/log/{}", dir(), spec.name), host.node().netns, identity.uid};
  host.event(*pod, fmt::format("spec.containers{{{}}}", spec.name), false, "Pulled",
             fmt::format("Container image \"{}\" already present on machine", spec.image));
  container->start(place, std::move(process), addresses.empty() ? "" : addresses.front());
}

void PodRunner::Impl::cannot_start(const Container& container, const Error& error, bool image) {
  const auto& spec = container->spec();
  auto field = fmt::format("spec.containers{{{}}}", spec.name);
  if (!image) {
    if (container->set_waiting("CreateContainerConfigError", error.message))
      host.event(*pod, field, true, "Failed", "Error: " + error.message);
    return retry_later(1s);
  }
  auto view = container->view();
  auto reason = view.state.waiting ? view.state.waiting->reason : "";
  if (reason != "ErrImagePull" && reason != "ImagePullBackOff") {
    container->set_waiting("ErrImagePull", error.message);
    host.event(*pod, field, true, "Failed",
               fmt::format("Failed to pull image \"{}\": {}", spec.image, error.message));
  } else if (container->set_waiting("ImagePullBackOff", fmt::format("Back-off pulling image \"{}\": {}",
                                                                    spec.image, error.message))) {
    host.event(*pod, field, false, "BackOff", fmt::format("Back-off pulling image \"{}\"", spec.image));
  }
  retry_later(kImageRetry);
}

/// All ran to their end and none may run again.
bool PodRunner::Impl::complete() const {
  auto over = [&](const Container& c) {
    return c->phase() == ContainerRunner::Phase::ended &&
           !should_restart(pod->spec.restartPolicy, c->sidecar(), c->exit_code());
  };
  bool init_failed =
      std::ranges::any_of(init, [&](const Container& c) { return over(c) && c->exit_code() != 0; });
  return init_failed || std::ranges::all_of(main, over);
}

void PodRunner::Impl::stop(const Container& container, milliseconds grace) {
  if (container->phase() != ContainerRunner::Phase::stopping && !orphan)
    host.event(*pod, fmt::format("spec.containers{{{}}}", container->spec().name), false, "Killing",
               "Stopping container " + container->spec().name);
  container->stop(grace);
}

/// Ordinary containers all at once; then sidecars one after the other, the last one first.
void PodRunner::Impl::end_containers() {
  auto grace = orphan ? kOrphanGrace : pod->metadata.deletionTimestamp ? grace_of(*pod) : 2s;
  bool alive = false;
  for (const auto& container : main) {
    if (!container->alive()) continue;
    alive = true;
    stop(container, grace);
  }
  if (alive) return;
  for (const auto& container : init | std::views::reverse) {
    if (!container->alive()) continue;
    return stop(container, grace);
  }
  if (!detached) return detach();
  if (orphan || pod->metadata.deletionTimestamp) finish();
}

void PodRunner::Impl::detach() {
  if (detaching || attaching) return;
  if (pod->spec.hostNetwork) {
    detached = true;
    return schedule();
  }
  // Also when it was never attached: an attempt that failed may have left a namespace or an address behind.
  detaching = true;
  host.detach_network(identity, [self = shared_from_this()](Expected<void> result) {
    self->detaching = false;
    if (self->abandoned || self->ended) return;
    if (!result) {
      self->warn("FailedKillPod", "error killing pod: " + result.error().message);
      return self->retry_later();
    }
    self->detached = true;
    self->schedule();
  });
}

void PodRunner::Impl::finish() {
  if (!remove_cgroup(cgroup())) {
    kill_cgroup(cgroup());
    return retry_later();
  }
  publish();
  ended = true;
  retry_timer.cancel();
  deadline.cancel();
  std::error_code ignored;
  fs::remove_all(dir(), ignored);
  host.registry().set(identity.ns + "/" + identity.name, {});
  host.finished(*pod);
}

void PodRunner::Impl::retry_later(milliseconds at_least) {
  auto delay = std::max(at_least, retry_delay);
  retry_delay = std::min(retry_delay * 2, kLongestRetry);
  retry_timer.expires_after(delay);
  retry_timer.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->schedule();
  });
}

void PodRunner::Impl::warn(const std::string& reason, const std::string& message) {
  if (std::exchange(warned, message) != message) host.event(*pod, "", true, reason, message);
}

PodView PodRunner::Impl::view() const {
  PodView v;
  bool init_pending = false;
  auto add = [&](const Container& container, std::vector<ContainerView>& list, const char* reason) {
    auto c = container->view();
    if (c.state.waiting && c.state.waiting->reason.empty()) c.state.waiting->reason = reason;
    list.push_back(std::move(c));
  };
  for (const auto& container : init) {
    add(container, v.init, "PodInitializing");
    const auto& c = v.init.back();
    bool done = c.sidecar ? c.started : c.state.terminated && c.state.terminated->exitCode == 0;
    init_pending = init_pending || !done;
  }
  for (const auto& container : main)
    add(container, v.main, init_pending ? "PodInitializing" : "ContainerCreating");
  v.network_ready = attached && !detached;
  v.pod_ips = addresses;
  v.host_ips = host.node().addresses;
  v.start_time = start_time;
  v.failed_reason = failed_reason;
  v.failed_message = failed_message;
  return v;
}

void PodRunner::Impl::publish() {
  if (ended || orphan) return;
  published = compute_status(*pod, view(), published, kube::now_time());
  std::vector<ContainerRegistry::Entry> entries;
  for (const auto* list : {&main, &init}) {
    for (const auto& container : *list) entries.push_back(container->registry_entry());
  }
  // Before the status: who reads there that a container runs may exec into it.
  host.registry().set(identity.ns + "/" + identity.name, std::move(entries));
  host.publish(*pod, published);
}

std::string pod_netns_name(const std::string& cluster, const std::string& uid) {
  std::string digits;
  for (char c : uid) {
    if (c != '-' && digits.size() < 12) digits += c;
  }
  return fmt::format("weft-{}-p-{}", cluster, digits);
}

bool refers_to(const kube::PodSpec& spec, const std::string& kind, const std::string& name) {
  bool maps = kind == "ConfigMap";
  auto same = [&](const auto& ref, auto member) { return ref && (*ref).*member == name; };
  for (const auto& volume : spec.volumes) {
    if (maps ? same(volume.configMap, &kube::ConfigMapVolumeSource::name)
             : same(volume.secret, &kube::SecretVolumeSource::secretName))
      return true;
    if (!volume.projected) continue;
    for (const auto& source : volume.projected->sources) {
      if (maps ? same(source.configMap, &kube::ConfigMapProjection::name)
               : same(source.secret, &kube::SecretProjection::name))
        return true;
    }
  }
  auto uses = [&](const kube::Container& container) {
    for (const auto& from : container.envFrom) {
      if (maps ? same(from.configMapRef, &kube::ConfigMapEnvSource::name)
               : same(from.secretRef, &kube::SecretEnvSource::name))
        return true;
    }
    return std::ranges::any_of(container.env, [&](const kube::EnvVar& variable) {
      if (!variable.valueFrom) return false;
      return maps ? same(variable.valueFrom->configMapKeyRef, &kube::ConfigMapKeySelector::name)
                  : same(variable.valueFrom->secretKeyRef, &kube::SecretKeySelector::name);
    });
  };
  return std::ranges::any_of(spec.containers, uses) || std::ranges::any_of(spec.initContainers, uses);
}

}  // namespace weft::standalone::sandbox
