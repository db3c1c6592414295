#include "service/announcer.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>

#include "base/netlink.h"
#include "kube/client/events.h"
#include "service/announce_link.h"
#include "service/announce_plan.h"
#include "service/announce_wire.h"
#include "service/heartbeat.h"
#include "service/heartbeat_socket.h"

namespace weft::service {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Time = Liveness::Time;
using Clock = Liveness::Clock;
using Standing = Liveness::Standing;
using EventType = kube::EventRecorder::Type;

namespace {

/// After an address was taken over: the first may be lost, or come before a switch has learnt.
constexpr std::array<std::chrono::milliseconds, 5> kAnnouncements{0ms, 100ms, 500ms, 1000ms, 2000ms};
constexpr int kAnnouncementsATurn = 200;  ///< so that heartbeats and answers have theirs
constexpr int kPacketsATurn = 256;        ///< lest a flood stop the clock
constexpr int kPacketsWaiting = 10'000;   ///< more than a socket holds
constexpr auto kRest = 5ms;               ///< when there are more, or the link is full
constexpr auto kLinksAge = 10s;           ///< uplinks are looked up again so often
constexpr auto kLookAgain = 1s;           ///< when something was amiss
constexpr auto kComplainAfter = 5s;
constexpr int kNice = -15;
/// Who stood still longer has perhaps been taken for dead, and knows nothing of the others.
constexpr auto kStoodStill = Liveness::kTimeout - Liveness::kInterval;

}  // namespace

/// What is below `thread` lives on that thread only; objects get there by `post`.
struct Announcer::Impl {
  Impl(kube::Client& c, std::string node)
      : client(c),
        name(std::move(node)),
        events(std::make_shared<kube::EventRecorder>(c, "weft-announcer", name)),
        timer(io),
        liveness(name) {}

  struct Uplink {
    Uplink(asio::io_context& io, AnnounceLink l) : link(std::move(l)), arp(io), neighbour(io) {}
    AnnounceLink link;
    asio::posix::stream_descriptor arp, neighbour;
  };
  struct Ear {
    Ear(asio::io_context& io, HeartbeatSocket s) : socket(std::move(s)), readable(io) {}
    HeartbeatSocket socket;
    asio::posix::stream_descriptor readable;
  };
  /// An address that is this node's.
  struct Owned {
    uint64_t turn = 0;  ///< tells one ownership from the next
    size_t announced = 0;
    std::set<std::string> told;  ///< UIDs of Services that have the Event
  };
  struct Due {
    IpAddr addr;
    uint64_t turn = 0;
  };

  template <class Work>
  void feed(Work work);
  void run();
  void update_activity();
  void activate();
  void deactivate();
  void begin_anew(Time now);
  void tick();
  void arm();

  void open_missing(Time now);
  bool look_up_links();
  void open_link(const Link& link);
  void listen(const std::shared_ptr<Uplink>& uplink, bool v6);
  void answer(const Uplink& uplink, bool v6);
  bool open_ears();
  void listen(const std::shared_ptr<Ear>& ear);
  void receive_heartbeats(const Ear& ear);
  void send_heartbeats();
  void judge(Time now);
  void stand(Standing before, const std::vector<std::pair<std::string, bool>>& changes);
  void complain();

  void act(const AnnouncePlanner::Changes& changes);
  void own(const IpAddr& addr);
  void disown(const IpAddr& addr);
  void announce_due(Time now);
  bool announce(const IpAddr& addr);
  void schedule(const IpAddr& addr, Owned& owned, Time when);
  void tell(const ServicePtr& service, EventType type, std::string reason, std::string message);
  void warn(const IpAddr& addr, const std::string& why);
  std::string link_names() const;

