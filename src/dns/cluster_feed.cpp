#include "dns/cluster_feed.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "kube/client/informer.h"
#include "kube/codec.h"
#include "kube/pod.h"

namespace weft::dns {
namespace {

// What is kept of an object, and what the zone is told of it: `kept` from the object, `before` from what was
// kept.

/// Name and namespace are all that has to be known of one that goes.
template <class T>
struct NameTraits {
  using Object = T;
  struct Kept {};
  static Kept kept(const Object&) { return {}; }
  static Object applied(Object object) { return object; }
  static Object before(const kube::ObjectMeta& meta, const Kept&) {
    Object out;
    out.metadata = meta;
    return out;
  }
};
using ServiceTraits = NameTraits<kube::Service>;
using NamespaceTraits = NameTraits<kube::Namespace>;

struct SliceTraits {
  using Object = kube::EndpointSlice;
  struct Kept {
    std::string service;
  };
  static constexpr const char* kLabel = "kubernetes.io/service-name";
  static Kept kept(const Object& object) {
    auto label = object.metadata.labels.find(kLabel);
    return {label == object.metadata.labels.end() ? std::string{} : label->second};
  }
  static Object applied(Object object) { return object; }
  static Object before(const kube::ObjectMeta& meta, const Kept& kept) {
    Object out;
    out.metadata = meta;
    if (!kept.service.empty()) out.metadata.labels[kLabel] = kept.service;
    return out;
  }
};

struct PodTraits {
  using Object = kube::Pod;
  using Kept = PodAddresses;
  static Kept kept(const Object& pod) {
    PodAddresses out{pod.metadata.namespace_, {}};
    // A pod on its way out gives its address back.
    if (pod.metadata.deletionTimestamp) return out;
    for (const auto& ip : pod.status.podIPs) {
      if (auto parsed = IpAddr::parse(ip.ip)) out.addresses.push_back(*parsed);
    }
    return out;
  }
  static PodAddresses applied(const Object& pod) { return kept(pod); }
  static PodAddresses before(const kube::ObjectMeta&, const Kept& kept) { return kept; }
};

template <class Traits>
class LeanFeed : public kube::Reflector {
 public:
  using Object = typename Traits::Object;

  LeanFeed(kube::Client& client, SharedZone& zone, Options options, std::function<void()> synced)
      : Reflector(client, kube::resource_of<Object>(), std::move(options)),
        zone_(zone),
        synced_(std::move(synced)) {}
  asio::awaitable<void> run() { return run_loop(); }
  size_t size() const { return held_.size(); }

 private:
  struct Held {
    std::string version;
    typename Traits::Kept kept;
  };

  void put(const json::value& value) override {
    auto object = kube::decode<Object>(value);
    if (!object) return log_undecodable(value, object.error());
    const kube::ObjectMeta& meta = object->metadata;
    auto [it, added] = held_.try_emplace(kube::object_key(meta));
    Held held{meta.resourceVersion, Traits::kept(*object)};
    const auto after = Traits::applied(std::move(*object));
    if (added) {
      apply<decltype(after)>(nullptr, &after);
    } else {
      const auto before = before_of(it->first, it->second);
      apply<decltype(after)>(&before, &after);
    }
    it->second = std::move(held);
  }

  void erase(const std::string& key) override {
    auto it = held_.find(key);
    if (it == held_.end()) return;
    const auto before = before_of(it->first, it->second);
    apply<decltype(before)>(&before, nullptr);
    held_.erase(it);
  }

  static auto before_of(const std::string& key, const Held& held) {
    kube::ObjectMeta meta;
    const size_t slash = key.find('/');
    if (slash != std::string::npos) meta.namespace_ = key.substr(0, slash);
    meta.name = slash == std::string::npos ? key : key.substr(slash + 1);
    return Traits::before(meta, held.kept);
  }

  template <class T>
  void apply(T* before, T* after) {
    zone_.write([&](Zone& zone) { zone.apply(before, after); });
  }

