#include "gateway/infrastructure_controller.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <set>

#include "gateway/presence.h"
#include "gateway/presence_engine.h"
#include "kube/client/informer.h"
#include "kube/client/work_queue.h"
#include "kube/codec.h"

namespace weft::gateway {

using asio::awaitable;
using kube::object_key;

namespace {

/// What has our name at this label.
kube::Reflector::Options ours(const char* label) {
  return {.namespace_ = {},
          .label_selector = fmt::format("{}={}", label, kInfrastructureManager),
          .field_selector = {}};
}

}  // namespace

struct InfrastructureController::Impl : std::enable_shared_from_this<Impl> {
  explicit Impl(kube::Client& c)
      : client(c),
        services(c, ours("app.kubernetes.io/managed-by")),
        slices(c, ours("endpointslice.kubernetes.io/managed-by")),
        nodes(c),
        proxies(c, kPresenceNamespace,
                {.on_synced = [this] { synced(); }, .on_change = [this] { add_all(); }}) {}

  void start();
  void wire();
  template <class T>
  void follow(kube::Informer<T>& informer);
  void synced();
  void add_all();

  awaitable<bool> work(std::string gateway);
  awaitable<Expected<void>> keep(Entrance entrance);
  awaitable<Expected<void>> keep_slices(Entrance entrance, std::string service_uid, BindPorts ports);
  awaitable<Expected<void>> remove(std::string gateway);
  template <class T>
  awaitable<Expected<void>> apply(const std::shared_ptr<const T>& actual, json::object wanted);
  template <class T>
  awaitable<Expected<void>> erase(std::shared_ptr<const T> object);

