#include "gateway/follower.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "kube/client/informer.h"

namespace weft::gateway {
namespace {

/// Of the API server itself: always served.
template <class T>
constexpr bool kAlwaysServed = std::is_same_v<T, kube::Service> || std::is_same_v<T, kube::EndpointSlice> ||
                               std::is_same_v<T, kube::Secret> || std::is_same_v<T, kube::ConfigMap> ||
                               std::is_same_v<T, kube::Namespace> || std::is_same_v<T, kube::Ingress> ||
                               std::is_same_v<T, kube::IngressClass>;

template <class T>
constexpr bool kHasStatusOfOurs =
    !kAlwaysServed<T> ? !std::is_same_v<T, kube::ReferenceGrant> : std::is_same_v<T, kube::Ingress>;

/// An informer that reads no more than the plan needs.
template <class T>
struct Watched : kube::Informer<T> {
  explicit Watched(kube::Client& client)
      : kube::Informer<T>(client,
                          {.namespace_ = {},
                           .label_selector = {},
                           .field_selector = std::is_same_v<T, kube::Secret> ? "type=kubernetes.io/tls" : "",
                           .may_be_absent = !kAlwaysServed<T>}) {}
};

}  // namespace

struct Follower::Impl : std::enable_shared_from_this<Impl> {
  template <class... T>
  using Informers = std::tuple<Watched<T>...>;
  using All = Informers<kube::GatewayClass, kube::Gateway, kube::ListenerSet, kube::HTTPRoute,
                        kube::GRPCRoute, kube::TLSRoute, kube::TCPRoute, kube::UDPRoute, kube::ReferenceGrant,
                        kube::BackendTLSPolicy, kube::Service, kube::EndpointSlice, kube::Secret,
                        kube::ConfigMap, kube::Namespace, kube::Ingress, kube::IngressClass, kube::XMesh>;

  template <size_t... I>
  Impl(kube::Client& c, Options o, std::index_sequence<I...>)
      : client(c), options(std::move(o)), informers{((void)I, c)...}, plan(options.parents), settle(c.io()) {}
  Impl(kube::Client& c, Options o)
      : Impl(c, std::move(o), std::make_index_sequence<std::tuple_size_v<All>>{}) {}

  template <class T>
  void follow(Watched<T>& informer);
  template <class T>
  void changed(const Ptr<T>& before, const Ptr<T>& after);
  void synced_one();
  void schedule();
  void take();

  kube::Client& client;
  Options options;
  All informers;
  GatewayPlan plan;
  asio::steady_timer settle;
  size_t unsynced = std::tuple_size_v<All>;
  bool scheduled = false;
  bool stopped = false;
  bool told = false;  ///< on_changes was called
};

template <class T>
void Follower::Impl::changed(const Ptr<T>& before, const Ptr<T>& after) {
  if constexpr (std::is_same_v<T, kube::Service>) {
    auto was = before ? gateway_of(*before) : std::nullopt;
    auto is = after ? gateway_of(*after) : std::nullopt;
    if (was && was != is) plan.put_infrastructure(*was, std::nullopt);
    if (is) plan.put_infrastructure(*is, infrastructure_of(*after));
  }
  plan.apply<T>(before, after);
  if constexpr (kHasStatusOfOurs<T>) {
    if (after && options.on_object && unsynced == 0 && !stopped)
      options.on_object({kube::resource_of<T>().kind, kube::object_key(after->metadata)});
  }
  schedule();
}

template <class T>
void Follower::Impl::follow(Watched<T>& informer) {
  informer.on_change([this](const Ptr<T>& before, const Ptr<T>& after) { changed(before, after); });
  // Whichever comes first.
  auto once = [this, done = std::make_shared<bool>(false)] {
    if (!std::exchange(*done, true)) synced_one();
  };
  informer.on_synced(once);
  informer.on_not_served(once);
  auto run = [](std::shared_ptr<Impl>, kube::Informer<T>* watched) -> asio::awaitable<void> {
    co_await watched->run();
  };
  asio::co_spawn(client.io(), run(shared_from_this(), &informer), asio::detached);
}

void Follower::Impl::synced_one() {
  if (--unsynced == 0) schedule();
}

void Follower::Impl::schedule() {
  if (unsynced > 0 || stopped || std::exchange(scheduled, true)) return;
  settle.expires_after(options.settle);
  settle.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (auto self = weak.lock(); self && !error) self->take();
  });
}

void Follower::Impl::take() {
  scheduled = false;
  if (stopped) return;
  auto changes = plan.take_changes();
  const bool first = !std::exchange(told, true);
  if ((first || !changes.empty()) && options.on_changes) options.on_changes(changes);
}

Follower::Follower(kube::Client& client, Options options)
    : impl_(std::make_shared<Impl>(client, std::move(options))) {}
Follower::~Follower() { stop(); }
void Follower::start() {
  std::apply([this](auto&... informer) { (impl_->follow(informer), ...); }, impl_->informers);
}
void Follower::stop() {
  impl_->stopped = true;
  impl_->settle.cancel();
}
bool Follower::synced() const { return impl_->unsynced == 0; }
const GatewayPlan& Follower::plan() const { return impl_->plan; }

template <class T>
Ptr<T> Follower::get(const std::string& key) const {
  return std::get<Watched<T>>(impl_->informers).get(key);
}
template Ptr<kube::GatewayClass> Follower::get(const std::string&) const;
template Ptr<kube::Gateway> Follower::get(const std::string&) const;
template Ptr<kube::ListenerSet> Follower::get(const std::string&) const;
template Ptr<kube::HTTPRoute> Follower::get(const std::string&) const;
template Ptr<kube::GRPCRoute> Follower::get(const std::string&) const;
template Ptr<kube::TLSRoute> Follower::get(const std::string&) const;
template Ptr<kube::TCPRoute> Follower::get(const std::string&) const;
template Ptr<kube::UDPRoute> Follower::get(const std::string&) const;
template Ptr<kube::BackendTLSPolicy> Follower::get(const std::string&) const;
template Ptr<kube::Ingress> Follower::get(const std::string&) const;
template Ptr<kube::XMesh> Follower::get(const std::string&) const;

}  // namespace weft::gateway
