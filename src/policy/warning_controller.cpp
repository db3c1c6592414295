#include "policy/warning_controller.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <string>
#include <utility>

#include "kube/client/events.h"
#include "kube/client/informer.h"
#include "policy/plan.h"
#include "policy/warning_text.h"

namespace weft::policy {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// A policy often comes right before the pods whose ports it names.
constexpr auto kSettle = 2s;
/// No node has this name: the plan is asked for warnings alone, and needs no verdicts.
constexpr const char* kNoNode = "-";

}  // namespace

struct WarningController::Impl : std::enable_shared_from_this<Impl> {
  explicit Impl(kube::Client& c)
      : client(c),
        pods(c),
        policies(c),
        cluster_policies(
            c, {.namespace_ = {}, .label_selector = {}, .field_selector = {}, .may_be_absent = true}),
        events(c, "weft-policy"),
        settle(c.io()) {}

  void start();
  void synced_one();
  void changed();
  void look();
  template <class T>
  void follow(kube::Informer<T>& informer);
  template <class T>
  void look_at(const kube::Informer<T>& informer);

  kube::Client& client;
  kube::Informer<kube::Pod> pods;
  kube::Informer<kube::NetworkPolicy> policies;
  kube::Informer<kube::ClusterNetworkPolicy> cluster_policies;
  kube::EventRecorder events;
  PolicyPlan plan{{.node = kNoNode}};
  std::map<std::string, std::string> told;  ///< what is wrong, by the policy's uid
  asio::steady_timer settle;
  int unsynced = 3;
  bool scheduled = false, stopped = false;
};

template <class T>
void WarningController::Impl::follow(kube::Informer<T>& informer) {
  auto run = [](std::shared_ptr<Impl>, kube::Informer<T>* watched) -> asio::awaitable<void> {
    co_await watched->run();
  };
  asio::co_spawn(client.io(), run(shared_from_this(), &informer), asio::detached);
}

void WarningController::Impl::start() {
  auto tell_plan = [this](const auto& before, const auto& after) {
    after ? plan.put(*after) : plan.erase(*before);
    if (before && (!after || after->metadata.uid != before->metadata.uid)) told.erase(before->metadata.uid);
    changed();
  };
  policies.on_change(tell_plan);
  cluster_policies.on_change(tell_plan);
  pods.on_change([this](const auto& before, const auto& after) {
    // The ports of a pod are the same as long as it is there.
    if (before && after && before->metadata.uid == after->metadata.uid &&
        before->status.phase == after->status.phase)
      return;
    after ? plan.put(*after) : plan.erase(*before);
    changed();
  });
  pods.on_synced([this] { synced_one(); });
  policies.on_synced([this] { synced_one(); });
  // Whichever comes first.
  auto once = [this, done = std::make_shared<bool>(false)] {
    if (!std::exchange(*done, true)) synced_one();
  };
  cluster_policies.on_synced(once);
  cluster_policies.on_not_served(once);
  follow(pods);
  follow(policies);
  follow(cluster_policies);
}

void WarningController::Impl::synced_one() {
  if (--unsynced == 0) changed();
}

void WarningController::Impl::changed() {
  if (unsynced > 0 || stopped || std::exchange(scheduled, true)) return;
  settle.expires_after(kSettle);
  settle.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (auto self = weak.lock(); self && !error) self->look();
  });
}

void WarningController::Impl::look() {
  scheduled = false;
  if (stopped) return;
  plan.take_changes();
  look_at(policies);
  look_at(cluster_policies);
}

template <class T>
void WarningController::Impl::look_at(const kube::Informer<T>& informer) {
  for (const auto& [key, policy] : informer.items()) {
    auto text = warning_text(plan.warnings(key));
    auto& before = told[policy->metadata.uid];
    if (text == before) continue;
    before = text;
    if (text.empty()) continue;
    events.record(kube::reference_to(kube::resource_of<T>(), policy->metadata),
                  kube::EventRecorder::Type::warning, "PolicyNotEnforceable", std::move(text));
  }
}

WarningController::WarningController(kube::Client& client) : impl_(std::make_shared<Impl>(client)) {}
WarningController::~WarningController() = default;
void WarningController::start() { impl_->start(); }
void WarningController::stop() {
  impl_->stopped = true;
  impl_->settle.cancel();
}

}  // namespace weft::policy
