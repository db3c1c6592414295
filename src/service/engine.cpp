#include "service/engine.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/netns.h"
#include "datapath/udp_destroy.h"
#include "service/image.h"
#include "service/maglev.h"
#include "service/stale_udp.h"

namespace weft::service {
namespace {

/// Which of a Service's sets: stays the same whatever else of the Service changes.
struct SetName {
  std::string port;
  Protocol protocol = Protocol::tcp;
  bool v6 = false;
  Scope scope = Scope::cluster;
  bool operator==(const SetName&) const = default;
};

/// Whose policy is Local while all usable endpoints are elsewhere.
struct NoLocal {
  bool internal = false;
  bool external = false;
};

/// What the kernel has for one Service.
struct Placement {
  std::vector<std::pair<SetName, uint32_t>> sets;
  std::vector<weft_frontend_key> frontends;
  size_t serving_udp = 0;  ///< a hash over the UDP endpoints that serve, and how many do not; 0: none
  NoLocal no_local;

  bool has(uint32_t set) const {
    return std::any_of(sets.begin(), sets.end(), [&](const auto& known) { return known.second == set; });
  }
  const uint32_t* find(const SetName& name) const {
    for (const auto& [known, id] : sets) {
      if (known == name) return &id;
    }
    return nullptr;
  }
};

Address address_of(const Backend& backend) {
  Address address{.addr = backend.addr.mapped(), .port = htons(backend.port)};
  if (backend.terminating) address.flags |= WEFT_BACKEND_TERMINATING;
  if (backend.local) address.flags |= WEFT_BACKEND_LOCAL;
  return address;
}

weft_frontend_key key_of(const Frontend& frontend) {
  return frontend_key(frontend.addr, frontend.port, static_cast<uint8_t>(frontend.protocol));
}

SetName name_of(const kube::Service& service, const BackendSet& set, Protocol protocol) {
  return {service.spec.ports[set.port].name, protocol, set.v6, set.scope};
}

/// What a Service's new state needs in the kernel.
struct Need {
  std::vector<Image::SetChange> changes;
  std::vector<std::pair<uint32_t, std::vector<uint16_t>>> maglev;  ///< by set
  std::vector<std::pair<weft_frontend_key, weft_frontend>> frontends;
  std::vector<std::pair<weft_frontend_key, std::vector<IpPrefix>>> sources;
  size_t new_frontends = 0, new_slots = 0, new_backends = 0;
};

/// A set of a plan, as it is to be in the kernel.
struct Numbered {
  uint32_t number = 0;  ///< 0: not needed
  uint32_t size = 0;
  uint32_t maglev = 0;  ///< size of its table; 0: none
};

weft_frontend frontend_value(const Frontend& frontend, const Numbered& set, const Numbered& edge) {
  weft_frontend value{};
  value.set = set.number;
  value.count = set.size;
  value.flags = frontend.when_empty == WhenEmpty::drop ? WEFT_FRONTEND_DROP : 0;
  value.affinity_seconds = frontend.affinity_seconds;
  value.edge_set = edge.number;
  value.edge_count = edge.size;
  value.maglev_size = edge.maglev;
  value.edge_flags = frontend.edge_when_empty == WhenEmpty::drop ? WEFT_FRONTEND_DROP : 0;
  if (frontend.sources) value.edge_flags |= WEFT_FRONTEND_SOURCES;
  return value;
}

/// Which of a frontend's two sets a plan's set is, as the kernel has it; 0 if neither.
uint32_t set_there(const Frontend& frontend, uint32_t set, const weft_frontend& there) {
  if (frontend.set == set) return there.set;
  return frontend.edge_set == set ? there.edge_set : 0;
}

std::vector<uint16_t> maglev_over(const std::vector<Image::Slot>& slots) {
  std::vector<MaglevBackend> backends;
  backends.reserve(slots.size());
  for (const auto& slot : slots) backends.push_back({slot.address.addr, slot.address.port});
  return maglev_table(backends);
}

/// Clients come to these addresses by any node.
std::vector<bool> sets_for_any_node(const ServicePlan& plan) {
  std::vector<bool> out(plan.sets.size());
  for (const auto& frontend : plan.frontends) {
    if (frontend.kind != FrontendKind::cluster_ip) out[frontend.edge_set] = true;
  }
  return out;
}

/// Independent of the order, as slices come in any.
size_t hash_of_serving_udp(const ServicePlan& plan) {
  size_t hash = 0;
  for (const auto& frontend : plan.frontends) {
    if (frontend.protocol != Protocol::udp) continue;
    const auto& set = plan.sets[frontend.set];
    for (const auto* list : {&set.backends, &set.still_serving}) {
      for (const auto& backend : *list) {
        hash += std::hash<IpAddr>{}(backend.addr) * 31 + std::hash<uint32_t>{}(backend.port) * 1'000'003 +
                frontend.set;
      }
    }
    // Sockets of one that is not ready have time until it is gone.
    hash += set.excluded.size() * 7'368'787;
  }
  return hash;
}

NoLocal no_local(const ServicePlan& plan) {
  auto lacks = [](const BackendSet& set) {
    return set.scope == Scope::local && set.backends.empty() && set.any_usable;
  };
  NoLocal out;
  for (const auto& frontend : plan.frontends) {
    if (!lacks(plan.sets[frontend.edge_set])) continue;
    (frontend.kind == FrontendKind::cluster_ip ? out.internal : out.external) = true;
  }
  return out;
}

/// Slices of Services that this proxy ignores need not be kept.
std::string owner_of(const SlicePtr& slice) {
  if (!slice) return {};
  const auto& labels = slice->metadata.labels;
  if (labels.contains("service.kubernetes.io/headless")) return {};
  if (labels.contains("service.kubernetes.io/service-proxy-name")) return {};
  return service_of(*slice);
}

std::string key_of(const kube::Service& service) {
  return service.metadata.namespace_ + "/" + service.metadata.name;
}

}  // namespace

struct ServiceEngine::Impl {
  struct Entry {
    ServicePtr service;
    std::vector<SlicePtr> slices;  ///< by name
    Placement placed;
    std::vector<std::string> problems;  ///< as logged last
  };