  kube::Client& client;
  std::string name;
  std::shared_ptr<kube::EventRecorder> events;
  int unsynced = 3;
  asio::io_context io{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  std::thread thread;

  asio::steady_timer timer;
  std::optional<Netlink> netlink;
  std::vector<IpAddr> addresses;
  AnnouncePlanner planner;
  Liveness liveness;
  bool synced = false, nodes_synced = false;
  bool active = false;
  bool silent = false;  ///< what is taken over now was this node's before: no Events
  Time last_tick, next_heartbeat, next_links;
  Time rests_until;  ///< no announcements before
  Time alone_since;
  bool complained = false;
  std::vector<std::shared_ptr<Uplink>> uplinks;
  std::vector<std::shared_ptr<Ear>> ears;
  std::set<IpAddr> answered;  ///< before the list of nodes is there; since the last heartbeats
  std::map<IpAddr, Owned> owned;
  std::multimap<Time, Due> due;
  std::map<IpAddr, std::string> warned;  ///< why, as told last
  uint64_t turns = 0;
};

template <class Work>
void Announcer::Impl::feed(Work work_on) {
  asio::post(io, [this, work_on = std::move(work_on)] {
    act(work_on());
    update_activity();
  });
}

void Announcer::Impl::run() {
  // Of this thread alone, though the name says process (setpriority(2), NOTES).
  ::setpriority(PRIO_PROCESS, 0, kNice);
  io.run();
}

/// Until it is known what there is, others are told that this node is there: it may own something.
void Announcer::Impl::update_activity() {
  const bool wanted = !addresses.empty() && (!synced || !planner.empty());
  if (wanted == active) return;
  if (wanted) {
    activate();
  } else {
    deactivate();
  }
}

void Announcer::Impl::activate() {
  active = true;
  auto now = Clock::now();
  last_tick = next_heartbeat = next_links = now;
  liveness.begin(now);
  tick();
}

void Announcer::Impl::deactivate() {
  active = false;
  act(planner.end());
  timer.cancel();
  uplinks.clear();
  ears.clear();
  warned.clear();
}

void Announcer::Impl::begin_anew(Time now) {
  // What waits in the sockets is old.
  for (const auto& ear : ears) {
    for (int i = 0; i < kPacketsWaiting && ear->socket.receive(); ++i) continue;
  }
  act(planner.end());
  liveness.begin(now);
}

void Announcer::Impl::tick() {
  auto now = Clock::now();
  if (now - std::exchange(last_tick, now) >= kStoodStill) begin_anew(now);
  if (now >= next_links) open_missing(now);
  for (const auto& ear : ears) receive_heartbeats(*ear);
  judge(now);
  if (now >= next_heartbeat) {
    send_heartbeats();
    next_heartbeat = std::max(next_heartbeat + Liveness::kInterval, now + Liveness::kInterval / 2);
  }
  announce_due(now);
  arm();
}

void Announcer::Impl::arm() {
  if (!active) return;
  auto next = std::min({next_heartbeat, next_links, liveness.next(last_tick)});
  if (!due.empty()) next = std::min(next, std::max(due.begin()->first, rests_until));
  timer.expires_at(next);
  timer.async_wait([this](boost::system::error_code error) {
    if (!error && active) tick();
  });
}

/// Links come and go, and a port may be taken for a while: by the agent before this one, mostly.
void Announcer::Impl::open_missing(Time now) {
  const bool hears = open_ears();
  next_links = now + (look_up_links() && hears ? kLinksAge : kLookAgain);
}

/// False if there is none, or what there is cannot be told: then all stays as it is.
bool Announcer::Impl::look_up_links() {
  std::map<int, Link> found;
  for (const auto& addr : addresses) {
    auto link = netlink->find_link(addr);
    if (!link) {
      spdlog::warn("{}", link.error().message);
      return false;
    }
    if (*link && (*link)->mac != MacAddr{}) found.emplace((*link)->index, **link);
  }
  std::erase_if(uplinks, [&](const auto& uplink) {
    const auto& known = uplink->link.link();
    auto it = found.find(known.index);
    bool same = it != found.end() && it->second.mac == known.mac && it->second.name == known.name;
    if (same) found.erase(it);
    return !same;
  });
  for (const auto& [index, link] : found) open_link(link);
  return !uplinks.empty();
}

void Announcer::Impl::open_link(const Link& link) {
  auto opened = AnnounceLink::open(link);
  if (!opened) return spdlog::warn("cannot announce addresses: {}", opened.error().message);
  auto uplink = std::make_shared<Uplink>(io, std::move(*opened));
  uplink->arp.assign(::dup(uplink->link.arp_socket()));
  uplink->neighbour.assign(::dup(uplink->link.neighbour_socket()));
  uplinks.push_back(uplink);
  for (bool v6 : {false, true}) listen(uplink, v6);
  for (auto& [addr, ownership] : owned) {
    if (addr.is_v6()) (void)uplink->link.join(addr);
    ownership.turn = ++turns;
    ownership.announced = 0;
    schedule(addr, ownership, Clock::now());
  }
}

void Announcer::Impl::listen(const std::shared_ptr<Uplink>& uplink, bool v6) {
  auto& socket = v6 ? uplink->neighbour : uplink->arp;
  socket.async_wait(asio::posix::stream_descriptor::wait_read,
                    [this, weak = std::weak_ptr(uplink), v6](boost::system::error_code error) {
                      auto self = weak.lock();
                      if (error || !self) return;
                      answer(*self, v6);
                      listen(self, v6);
                    });
}

void Announcer::Impl::answer(const Uplink& uplink, bool v6) {
  std::array<uint8_t, 1600> buffer;
  const auto& link = uplink.link;
  const int socket = v6 ? link.neighbour_socket() : link.arp_socket();
  for (int i = 0; i < kPacketsATurn; ++i) {
    auto frame = AnnounceLink::receive(socket, buffer);
    if (frame.empty()) return;
    auto query = v6 ? parse_solicitation(frame) : parse_arp_request(frame);
    // After a standstill the addresses may be somebody else's: that is for the tick to find out.
    if (!query || !owned.contains(query->target) || Clock::now() - last_tick >= kStoodStill) continue;
    if (v6) {
      link.send_neighbour(advertisement(link.link().mac, *query));
    } else {
      link.send_arp(arp_reply(link.link().mac, *query));
    }
  }
}

/// Opens what is not open yet; false if not all could be.
bool Announcer::Impl::open_ears() {
  bool all = true;
  for (bool v6 : {false, true}) {
    auto own = std::ranges::find(addresses, v6, &IpAddr::is_v6);
    if (own == addresses.end()) continue;
    if (std::ranges::any_of(ears, [&](const auto& ear) { return ear->socket.is_v6() == v6; })) continue;
    auto socket = HeartbeatSocket::open(*own);
    if (!socket) {
      spdlog::error("{}", socket.error().message);
      all = false;
      continue;
    }
    auto ear = std::make_shared<Ear>(io, std::move(*socket));
    ear->readable.assign(::dup(ear->socket.fd()));
    listen(ear);
    ears.push_back(std::move(ear));
  }
  return all;
}

void Announcer::Impl::listen(const std::shared_ptr<Ear>& ear) {
  ear->readable.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, weak = std::weak_ptr(ear)](boost::system::error_code error) {
                             auto self = weak.lock();
                             if (error || !self) return;
                             // After a standstill what waits here is old: the tick has to come first.
                             if (Clock::now() - last_tick >= kStoodStill) {
                               tick();
                             } else {
                               receive_heartbeats(*self);
                             }
                             listen(self);
                           });
}

