#include "gateway/infrastructure_controller.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <set>

#include "gateway/mesh.h"
#include "gateway/mesh_slices.h"
#include "gateway/names.h"
#include "gateway/presence.h"
#include "gateway/presence_engine.h"
#include "kube/client/informer.h"
#include "kube/client/work_queue.h"
#include "kube/codec.h"

namespace weft::gateway {

using asio::awaitable;
using kube::object_key;

namespace {

using Clock = std::chrono::steady_clock;
/// How long proxies and agents have to hear of a new slice of the mesh before connections follow it.
constexpr std::chrono::milliseconds kMeshBegins{250};
/// How long one that nobody follows any more stays: until proxies have ended the connections that are idle.
constexpr std::chrono::milliseconds kMeshEnds{3000};

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
  awaitable<Expected<void>> keep_mesh(Entrance entrance);
  std::map<std::string, const kube::Node*> serving_nodes() const;
  awaitable<Expected<void>> step_mesh(std::string key, std::vector<json::object> wanted_slices);
  awaitable<Expected<bool>> step_to(std::string key, json::object wanted_slice);
  awaitable<Expected<bool>> withdraw(std::shared_ptr<const kube::EndpointSlice> slice);
  bool rests(const std::string& slice, std::chrono::milliseconds time) const;
  void take_mesh_ports();
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
  std::map<std::string, Clock::time_point> emptied_at;  ///< slices of the mesh that we made empty
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
  if (!entrance.service_ports.empty()) co_return co_await keep_mesh(std::move(entrance));
  if (entrance.ports.empty()) co_return co_await remove(entrance.key());
  WEFT_CO_TRY(auto bind_ports, ports.assign(entrance.key(), entrance.ports));
  auto name = object_key(entrance.namespace_, service_name(entrance));
  WEFT_CO_CHECK(co_await apply(services.get(name), entrance_service(entrance, bind_ports)));
  // Of a new one the watch tells, and then its slices are made.
  if (auto service = services.get(name))
    co_return co_await keep_slices(std::move(entrance), service->metadata.uid, std::move(bind_ports));
  co_return Expected<void>{};
}

/// Those whose proxies serve.
std::map<std::string, const kube::Node*> InfrastructureController::Impl::serving_nodes() const {
  std::map<std::string, const kube::Node*> out;
  for (const auto& [key, node] : nodes.items()) {
    if (proxies.serves(key)) out[key] = node.get();
  }
  return out;
}

awaitable<Expected<void>> InfrastructureController::Impl::keep_slices(Entrance entrance,
                                                                      std::string service_uid,
                                                                      BindPorts bind_ports) {
  std::set<std::string> kept;
  for (auto& slice : entrance_slices(entrance, service_uid, bind_ports, serving_nodes())) {
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

awaitable<Expected<void>> InfrastructureController::Impl::keep_mesh(Entrance entrance) {
  WEFT_CO_TRY(auto bind_ports, ports.assign(entrance.key(), entrance.ports));
  co_return co_await step_mesh(entrance.key(), mesh_slices(entrance, bind_ports, serving_nodes()));
}

/// Whether the slice was made empty so lately that not everybody may have heard of it.
bool InfrastructureController::Impl::rests(const std::string& slice, std::chrono::milliseconds time) const {
  auto at = emptied_at.find(slice);
  return at != emptied_at.end() && Clock::now() < at->second + time;
}

/// True: there is another step to take.
awaitable<Expected<bool>> InfrastructureController::Impl::step_to(std::string key,
                                                                  json::object wanted_slice) {
  auto actual = slices.get(key);
  if (!actual) {
    wanted_slice["endpoints"] = json::array();
    WEFT_CO_CHECK(co_await apply(actual, std::move(wanted_slice)));
    emptied_at[key] = Clock::now();
    co_return true;
  }
  if (rests(key, kMeshBegins)) co_return true;
  WEFT_CO_CHECK(co_await apply(actual, std::move(wanted_slice)));
  emptied_at.erase(key);
  co_return false;
}

/// True: there is another step to take.
awaitable<Expected<bool>> InfrastructureController::Impl::withdraw(
    std::shared_ptr<const kube::EndpointSlice> slice) {
  auto key = object_key(slice->metadata);
  if (!slice->endpoints.empty()) {
    WEFT_CO_CHECK(co_await apply(slice, emptied(*slice)));
    emptied_at[key] = Clock::now();
    co_return true;
  }
  if (rests(key, kMeshEnds)) co_return true;
  WEFT_CO_CHECK(co_await erase(slice));
  emptied_at.erase(key);
  co_return false;
}

awaitable<Expected<void>> InfrastructureController::Impl::step_mesh(std::string mesh,
                                                                    std::vector<json::object> wanted_slices) {
  std::set<std::string> kept;
  bool goes_on = false;
  for (auto& slice : wanted_slices) {
    const auto& meta = slice.at("metadata").as_object();
    auto key = object_key(meta.at("namespace").as_string().c_str(), meta.at("name").as_string().c_str());
    kept.insert(key);
    WEFT_CO_TRY(bool more, co_await step_to(key, std::move(slice)));
    goes_on = goes_on || more;
  }
  for (const auto& slice : slices.by_index("mesh", mesh)) {
    if (kept.contains(object_key(slice->metadata))) continue;
    WEFT_CO_TRY(bool more, co_await withdraw(slice));
    goes_on = goes_on || more;
  }
  if (goes_on) queue->add_after(mesh, kMeshBegins);
  co_return Expected<void>{};
}

/// The slices go with their Service.
awaitable<Expected<void>> InfrastructureController::Impl::remove(std::string gateway) {
  if (meshed_service(gateway)) {
    WEFT_CO_CHECK(co_await step_mesh(gateway, {}));
    if (slices.count_by_index("mesh", gateway) == 0 && !wanted.contains(gateway)) ports.erase(gateway);
    co_return Expected<void>{};
  }
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
    spdlog::warn("{}{}: {}", meshed_service(gateway) ? "" : "Gateway ", gateway, done.error().message);
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
  slices.add_index("mesh", [](const kube::EndpointSlice& slice) -> std::vector<std::string> {
    auto mesh = mesh_of(slice);
    return mesh.empty() ? std::vector<std::string>() : std::vector{std::move(mesh)};
  });
  slices.on_change([this](const auto& before, const auto& after) {
    const auto& meta = (after ? after : before)->metadata;
    if (auto mesh = mesh_of(after ? *after : *before); !mesh.empty()) return queue->add(mesh);
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

/// Notes the ports that Services have already, of this process's predecessor.
void InfrastructureController::Impl::take_mesh_ports() {
  std::map<std::string, BindPorts> found;
  for (const auto& [key, slice] : slices.items()) {
    auto mesh = mesh_of(*slice);
    auto port = mesh_port(*slice);
    if (mesh.empty()) continue;
    if (port) found[mesh].insert(*port);
    queue->add(mesh);
  }
  for (const auto& [mesh, bind_ports] : found) ports.put(mesh, bind_ports);
}

void InfrastructureController::Impl::synced() {
  if (--missing > 0) return;
  take_mesh_ports();
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