  Options options;
  datapath::ServiceSocket socket;
  Image image;
  Observer observer;
  bool ready = false;        ///< `synced` was called
  bool all_differs = false;  ///< a write failed: nothing about the kernel is certain until it is read again
  std::unordered_map<std::string, Entry> entries;
  std::unordered_map<weft_frontend_key, std::string> owners;  ///< of programmed frontends
  std::unordered_set<uint32_t> taken_sets;
  std::map<std::string, Error> failing;
  StaleUdp stale_udp;
  uint64_t destroyed_udp_sockets = 0;
  uint64_t writes_before = 0;  ///< by images that were loaded again

  Expected<void> tell_node();
  void changed(const std::string& key);
  Expected<void> synchronize();
  Expected<void> compare_all();
  Expected<void> stage(const std::string& key, Entry& entry);
  uint32_t set_id(const Entry& entry, const ServicePlan& plan, uint32_t set, const Placement& next,
                  const SetName& name);
  void adopt(const std::string& key, Entry& entry);
  void stage_removals(Entry& entry, const Placement& next);
  void note(const std::string& key, Expected<void> outcome);
  void log_problems(const std::string& key, Entry& entry, std::vector<std::string> problems);
  void commit();
  void retry_failing();
  void stage_leftovers();
  void end_stale_udp_sockets();
  StaleUdp::Backend backend_of(const weft_peer& peer,
                               std::unordered_map<std::string, ServicePlan>& plans) const;
};

/// The number of a plan's set: the one it has, else the one an earlier engine gave it (known by its
/// frontends), else a new one.
uint32_t ServiceEngine::Impl::set_id(const Entry& entry, const ServicePlan& plan, uint32_t set,
                                     const Placement& next, const SetName& name) {
  if (const uint32_t* known = entry.placed.find(name)) return *known;
  for (const auto& frontend : plan.frontends) {
    const auto* there = image.frontend(key_of(frontend));
    uint32_t number = there ? set_there(frontend, set, *there) : 0;
    if (number != 0 && !taken_sets.contains(number) && !next.has(number)) return number;
  }
  return image.new_set();
}

/// Takes over what an earlier engine programmed for a Service whose plan cannot be programmed now: its last
/// good state, which must not be mistaken for a leftover.
void ServiceEngine::Impl::adopt(const std::string& key, Entry& entry) {
  if (!entry.service || !entry.placed.frontends.empty()) return;
  auto plan = plan_service(*entry.service, entry.slices, options.node);
  for (const auto& frontend : plan.frontends) {
    auto where = key_of(frontend);
    const auto* there = image.frontend(where);
    if (!there || owners.contains(where)) continue;
    owners[where] = key;
    entry.placed.frontends.push_back(where);
    for (auto [set, number] :
         {std::pair(frontend.set, there->set), std::pair(frontend.edge_set, there->edge_set)}) {
      if (!taken_sets.insert(number).second) continue;
      entry.placed.sets.emplace_back(name_of(*entry.service, plan.sets[set], frontend.protocol), number);
    }
  }
  for (const auto& addr : plan.addresses) {
    auto where = frontend_key(addr, 0, 0);
    if (!image.frontend(where) || !owners.try_emplace(where, key).second) continue;
    entry.placed.frontends.push_back(where);
  }
}

/// Stages all writes that bring one Service to its plan, or none.
Expected<void> ServiceEngine::Impl::stage(const std::string& key, Entry& entry) {
  ServicePlan plan;
  if (entry.service) plan = plan_service(*entry.service, entry.slices, options.node);
  Placement next;
  next.serving_udp = hash_of_serving_udp(plan);
  next.no_local = no_local(plan);
  Need need;
  std::vector<Numbered> sets(plan.sets.size());
  auto add = [&](const weft_frontend_key& where, const weft_frontend& value) {
    next.frontends.push_back(where);
    need.new_frontends += image.frontend(where) == nullptr;
    need.frontends.emplace_back(where, value);
  };
  auto for_any_node = sets_for_any_node(plan);
  auto placed = [&](uint32_t index, Protocol protocol) -> const Numbered& {
    auto& [number, size, maglev] = sets[index];
    if (number != 0) return sets[index];
    auto name = name_of(*entry.service, plan.sets[index], protocol);
    number = set_id(entry, plan, index, next, name);
    std::vector<Address> desired;
    for (const auto& backend : plan.sets[index].backends) desired.push_back(address_of(backend));
    size = static_cast<uint32_t>(desired.size());
    auto change = image.difference(number, desired);
    need.new_slots += change.new_slots;
    need.new_backends += change.new_backends;
    auto table = for_any_node[index] ? maglev_over(change.slots) : std::vector<uint16_t>();
    size_t others = 0;
    for (const auto& [other, staged] : need.maglev) others += staged.size();
    if (!image.has_room_for_maglev(number, table.size(), others)) {
      plan.problems.push_back(
          fmt::format("spec.ports[{}]: a table by which all nodes choose alike, as BPF map maglev is full",
                      plan.sets[index].port));
      table.clear();
    }
    maglev = static_cast<uint32_t>(table.size());
    need.maglev.emplace_back(number, std::move(table));
    need.changes.push_back(std::move(change));
    next.sets.emplace_back(std::move(name), number);
    return sets[index];
  };
  for (const auto& frontend : plan.frontends) {
    auto where = key_of(frontend);
    if (auto owner = owners.find(where); owner != owners.end() && owner->second != key) {
      auto problem =
          fmt::format("{}: {} port {}/{} belongs to Service {} already", why(*entry.service, frontend),
                      frontend.addr.str(), frontend.port, service::name_of(frontend.protocol), owner->second);
      if (frontend.kind == FrontendKind::cluster_ip) return fail(ErrorCode::conflict, std::move(problem));
      // Who asks for an address that somebody else has keeps those of his own.
      plan.problems.push_back(std::move(problem));
      continue;
    }
    need.sources.emplace_back(where, frontend.sources.value_or(std::vector<IpPrefix>()));
    auto inside = placed(frontend.set, frontend.protocol);
    add(where, frontend_value(frontend, inside, placed(frontend.edge_set, frontend.protocol)));
  }
  for (const auto& addr : plan.addresses) add(frontend_key(addr, 0, 0), {.flags = WEFT_FRONTEND_ADDRESS});
  WEFT_CHECK(image.require_room(need.new_frontends, need.new_slots, need.new_backends));
  log_problems(key, entry, std::move(plan.problems));

  for (auto& change : need.changes) image.stage(std::move(change));
  for (const auto& [set, table] : need.maglev) image.stage_maglev(set, table);
  for (const auto& [where, ranges] : need.sources) image.stage_sources(where, ranges);
  for (const auto& [where, value] : need.frontends) {
    image.stage_frontend(where, value);
    owners[where] = key;
  }
  for (const auto& [name, number] : next.sets) taken_sets.insert(number);
  stage_removals(entry, next);
  entry.placed = std::move(next);
  return {};
}

/// What the Service had and has no more.
void ServiceEngine::Impl::stage_removals(Entry& entry, const Placement& next) {
  for (const auto& where : entry.placed.frontends) {
    if (std::find(next.frontends.begin(), next.frontends.end(), where) != next.frontends.end()) continue;
    image.stage_frontend_removal(where);
    owners.erase(where);
  }
  for (const auto& [name, number] : entry.placed.sets) {
    if (next.find(name)) continue;
    image.stage_set_removal(number);
    taken_sets.erase(number);
  }
}

void ServiceEngine::Impl::log_problems(const std::string& key, Entry& entry,
                                       std::vector<std::string> problems) {
  std::sort(problems.begin(), problems.end());
  problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
  if (problems == entry.problems) return;
  for (const auto& problem : problems) spdlog::warn("Service {}: {}; left out", key, problem);
  entry.problems = std::move(problems);
}

void ServiceEngine::Impl::note(const std::string& key, Expected<void> outcome) {
  if (outcome) {
    if (failing.erase(key) == 0) return;
    spdlog::info("Service {}: programmed", key);
    if (options.on_failing) options.on_failing(key, nullptr);
    return;
  }
  auto [it, fresh] = failing.try_emplace(key);
  if (fresh || it->second.message != outcome.error().message) {
    spdlog::error("Service {}: not programmed, its last good state stays: {}", key, outcome.error().message);
    if (options.on_failing) options.on_failing(key, &outcome.error());
  }
  it->second = std::move(outcome).error();
}

/// Writes what is staged. If that fails, the next change reads the kernel anew and starts from there.
void ServiceEngine::Impl::commit() {
  auto written = image.commit();
  if (written) return;
  all_differs = true;
  spdlog::error("Services: {}; all of them will be compared with the kernel again", written.error().message);
}

void ServiceEngine::Impl::changed(const std::string& key) {
  if (!ready) return;
  if (all_differs) {
    if (auto done = synchronize(); !done) spdlog::error("Services: {}", done.error().message);
    return;
  }
  auto found = entries.find(key);
  if (found == entries.end()) return;
  auto start = std::chrono::steady_clock::now();
  auto& entry = found->second;
  size_t serving_udp = entry.placed.serving_udp;
  note(key, stage(key, entry));
  bool frees = image.frees();
  commit();
  if (frees) retry_failing();
  if (entry.placed.serving_udp != serving_udp) end_stale_udp_sockets();
  if (observer.service) observer.service(key, entry.service, entry.slices);
  if (observer.round) observer.round(std::chrono::steady_clock::now() - start, !all_differs);
  if (!entry.service && entry.slices.empty()) {
    failing.erase(key);
    entries.erase(found);
  }
}

/// A change may have made room, or freed an address, for a Service that found none.
void ServiceEngine::Impl::retry_failing() {
  if (failing.empty() || all_differs) return;
  std::vector<std::string> keys;
  for (const auto& [key, error] : failing) keys.push_back(key);
  for (const auto& key : keys) {
    note(key, stage(key, entries[key]));
    commit();
    if (all_differs) return;
  }
}

/// What programs for sockets have to know of the node.
Expected<void> ServiceEngine::Impl::tell_node() {
  weft_node self{};
  WEFT_TRY(self.netns_cookie, netns_cookie());
  for (bool v4 : {true, false}) {
    auto first = std::ranges::find(options.node.addresses, v4, &IpAddr::is_v4);
    if (first == options.node.addresses.end()) continue;
    auto bytes = first->mapped();
    std::copy(bytes.begin(), bytes.end(), v4 ? self.node4 : self.node6);
  }
  return socket.maps().node.set(self);
}

Expected<void> ServiceEngine::Impl::synchronize() {
  auto start = std::chrono::steady_clock::now();
  auto done = compare_all();
  if (observer.service) {
    for (const auto& [key, entry] : entries) observer.service(key, entry.service, entry.slices);
  }
  if (observer.round) observer.round(std::chrono::steady_clock::now() - start, done.has_value());
  return done;
}

/// Compares everything with the kernel.
Expected<void> ServiceEngine::Impl::compare_all() {
  auto start = std::chrono::steady_clock::now();
  if (all_differs) {
    auto loaded = Image::load(socket.maps());
    if (!loaded) return std::unexpected(std::move(loaded).error());
    writes_before += image.writes();
    image = std::move(*loaded);
    owners.clear();
    taken_sets.clear();
    for (auto& [key, entry] : entries) entry.placed = {};
    all_differs = false;
  }
  std::vector<std::pair<const std::string*, Entry*>> order;
  for (auto& [key, entry] : entries) order.emplace_back(&key, &entry);
  // Where two Services claim one address, the older has it.
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    auto created = [](const Entry* e) {
      return e->service ? std::string_view(e->service->metadata.creationTimestamp) : "";
    };
    return std::pair(created(a.second), *a.first) < std::pair(created(b.second), *b.first);
  });
  failing.clear();
  uint64_t writes = image.writes();
  for (auto& [key, entry] : order) {
    note(*key, stage(*key, *entry));
    if (failing.contains(*key)) adopt(*key, *entry);
  }
  commit();
  if (!all_differs) {
    stage_leftovers();
    commit();
    retry_failing();
  }
  if (all_differs)
    return fail(ErrorCode::system, "programming Services failed; it is tried again at the next change");
  WEFT_CHECK(socket.attach(options.cgroup_path));
  end_stale_udp_sockets();
  spdlog::info("Services: {} frontends and {} backends; {} entries written in {} ms",
               image.frontends().size(), image.backend_count(), image.writes() - writes,
               std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start)
                   .count());
  return {};
}