void Announcer::Impl::receive_heartbeats(const Ear& ear) {
  bool news = false;
  auto now = Clock::now();
  for (int i = 0; i < kPacketsATurn; ++i) {
    auto received = ear.socket.receive();
    if (!received) break;
    const auto& [from, heartbeat] = *received;
    // Who sends to an agent that has just started counts on it, and must not wait until it has the list of
    // nodes. Not to every heartbeat: two that have just started would answer each other without end.
    if (!nodes_synced && answered.insert(from).second) ear.socket.send(from, liveness.message_for({}));
    news = liveness.heard(from, heartbeat, now) || news;
  }
  if (news) judge(now);
}

void Announcer::Impl::send_heartbeats() {
  answered.clear();
  for (const auto& [peer, facts] : liveness.peers()) {
    for (const auto& addr : facts.addresses) {
      auto ear = std::ranges::find_if(ears, [&](const auto& e) { return e->socket.is_v6() == addr.is_v6(); });
      if (ear == ears.end()) continue;
      (*ear)->socket.send(addr, liveness.message_for(peer));
      break;
    }
  }
}

void Announcer::Impl::judge(Time now) {
  auto before = liveness.standing();
  const bool was_ready = liveness.ready();
  const bool carrier = std::ranges::any_of(uplinks, [](const auto& u) { return u->link.has_carrier(); });
  auto changes = liveness.advance({.carrier = carrier, .prepared = synced}, now);
  stand(before, changes);
  // The others let go of what is this node's, and keep what is no longer.
  if (liveness.ready() != was_ready) {
    next_heartbeat = now;
    arm();
  }
  if (liveness.standing() != Standing::hears_nobody) {
    alone_since = now;
    complained = false;
  } else if (now - alone_since >= kComplainAfter && !std::exchange(complained, true)) {
    complain();
  }
}