  std::string version_of(const std::string& key) const override {
    auto it = held_.find(key);
    return it == held_.end() ? std::string{} : it->second.version;
  }
  std::vector<std::string> keys() const override {
    std::vector<std::string> out;
    out.reserve(held_.size());
    for (const auto& [key, held] : held_) out.push_back(key);
    return out;
  }
  void on_list_complete() override {
    if (synced_) std::exchange(synced_, nullptr)();
  }
  void on_absent() override {}

  SharedZone& zone_;
  std::function<void()> synced_;  ///< until the first list is complete
  std::unordered_map<std::string, Held> held_;
};

}  // namespace

struct ClusterFeed::Impl {
  Impl(kube::Client& client_, SharedZone& shared) : client(client_), zone(shared) {
    zone.read([this](const Zone& z) { wanted = z.options(); });
    const bool verified = wanted.pods == PodRecords::verified;
    missing = verified ? 4 : 3;
    const auto one = [this] { list_complete(); };
    using Options = kube::Reflector::Options;
    services = std::make_unique<LeanFeed<ServiceTraits>>(client, zone, Options{}, one);
    slices = std::make_unique<LeanFeed<SliceTraits>>(client, zone, Options{}, one);
    namespaces = std::make_unique<LeanFeed<NamespaceTraits>>(client, zone, Options{}, one);
    if (verified) follow_pods(one);
  }

  void follow_pods(const std::function<void()>& known) {
    // The address of a pod that has ended may be another's by now.
    kube::Reflector::Options running{.field_selector = "status.phase!=Succeeded,status.phase!=Failed"};
    pods = std::make_unique<LeanFeed<PodTraits>>(client, zone, running, [this, known] {
      pods_known = true;
      known();
    });
  }

  void start(asio::io_context& on) {
    io = &on;
    asio::co_spawn(on, services->run(), asio::detached);
    asio::co_spawn(on, slices->run(), asio::detached);
    asio::co_spawn(on, namespaces->run(), asio::detached);
    if (pods) asio::co_spawn(on, pods->run(), asio::detached);
  }

  void configure(ZoneOptions options) {
    wanted = std::move(options);
    const bool verified = wanted.pods == PodRecords::verified;
    if (verified && !pods) {
      follow_pods([this] { give_options(); });
      if (io) asio::co_spawn(*io, pods->run(), asio::detached);
    }
    give_options();
  }

  void give_options() {
    zone.write([this](Zone& z) {
      auto options = wanted;
      if (options.pods == PodRecords::verified && !pods_known) options.pods = z.options().pods;
      if (options != z.options()) z.configure(std::move(options));
    });
  }

  void list_complete() {
    if (--missing > 0) return;
    zone.write([](Zone& z) { z.set_synced(); });
    if (synced) synced({services->size(), slices->size(), namespaces->size(), pods ? pods->size() : 0});
  }

  kube::Client& client;
  SharedZone& zone;
  asio::io_context* io = nullptr;  ///< once started
  ZoneOptions wanted;
  bool pods_known = false;
  int missing = 0;
  std::function<void(const Counts&)> synced;
  std::unique_ptr<LeanFeed<ServiceTraits>> services;
  std::unique_ptr<LeanFeed<SliceTraits>> slices;
  std::unique_ptr<LeanFeed<NamespaceTraits>> namespaces;
  std::unique_ptr<LeanFeed<PodTraits>> pods;
};

ClusterFeed::ClusterFeed(kube::Client& client, SharedZone& zone)
    : impl_(std::make_unique<Impl>(client, zone)) {}
ClusterFeed::~ClusterFeed() = default;

void ClusterFeed::on_synced(std::function<void(const Counts&)> handler) {
  impl_->synced = std::move(handler);
}

void ClusterFeed::start(asio::io_context& io) { impl_->start(io); }

void ClusterFeed::configure(ZoneOptions options) { impl_->configure(std::move(options)); }

}  // namespace weft::dns