/// What an earlier engine programmed and no Service asks for.
void ServiceEngine::Impl::stage_leftovers() {
  std::vector<weft_frontend_key> frontends;
  std::unordered_set<uint32_t> kept = taken_sets;
  for (const auto& [where, value] : image.frontends()) {
    if (!owners.contains(where)) frontends.push_back(where);
  }
  for (const auto& where : frontends) image.stage_frontend_removal(where);
  std::vector<uint32_t> sets;
  for (const auto& [number, slots] : image.sets()) {
    if (!kept.contains(number)) sets.push_back(number);
  }
  for (uint32_t number : sets) image.stage_set_removal(number);
  image.stage_orphan_removal();
}

/// Whether a connected UDP socket may stay with its backend; `plans`: those that were asked for before.
StaleUdp::Backend ServiceEngine::Impl::backend_of(const weft_peer& peer,
                                                  std::unordered_map<std::string, ServicePlan>& plans) const {
  using Backend = StaleUdp::Backend;
  IpAddr addr = addr_of(peer.frontend_addr);
  uint16_t port = ntohs(peer.frontend_port);
  auto owner = owners.find(frontend_key(addr, port, static_cast<uint8_t>(Protocol::udp)));
  if (owner == owners.end()) return Backend::serves;
  auto entry = entries.find(owner->second);
  if (entry == entries.end() || !entry->second.service) return Backend::serves;
  const auto& slices = entry->second.slices;
  auto [plan, fresh] = plans.try_emplace(owner->second);
  if (fresh) plan->second = plan_service(*entry->second.service, slices, options.node);
  for (const auto& frontend : plan->second.frontends) {
    if (frontend.addr != addr || frontend.port != port || frontend.protocol != Protocol::udp) continue;
    auto found = StaleUdp::standing(plan->second.sets[frontend.set], slices, addr_of(peer.backend_addr),
                                    ntohs(peer.backend_port));
    if (found != Backend::serves) return found;
  }
  return Backend::serves;
}

