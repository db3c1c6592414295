#include "gateway/clients.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <utility>

#include "kube/client/informer.h"
#include "kube/pod.h"

namespace weft::gateway {
namespace {

/// Changes that come within this time are taken at once.
constexpr std::chrono::milliseconds kSettle{2};

/// The pods of a namespace, for as long as its run lasts.
struct Followed {
  Followed(kube::Client& client, const std::string& namespace_)
      : pods(client, {.namespace_ = namespace_, .label_selector = {}, .field_selector = {}}) {}
  kube::Informer<kube::Pod> pods;
  asio::cancellation_signal stop;
};

bool has_ended(const kube::Pod& pod) {
  return pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
}

void add(const kube::Pod& pod, ClientNamespaces& to) {
  if (pod.spec.hostNetwork || has_ended(pod)) return;
  for (const auto& one : pod.status.podIPs) {
    if (auto address = IpAddr::parse(one.ip)) to.insert_or_assign(*address, pod.metadata.namespace_);
  }
}

asio::awaitable<void> run(std::shared_ptr<Followed> followed) { co_await followed->pods.run(); }

}  // namespace

struct ClientFollower::Impl : std::enable_shared_from_this<Impl> {
  Impl(kube::Client& c, std::function<void()> f) : client(c), on_change(std::move(f)), settle(c.io()) {}

  void begin(const std::string& namespace_);
  void schedule();
  void take();

  kube::Client& client;
  std::function<void()> on_change;
  std::map<std::string, std::shared_ptr<Followed>> followed;
  std::shared_ptr<const ClientNamespaces> clients = std::make_shared<const ClientNamespaces>();
  asio::steady_timer settle;
  bool scheduled = false;
};

void ClientFollower::Impl::begin(const std::string& namespace_) {
  auto made = std::make_shared<Followed>(client, namespace_);
  made->pods.on_change([weak = weak_from_this()](const auto&, const auto&) {
    if (auto self = weak.lock()) self->schedule();
  });
  followed[namespace_] = made;
  asio::co_spawn(client.io(), run(made),
                 asio::bind_cancellation_slot(made->stop.slot(), [made](std::exception_ptr) {}));
}

void ClientFollower::Impl::schedule() {
  if (std::exchange(scheduled, true)) return;
  settle.expires_after(kSettle);
  settle.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (auto self = weak.lock(); self && !error) self->take();
  });
}

void ClientFollower::Impl::take() {
  scheduled = false;
  auto now = std::make_shared<ClientNamespaces>();
  for (const auto& [name, one] : followed) {
    for (const auto& [key, pod] : one->pods.items()) add(*pod, *now);
  }
  if (*now == *clients) return;
  clients = std::move(now);
  on_change();
}

ClientFollower::ClientFollower(kube::Client& client, std::function<void()> on_change)
    : impl_(std::make_shared<Impl>(client, std::move(on_change))) {}

ClientFollower::~ClientFollower() {
  follow({});
  impl_->settle.cancel();
}

void ClientFollower::follow(const std::set<std::string>& namespaces) {
  for (auto at = impl_->followed.begin(); at != impl_->followed.end();) {
    if (namespaces.contains(at->first)) {
      ++at;
      continue;
    }
    auto gone = std::move(at->second);
    at = impl_->followed.erase(at);
    gone->stop.emit(asio::cancellation_type::terminal);
    impl_->schedule();
  }
  for (const auto& name : namespaces) {
    if (!impl_->followed.contains(name)) impl_->begin(name);
  }
}

const std::shared_ptr<const ClientNamespaces>& ClientFollower::clients() const { return impl_->clients; }

}  // namespace weft::gateway