void Announcer::Impl::stand(Standing before, const std::vector<std::pair<std::string, bool>>& changes) {
  const auto after = liveness.standing();
  for (const auto& [peer, alive] : changes)
    spdlog::info("node {} is {}", peer, alive ? "alive" : "not heard");
  if (after != before) spdlog::info("addresses: {}", describe(after));
  if (after != Standing::in_charge) {
    if (before == Standing::in_charge) act(planner.end());
    return;
  }
  if (before == Standing::in_charge) {
    for (const auto& [peer, alive] : changes) act(planner.alive_changed(peer, alive));
    return;
  }
  std::set<std::string> alive{name};
  for (const auto& [peer, facts] : liveness.peers()) {
    if (liveness.is_alive(peer)) alive.insert(peer);
  }
  silent = liveness.was_known();
  act(planner.begin(std::move(alive)));
  silent = false;
}

/// If it is the others' firewall and not this node's cable, nobody announces, and somebody has to say so.
void Announcer::Impl::complain() {
  for (const auto& addr : planner.addresses()) {
    if (planner.first_choice(addr) == name)
      warn(addr, fmt::format("{} hears no other node (UDP port {})", name, kHeartbeatPort));
  }
}

void Announcer::Impl::act(const AnnouncePlanner::Changes& changes) {
  for (const auto& addr : changes) {
    const auto announcement = planner.announcement(addr);
    if (announcement.owner == name) {
      own(addr);
    } else {
      disown(addr);
    }
    if (announcement.speaker == name) {
      warn(addr, planner.why(addr));
    } else {
      warned.erase(addr);
    }
  }
  if (active && !changes.empty()) {
    announce_due(Clock::now());
    arm();
  }
}

void Announcer::Impl::own(const IpAddr& addr) {
  auto [it, is_new] = owned.try_emplace(addr);
  if (is_new) {
    spdlog::debug("announcing {}", addr.str());
    for (const auto& uplink : uplinks) {
      if (!addr.is_v6()) continue;
      if (auto joined = uplink->link.join(addr); !joined) spdlog::warn("{}", joined.error().message);
    }
    it->second.turn = ++turns;
    schedule(addr, it->second, Clock::now());
  }
  for (const auto& service : planner.services_of(addr)) {
    if (!it->second.told.insert(service->metadata.uid).second || silent) continue;
    auto why = planner.why(addr);
    tell(service, EventType::normal, "AddressAnnounced",
         fmt::format("{} is announced from {} ({}){}{}", addr.str(), name, link_names(),
                     why.empty() ? "" : "; ", why));
  }
}

void Announcer::Impl::disown(const IpAddr& addr) {
  if (owned.erase(addr) == 0) return;
  spdlog::debug("no longer announcing {}", addr.str());
  for (const auto& uplink : uplinks) {
    if (addr.is_v6()) uplink->link.leave(addr);
  }
}

void Announcer::Impl::schedule(const IpAddr& addr, Owned& ownership, Time when) {
  due.emplace(when, Due{addr, ownership.turn});
}

void Announcer::Impl::announce_due(Time now) {
  if (now < rests_until) return;
  for (int i = 0; !due.empty() && due.begin()->first <= now; ++i) {
    auto [addr, turn] = due.begin()->second;
    auto it = owned.find(addr);
    const bool current = it != owned.end() && it->second.turn == turn;
    if (current && i >= kAnnouncementsATurn) {
      rests_until = now + kRest;
      return;
    }
    if (current && !announce(addr)) {
      // Behind the others: what one link does not take must not keep them waiting.
      rests_until = now + kRest;
      auto failed = due.extract(due.begin());
      failed.key() = rests_until;
      due.insert(std::move(failed));
      return;
    }
    due.erase(due.begin());
    if (!current || ++it->second.announced == kAnnouncements.size()) continue;
    auto step = kAnnouncements[it->second.announced] - kAnnouncements[it->second.announced - 1];
    schedule(addr, it->second, now + step);
  }
}