/// Those whose Service goes on without their backend.
void ServiceEngine::Impl::end_stale_udp_sockets() {
  auto sockets = socket.maps().udp_peers.read_all();
  if (!sockets) {
    spdlog::warn("connected UDP sockets stay on backends that are gone: {}", sockets.error().message);
    return;
  }
  std::unordered_map<std::string, ServicePlan> plans;
  auto found = stale_udp.look(
      *sockets, [&](const weft_peer& peer) { return backend_of(peer, plans); }, StaleUdp::Clock::now());
  if (found.look_again && options.wake_at) options.wake_at(*found.look_again);
  auto ended = datapath::destroy_udp_sockets(options.cgroup_path, found.to_end);
  if (ended)
    destroyed_udp_sockets += *ended;
  else
    spdlog::warn("connected UDP sockets stay on backends that are gone: {}", ended.error().message);
}

ServiceEngine::ServiceEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ServiceEngine::~ServiceEngine() = default;

Expected<std::unique_ptr<ServiceEngine>> ServiceEngine::open(Options options) {
  WEFT_TRY(auto socket, datapath::ServiceSocket::open(options.bpf_dir, options.sizes));
  WEFT_TRY(auto image, Image::load(socket.maps()));
  // Programs that run already get the newest code at once; a fresh start has nothing to balance to yet.
  if (socket.attached()) WEFT_CHECK(socket.attach(options.cgroup_path));
  auto impl = std::make_unique<Impl>(
      Impl{.options = std::move(options), .socket = std::move(socket), .image = std::move(image)});
  WEFT_CHECK(impl->tell_node());
  return std::unique_ptr<ServiceEngine>(new ServiceEngine(std::move(impl)));
}

