#include "policy/controller.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>

#include "base/fd.h"
#include "base/log.h"
#include "kube/config.h"
#include "kube/pod.h"
#include "policy/cut.h"
#include "policy/in_use.h"

namespace weft::policy {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto kRetry = 1s;
/// When only a change can make room, which is taken at once: to see it takes a look at the whole map.
constexpr auto kRetryFull = 30s;
/// Changes come in groups, and a look at all sockets of a pod costs more than a change.
constexpr auto kCutAfter = 100ms;
/// Log lines about denials, at most; metrics count all that is reported.
constexpr int kLinesASecond = 10;

/// The clock of the programs' reports; std::chrono::steady_clock is it.
uint64_t monotonic_ns() {
  return static_cast<uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

struct PolicyController::Impl {
  Impl(kube::Client& c, kube::Informer<kube::Node>& n, datapath::PodPolicy maps, Options o)
      : io(c.io()),
        options(std::move(o)),
        nodes(n),
        pods(c),
        namespaces(c),
        policies(c),
        cluster_policies(
            c, {.namespace_ = {}, .label_selector = {}, .field_selector = {}, .may_be_absent = true}),
        dns(c, {.namespace_ = kDnsNamespace,
                .label_selector = fmt::format("kubernetes.io/service-name={}", kDnsService),
                .field_selector = {},
                .may_be_absent = false}),
        engine(std::move(maps), options.node),
        retry(io),
        cut_timer(io),
        reported(io) {}

  template <class T>
  void follow(kube::Informer<T>& informer) {
    informer.on_change([this](const auto& before, const auto& after) {
      after ? engine.plan().put(*after) : engine.plan().erase(*before);
      changed();
    });
  }

  Expected<void> start();
  Expected<void> open_events();
  Expected<void> open_domains();
  void synced_one();
  void changed();
  void apply();
  void apply_later();
  void written();
  Expected<std::set<IpAddr>> in_use() const;
  void cut_later();
  void cut_next();
  void cut_link(int link);
  void wait_for_events();
  void take(const weft_policy_event& event);

  asio::io_context& io;
  Options options;
  kube::Informer<kube::Node>& nodes;
  kube::Informer<kube::Pod> pods;
  kube::Informer<kube::Namespace> namespaces;
  kube::Informer<kube::NetworkPolicy> policies;
  kube::Informer<kube::ClusterNetworkPolicy> cluster_policies;
  kube::Informer<kube::EndpointSlice> dns;
  PolicyEngine engine;
  asio::steady_timer retry, cut_timer;
  asio::posix::stream_descriptor reported;
  std::optional<datapath::PolicyEvents> programs;
  DecisionCounts counts;
  RecentDecisions recent;
  std::unique_ptr<DomainKeeper> domains;
  std::vector<std::function<void()>> awaited;  ///< to be called when all is in force
  std::chrono::steady_clock::time_point second;
  int lines = 0;  ///< in that second
  int unsynced = 6;
  bool scheduled = false;
  bool in_force = false;       ///< the kernel has what the plan was told
  bool names_changed = false;  ///< policies may ask for other names
  bool cut_scheduled = false;
  std::set<int> narrowed;  ///< links of pods whose connections are still to be looked at
};

Expected<void> PolicyController::Impl::start() {
  WEFT_CHECK(open_events());
  WEFT_CHECK(open_domains());
  follow(pods);
  follow(namespaces);
  follow(policies);
  follow(cluster_policies);
  follow(nodes);
  follow(dns);
  cluster_policies.on_change([this](const auto&, const auto&) { names_changed = true; });
  std::function<void()> one = [this] { synced_one(); };
  for (const auto& node : nodes.items()) engine.plan().put(*node.second);
  nodes.synced() ? one() : nodes.on_synced(one);
  pods.on_synced(one);
  namespaces.on_synced(one);
  policies.on_synced(one);
  dns.on_synced(one);
  // Whichever comes first.
  auto once = [this, done = std::make_shared<bool>(false)] {
    if (!std::exchange(*done, true)) synced_one();
  };
  cluster_policies.on_synced(once);
  cluster_policies.on_not_served(once);
  asio::co_spawn(io, pods.run(), asio::detached);
  asio::co_spawn(io, namespaces.run(), asio::detached);
  asio::co_spawn(io, policies.run(), asio::detached);
  asio::co_spawn(io, cluster_policies.run(), asio::detached);
  asio::co_spawn(io, dns.run(), asio::detached);
  return {};
}

void PolicyController::Impl::synced_one() {
  if (--unsynced > 0) return;
  // DNS servers first: what they answer from now on is to be known.
  domains->names_changed();
  if (auto done = engine.synced(); !done) {
    spdlog::error("{}; trying again", done.error().message);
    apply_later();
  } else {
    written();
  }
  // What was reported before has no names yet.
  wait_for_events();
  if (options.on_synced) options.on_synced();
}

/// What comes at once is written at once.
void PolicyController::Impl::changed() {
  in_force = false;
  if (std::exchange(scheduled, true)) return;
  asio::post(io, [this] {
    scheduled = false;
    apply();
  });
}

void PolicyController::Impl::apply() {
  bool other_names = unsynced <= 0 && std::exchange(names_changed, false);
  if (other_names) domains->names_changed();
  if (auto done = engine.apply(); !done) {
    spdlog::error("{}; trying again", done.error().message);
    apply_later();
  } else {
    written();
  }
  // What no policy asks for any more is known to be so now.
  if (other_names) domains->names_changed();
  cut_later();
}

void PolicyController::Impl::written() {
  if (unsynced > 0) return;
  in_force = true;
  for (auto& then : std::exchange(awaited, {})) then();
}

Expected<void> PolicyController::Impl::open_domains() {
  WEFT_TRY(domains, DomainKeeper::start(io, options.domains, engine.plan(),
                                        {.changed = [this] { changed(); },
                                         .when_in_force =
                                             [this](std::function<void()> then) {
                                               in_force ? then() : awaited.push_back(std::move(then));
                                             },
                                         .in_use = [this] { return in_use(); }}));
  return {};
}

/// Of those that policies keep from sending what they like: for others it makes no difference.
Expected<std::set<IpAddr>> PolicyController::Impl::in_use() const {
  WEFT_TRY(auto out, talked_with(engine.maps(), monotonic_ns()));
  for (int link : engine.restricted_links()) {
    auto path = options.netns_of(link);
    Fd netns(path.empty() ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns) continue;  // it ends just now
    WEFT_TRY(auto more, connected_to(netns.get()));
    out.merge(more);
  }
  return out;
}

/// Whatever is to be sooner stays so, however many changes fail meanwhile.
void PolicyController::Impl::apply_later() {
  auto now = std::chrono::steady_clock::now();
  auto at = now + (engine.is_full() ? kRetryFull : kRetry);
  if (retry.expiry() > now && retry.expiry() <= at) return;
  retry.expires_at(at);
  retry.async_wait([this](boost::system::error_code error) {
    if (error) return;
    engine.try_again();
    apply();
  });
}

void PolicyController::Impl::cut_later() {
  if (!engine.has_narrowed() || std::exchange(cut_scheduled, true)) return;
  cut_timer.expires_after(kCutAfter);
  cut_timer.async_wait([this](boost::system::error_code error) {
    if (error) return;
    narrowed = engine.take_narrowed();
    cut_next();
  });
}

/// A pod at a time, as other changes should not wait for all of them.
void PolicyController::Impl::cut_next() {
  if (narrowed.empty()) {
    cut_scheduled = false;
    return cut_later();
  }
  cut_link(*narrowed.begin());
  narrowed.erase(narrowed.begin());
  asio::post(io, [this] { cut_next(); });
}

void PolicyController::Impl::cut_link(int link) {
  auto pod = engine.pod_of(link);
  auto path = options.netns_of(link);
  if (pod.empty() || path.empty()) return;
  Fd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns) return;  // it ends just now
  auto cut = cut_denied(engine.plan(), pod, netns.get(), options.behind);
  if (!cut) {
    spdlog::warn("pod {}: connections that are denied by now are not reset: {}", pod, cut.error().message);
  } else if (*cut > 0) {
    spdlog::info("pod {}: {} connections are denied by now and were reset", pod, *cut);
  }
}

Expected<void> PolicyController::Impl::open_events() {
  WEFT_TRY(auto opened, datapath::PolicyEvents::open(
                            engine.maps(), [this](const weft_policy_event& event) { take(event); }));
  programs.emplace(std::move(opened));
  // The descriptor stays the reader's.
  int fd = ::fcntl(programs->poll_fd(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return fail_errno("watch the policy events", errno);
  reported.assign(fd);
  return {};
}

void PolicyController::Impl::wait_for_events() {
  reported.async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
    if (error) return;
    if (auto read = programs->read(); !read) return spdlog::error("{}", read.error().message);
    wait_for_events();
  });
}

void PolicyController::Impl::take(const weft_policy_event& event) {
  auto decision = decision_of(event, engine);
  count(counts, decision);
  auto now = std::chrono::steady_clock::now();
  if (now - second > 1s) {
    second = now;
    lines = 0;
  }
  if (lines++ < kLinesASecond) spdlog::info("{}", decision.str());
  recent.add(std::move(decision), kube::now_point(), monotonic_ns());
}

PolicyController::PolicyController(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
PolicyController::~PolicyController() = default;

Expected<std::unique_ptr<PolicyController>> PolicyController::start(kube::Client& client,
                                                                    kube::Informer<kube::Node>& nodes,
                                                                    datapath::PodPolicy maps,
                                                                    Options options) {
  auto impl = std::make_shared<Impl>(client, nodes, std::move(maps), std::move(options));
  WEFT_CHECK(impl->start());
  return std::unique_ptr<PolicyController>(new PolicyController(std::move(impl)));
}

Expected<void> PolicyController::connect(int link, PolicyLink pod) {
  auto done = impl_->engine.connect(link, std::move(pod));
  if (!done) impl_->apply_later();
  return done;
}

Expected<void> PolicyController::forget_gone() { return impl_->engine.forget_gone(); }
const PolicyEngine& PolicyController::engine() const { return impl_->engine; }
const DecisionCounts& PolicyController::decisions() const { return impl_->counts; }
const RecentDecisions& PolicyController::recent() const { return impl_->recent; }

PolicyReadings PolicyController::readings() const {
  const auto& engine = impl_->engine;
  PolicyReadings out{.counters = std::nullopt,
                     .decisions = impl_->counts,
                     .write_failures = engine.failures(),
                     .subjects = engine.plan().subjects(),
                     .identities = engine.plan().identities(),
                     .domain_addresses = impl_->domains->size(),
                     .domains_without_room = impl_->domains->without_room()};
  if (auto counters = engine.maps().counters()) out.counters = *counters;
  return out;
}

}  // namespace weft::policy