  kube::Client& client;
  kube::Informer<kube::Service> services;
  kube::Informer<kube::EndpointSlice> slices;
  kube::Informer<kube::Node> nodes;
  PresenceWatch proxies;
  std::map<std::string, Entrance> wanted;                   ///< by "namespace/name" of the Gateway
  std::map<std::string, std::set<std::string>> by_gateway;  ///< keys of Services
  BindPortTable ports;
  std::unique_ptr<kube::WorkQueue> queue;
  Counters counters;
  int missing = 5;  ///< the four lists, and complete()
};

/// Writes what is not so yet.
template <class T>
awaitable<Expected<void>> InfrastructureController::Impl::apply(const std::shared_ptr<const T>& actual,
                                                                json::object wanted_fields) {
  if (actual && has_all(kube::encode(*actual), wanted_fields)) co_return Expected<void>{};
  const auto& meta = wanted_fields.at("metadata").as_object();
  std::string ns(meta.at("namespace").as_string());
  std::string name(meta.at("name").as_string());
  WEFT_CO_CHECK(co_await client.apply(kube::resource_of<T>(), ns, name, std::move(wanted_fields),
                                      kInfrastructureManager));
  ++counters.written;
  co_return Expected<void>{};
}

template <class T>
awaitable<Expected<void>> InfrastructureController::Impl::erase(std::shared_ptr<const T> object) {
  const auto& meta = object->metadata;
  json::value options{{"preconditions", {{"uid", meta.uid}}}};
  auto answer =
      co_await client.remove(kube::resource_of<T>(), meta.namespace_, meta.name, std::move(options));
  if (!answer && answer.error().code != ErrorCode::not_found) co_return std::unexpected(answer.error());
  ++counters.written;
  co_return Expected<void>{};
}

awaitable<Expected<void>> InfrastructureController::Impl::keep(Entrance entrance) {
  if (entrance.ports.empty()) co_return co_await remove(entrance.key());
  WEFT_CO_TRY(auto bind_ports, ports.assign(entrance.key(), entrance.ports));
  auto name = object_key(entrance.namespace_, service_name(entrance));
  WEFT_CO_CHECK(co_await apply(services.get(name), entrance_service(entrance, bind_ports)));
  // Of a new one the watch tells, and then its slices are made.
  if (auto service = services.get(name))
    co_return co_await keep_slices(std::move(entrance), service->metadata.uid, std::move(bind_ports));
  co_return Expected<void>{};
}

awaitable<Expected<void>> InfrastructureController::Impl::keep_slices(Entrance entrance,
                                                                      std::string service_uid,
                                                                      BindPorts bind_ports) {
  std::map<std::string, const kube::Node*> by_name;
  for (const auto& [key, node] : nodes.items()) {
    if (proxies.serves(key)) by_name[key] = node.get();
  }
  std::set<std::string> kept;
  for (auto& slice : entrance_slices(entrance, service_uid, bind_ports, by_name)) {
    auto key = object_key(entrance.namespace_, slice.at("metadata").at("name").as_string().c_str());
    kept.insert(key);
    WEFT_CO_CHECK(co_await apply(slices.get(key), std::move(slice)));
  }
  auto service = object_key(entrance.namespace_, service_name(entrance));
  for (const auto& slice : slices.by_index("service", service)) {
    if (!kept.contains(object_key(slice->metadata))) WEFT_CO_CHECK(co_await erase(slice));
  }
  co_return Expected<void>{};
}

/// The slices go with their Service.
awaitable<Expected<void>> InfrastructureController::Impl::remove(std::string gateway) {
  auto at = by_gateway.find(gateway);
  if (at == by_gateway.end()) co_return Expected<void>{};
  for (const auto& key : std::set<std::string>(at->second)) {
    if (auto service = services.get(key)) WEFT_CO_CHECK(co_await erase(service));
  }
  co_return Expected<void>{};
}

awaitable<bool> InfrastructureController::Impl::work(std::string gateway) {
  auto at = wanted.find(gateway);
  auto done = at == wanted.end() ? co_await remove(gateway) : co_await keep(at->second);
  if (done) co_return true;
  ++counters.failed;
  // A namespace that is going takes the Gateway with it.
  if (done.error().code == ErrorCode::forbidden) co_return true;
  if (done.error().code != ErrorCode::conflict && done.error().code != ErrorCode::not_found)
    spdlog::warn("Gateway {}: {}", gateway, done.error().message);
  co_return false;
}

void InfrastructureController::Impl::add_all() {
  for (const auto& [gateway, entrance] : wanted) queue->add(gateway);
}

void InfrastructureController::Impl::wire() {
  services.on_change([this](const auto& before, const auto& after) {
    const auto& service = after ? *after : *before;
    auto gateway = gateway_of(service);
    if (!gateway) return;
    auto key = object_key(service.metadata);
    if (after) {
      by_gateway[*gateway].insert(key);
      ports.put(*gateway, infrastructure_of(service).bind_ports);
    } else {
      by_gateway[*gateway].erase(key);
      if (!wanted.contains(*gateway)) ports.erase(*gateway);
    }
    queue->add(*gateway);
  });
  slices.add_index("service", [](const kube::EndpointSlice& slice) -> std::vector<std::string> {
    auto name = slice.metadata.labels.find("kubernetes.io/service-name");
    if (name == slice.metadata.labels.end()) return {};
    return {object_key(slice.metadata.namespace_, name->second)};
  });
  slices.on_change([this](const auto& before, const auto& after) {
    const auto& meta = (after ? after : before)->metadata;
    auto name = meta.labels.find("kubernetes.io/service-name");
    if (name == meta.labels.end()) return;
    auto service = services.get(object_key(meta.namespace_, name->second));
    auto gateway = service ? gateway_of(*service) : std::nullopt;
    if (gateway) queue->add(*gateway);
  });
  nodes.on_change([this](const auto& before, const auto& after) {
    if (!before || !after || !serves_alike(*before, *after)) add_all();
  });
}

void InfrastructureController::Impl::synced() {
  if (--missing > 0) return;
  add_all();
  for (const auto& [gateway, keys] : by_gateway) queue->add(gateway);
  queue->start();
}

template <class T>
void InfrastructureController::Impl::follow(kube::Informer<T>& informer) {
  informer.on_synced([this] { synced(); });
  auto run = [](std::shared_ptr<Impl>, kube::Informer<T>* watched) -> awaitable<void> {
    co_await watched->run();
  };
  asio::co_spawn(client.io(), run(shared_from_this(), &informer), asio::detached);
}

void InfrastructureController::Impl::start() {
  auto turn = [weak = weak_from_this()](std::string gateway) -> awaitable<bool> {
    auto self = weak.lock();
    if (!self) co_return true;
    co_return co_await self->work(std::move(gateway));
  };
  queue =
      std::make_unique<kube::WorkQueue>(client.io(), std::move(turn), kube::WorkQueue::Options{.at_once = 8});
  wire();
  follow(services);
  follow(slices);
  follow(nodes);
  proxies.start();
}

InfrastructureController::InfrastructureController(kube::Client& client)
    : impl_(std::make_shared<Impl>(client)) {}
InfrastructureController::~InfrastructureController() = default;
void InfrastructureController::start() { impl_->start(); }
void InfrastructureController::want(const Entrance& entrance) {
  auto& held = impl_->wanted[entrance.key()];
  if (held == entrance) return;
  held = entrance;
  impl_->queue->add(entrance.key());
}
void InfrastructureController::unwant(const std::string& gateway) {
  if (impl_->wanted.erase(gateway) > 0) impl_->queue->add(gateway);
}
void InfrastructureController::complete() { impl_->synced(); }
void InfrastructureController::stop() {
  impl_->proxies.stop();
  if (impl_->queue) impl_->queue->stop();
}
bool InfrastructureController::idle() const { return !impl_->queue || impl_->queue->idle(); }
InfrastructureController::Counters InfrastructureController::counters() const { return impl_->counters; }

}  // namespace weft::gateway