/// False if it has to be tried again.
bool Announcer::Impl::announce(const IpAddr& addr) {
  bool sent = true;
  for (const auto& uplink : uplinks) {
    const auto& link = uplink->link;
    const auto& mac = link.link().mac;
    if (!link.has_carrier()) continue;
    if (addr.is_v6()) {
      sent = link.send_neighbour(unsolicited_advertisement(mac, addr)) && sent;
      continue;
    }
    for (auto form : {ArpForm::request, ArpForm::reply})
      sent = link.send_arp(arp_announcement(mac, addr, form)) && sent;
  }
  return sent;
}

void Announcer::Impl::tell(const ServicePtr& service, EventType type, std::string reason,
                           std::string message) {
  asio::post(client.io(), [weak = std::weak_ptr(events), service, type, reason = std::move(reason),
                           message = std::move(message)] {
    auto recorder = weak.lock();
    if (!recorder) return;
    recorder->record(kube::reference_to(kube::resource_of<kube::Service>(), service->metadata), type, reason,
                     message);
  });
}

void Announcer::Impl::warn(const IpAddr& addr, const std::string& why) {
  auto& told = warned[addr];
  if (std::exchange(told, why) == why) return;
  for (const auto& service : planner.services_of(addr))
    tell(service, EventType::warning, "AddressNotAnnounced",
         fmt::format("{} is not announced: {}", addr.str(), why));
}

std::string Announcer::Impl::link_names() const {
  std::vector<std::string> names;
  for (const auto& uplink : uplinks) names.push_back(uplink->link.link().name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Announcer::Announcer(kube::Client& client, std::string node_name)
    : impl_(std::make_unique<Impl>(client, std::move(node_name))) {}

Announcer::~Announcer() {
  impl_->io.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

void Announcer::follow(kube::Informer<kube::Service>& services, kube::Informer<kube::EndpointSlice>& slices,
                       kube::Informer<kube::Node>& nodes) {
  auto* impl = impl_.get();
  services.on_change([impl](const auto& before, const auto& after) {
    auto balances = [](const auto& service) { return service && service->spec.type == "LoadBalancer"; };
    if (!balances(before) && !balances(after)) return;
    auto key = kube::object_key((after ? after : before)->metadata);
    impl->feed([impl, key = std::move(key), after] { return impl->planner.service_changed(key, after); });
  });
  slices.on_change([impl](const auto& before, const auto& after) {
    auto put = [impl](const kube::EndpointSlice& slice, SlicePtr now) {
      auto service = service_of(slice);
      if (service.empty() || is_mesh(slice)) return;
      impl->feed([impl, service = std::move(service), name = slice.metadata.name, now = std::move(now)] {
        return impl->planner.slice_changed(service, name, now);
      });
    };
    if (before && (!after || service_of(*before) != service_of(*after))) put(*before, nullptr);
    if (after) put(*after, after);
  });
  nodes.on_change([impl](const auto& before, const auto& after) {
    auto facts = after ? std::optional(announce_node(*after)) : std::nullopt;
    if (before && facts && announce_node(*before) == *facts) return;
    impl->feed([impl, name = (after ? after : before)->metadata.name, facts] {
      if (facts) {
        impl->liveness.set_peer(name, {.addresses = facts->addresses, .expected = facts->ready});
      } else {
        impl->liveness.remove_peer(name);
      }
      return impl->planner.node_changed(name, facts);
    });
  });
  auto synced = [impl] {
    if (--impl->unsynced > 0) return;
    asio::post(impl->io, [impl] {
      impl->synced = true;
      impl->update_activity();
      if (impl->active) impl->tick();
    });
  };
  services.on_synced(synced);
  slices.on_synced(synced);
  nodes.on_synced(synced);
  // An agent that starts again shows itself before the others miss it.
  nodes.on_synced([impl] {
    asio::post(impl->io, [impl] {
      impl->nodes_synced = true;
      impl->next_heartbeat = Clock::now();
      impl->arm();
    });
  });
}

Expected<void> Announcer::start(std::vector<IpAddr> addresses) {
  if (impl_->thread.joinable()) return {};
  WEFT_TRY(impl_->netlink, Netlink::open());
  impl_->addresses = std::move(addresses);
  impl_->work.emplace(impl_->io.get_executor());
  asio::post(impl_->io, [impl = impl_.get()] { impl->update_activity(); });
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
  return {};
}

}  // namespace weft::service