void ServiceEngine::service_changed(const ServicePtr& before, const ServicePtr& after) {
  if (!before && !after) return;
  auto key = key_of(after ? *after : *before);
  impl_->entries[key].service = after;
  impl_->changed(key);
}

void ServiceEngine::slice_changed(const SlicePtr& before, const SlicePtr& after) {
  auto was = owner_of(before);
  auto is = owner_of(after);
  auto by_name = [](const SlicePtr& a, const std::string& name) { return a->metadata.name < name; };
  if (!was.empty()) {
    auto& slices = impl_->entries[was].slices;
    std::erase_if(slices,
                  [&](const SlicePtr& slice) { return slice->metadata.name == before->metadata.name; });
  }
  if (!is.empty()) {
    auto& slices = impl_->entries[is].slices;
    std::erase_if(slices,
                  [&](const SlicePtr& slice) { return slice->metadata.name == after->metadata.name; });
    slices.insert(std::lower_bound(slices.begin(), slices.end(), after->metadata.name, by_name), after);
  }
  if (!was.empty() && was != is) impl_->changed(was);
  if (!is.empty()) impl_->changed(is);
}

Expected<void> ServiceEngine::synced() {
  impl_->ready = true;
  return impl_->synchronize();
}

void ServiceEngine::node_changed(NodeFacts node) {
  impl_->options.node = std::move(node);
  if (auto told = impl_->tell_node(); !told) spdlog::error("Services: {}", told.error().message);
  if (!impl_->ready) return;
  if (auto done = impl_->synchronize(); !done) spdlog::error("Services: {}", done.error().message);
}

void ServiceEngine::wake() { impl_->end_stale_udp_sockets(); }

const datapath::ServiceSocket& ServiceEngine::socket() const { return impl_->socket; }

void ServiceEngine::observe(Observer observer) { impl_->observer = std::move(observer); }

ServiceEngine::Stats ServiceEngine::stats() const {
  Stats stats;
  for (const auto& [key, entry] : impl_->entries) {
    stats.services += !entry.placed.frontends.empty();
    stats.no_local_internal += entry.placed.no_local.internal;
    stats.no_local_external += entry.placed.no_local.external;
  }
  stats.frontends = impl_->image.frontends().size();
  stats.slots = impl_->image.slot_count();
  stats.backends = impl_->image.backend_count();
  stats.kernel_writes = impl_->writes_before + impl_->image.writes();
  stats.destroyed_udp_sockets = impl_->destroyed_udp_sockets;
  stats.failing = impl_->failing;
  return stats;
}

}  // namespace weft::service
