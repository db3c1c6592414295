#include "dns/server.h"

#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"
#include "dns/count_traffic.h"
#include "dns/flood_guard.h"
#include "dns/link_plan.h"
#include "dns/search_walk.h"
#include "dns/worker.h"

namespace weft::dns {
namespace {

/// An agent that is there tells at once.
constexpr std::chrono::milliseconds kMeetAgent{1000};

struct Sockets {
  SocketAddress address;
  Fd udp, tcp;
};

Expected<Sockets> open_pair(SocketAddress address, bool shared) {
  constexpr int kTries = 16;  // for port 0: what the kernel chose for UDP may be taken for TCP
  for (int i = 1;; ++i) {
    WEFT_TRY(Fd udp, open_udp(address, shared));
    SocketAddress bound = local_address(udp);
    auto tcp = open_tcp(bound, shared);
    if (tcp) return Sockets{bound, std::move(udp), std::move(*tcp)};
    if (address.port != 0 || i == kTries) return std::unexpected(std::move(tcp).error());
  }
}

}  // namespace

/// What is in force.
struct Server::Live {
  ConfigPtr config;
  std::shared_ptr<const Overrides> overrides;
  std::shared_ptr<AnswerCache> cache;
};

void note_answer(WorkerContext& context, const SocketAddress& client, Transport transport,
                 std::span<const uint8_t> answer, Poller::Clock::time_point received) {
  const auto took = Poller::Clock::now() - received;
  count_answer(context.counters, answer, took);
  if (context.config->log_queries) spdlog::info("{}", describe_answer(client, transport, answer, took));
}

/// What threads share beside the zone.
struct Server::Shared {
  OwnQuestions own;
  std::atomic<bool> ending = false;
  std::mutex mutex;
  Live live;
};

/// One thread with its own sockets and its own forwarder.
class Server::Worker : Poller::Handler {
 public:
  Counters& counters() { return counters_; }
  const UpstreamBook& upstreams() const { return upstreams_; }

  static Expected<std::unique_ptr<Worker>> make(const ServerOptions& options, const SharedZone& zone,
                                                const PodLinks* links, Shared& shared, bool first) {
    WEFT_TRY(auto poller, Poller::make());
    Fd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!bell) return fail_errno("eventfd", errno);
    return std::unique_ptr<Worker>(
        new Worker(std::move(poller), std::move(bell), options, zone, links, shared, first));
  }

  ~Worker() override {
    if (!thread_.joinable()) return;
    stopping_ = true;
    wake();
    thread_.join();
  }

  /// Of any thread.
  void configure(Live live) {
    {
      std::lock_guard lock(next_mutex_);
      next_ = std::move(live);
    }
    wake();
  }

  /// This thread keeps them up to date.
  void follow(PodLinks& links) { poller_->add(links.fd(), EPOLLIN, &links); }

  /// Of any thread: takes these and keeps only those of `wanted`.
  void listen(std::vector<Sockets> opened, std::vector<SocketAddress> wanted) {
    {
      std::lock_guard lock(next_mutex_);
      std::ranges::move(opened, std::back_inserter(opened_));
      wanted_ = std::move(wanted);
    }
    wake();
  }

  void start() {
    // Signals are for the main thread.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

 private:
  Worker(std::unique_ptr<Poller> poller, Fd bell, const ServerOptions& options, const SharedZone& zone,
         const PodLinks* links, Shared& shared, bool first)
      : poller_(std::move(poller)),
        bell_(std::move(bell)),
        node_search_(options.node_search),
        domains_(*poller_, feed_options(options, first)),
        context_{.zone = zone,
                 .poller = *poller_,
                 .timers = timers_,
                 .own = shared.own,
                 .domains = domains_,
                 .counters = counters_,
                 .links = links,
                 .node_search = node_search_,
                 .clients = clients_,
                 .ending = shared.ending,
                 .message = std::vector<uint8_t>(kMaxMessage),
                 .chased = std::vector<uint8_t>(kMaxMessage)},
        guard_(clients_, counters_, [links](const Client& client) { return name_of(links, client); }),
        shared_(shared),
        threads_(options.threads),
        find_loops_(options.find_loops && first) {
    poller_->add(bell_.get(), EPOLLIN, this);
  }

  /// One thread tells what links may answer.
  DomainFeed::Options feed_options(const ServerOptions& options, bool tells) {
    DomainFeed::Options out{.socket = options.domains_socket};
    if (tells) out.serving = [this] { return serving(); };
    return out;
  }

  std::optional<domain_feed::Serving> serving() const {
    if (!leaves_to_links(*context_.config) || context_.ending) return std::nullopt;
    domain_feed::Serving out;
    bool synced = false;
    context_.zone.read([&](const Zone& zone) {
      synced = zone.synced();
      out.ttl = zone.options().ttl;
      out.serial = zone.serial();
      out.zone = zone.options().zone.str();
    });
    out.zone.pop_back();
    if (!synced || out.zone.empty()) return std::nullopt;
    for (const auto& listener : listeners_) {
      if (out.at.size() < domain_feed::kMaxServing)
        out.at.push_back({listener.address.ip, listener.address.port});
    }
    return out;
  }

  void wake() {
    const uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(bell_.get(), &one, sizeof one);
  }

  void on_ready(uint32_t) override {
    uint64_t rung;
    [[maybe_unused]] auto got = ::read(bell_.get(), &rung, sizeof rung);
  }

  void adopt() {
    Live next;
    std::vector<Sockets> opened;
    std::optional<std::vector<SocketAddress>> wanted;
    {
      std::lock_guard lock(next_mutex_);
      next = std::exchange(next_, {});
      opened = std::exchange(opened_, {});
      wanted = std::exchange(wanted_, {});
    }
    if (wanted) listen_to(*wanted, std::move(opened));
    if (!next.config) return;
    if (context_.forwarder && context_.config->forwards == next.config->forwards) {
      context_.forwarder->configure(next.config, next.cache);
    } else {
      if (context_.forwarder) {
        context_.forwarder->retire();
        ending_.push_back(std::move(context_.forwarder));
      }
      context_.forwarder = std::make_shared<Forwarder>(
          *poller_, Forwarder::Setup{next.config, next.cache, threads_, find_loops_}, shared_.own, upstreams_,
          counters_);
    }
    context_.config = std::move(next.config);
    context_.overrides = std::move(next.overrides);
    context_.cache = std::move(next.cache);
  }

  void listen_to(const std::vector<SocketAddress>& wanted, std::vector<Sockets> opened) {
    std::erase_if(listeners_, [&](const Listener& listener) {
      return std::ranges::find(wanted, listener.address) == wanted.end();
    });
    for (auto& sockets : opened) {
      if (std::ranges::find(wanted, sockets.address) == wanted.end()) continue;
      listeners_.push_back({sockets.address, std::make_unique<UdpListener>(context_, std::move(sockets.udp)),
                            std::make_unique<TcpListener>(context_, std::move(sockets.tcp))});
    }
    std::vector<FloodGuard::Socket> guarded;
    for (const auto& listener : listeners_)
      guarded.push_back({.fd = listener.udp->fd(), .v4 = listener.address.ip.is_v4()});
    guard_.guard(std::move(guarded));
  }

  static std::string name_of(const PodLinks* links, const Client& client) {
    if (client.link == 0 || !links) return client.address.str();
    return fmt::format("a pod of namespace {} ({})", links->namespace_of(client.link), client.address.str());
  }

  Poller::Clock::time_point next_deadline() const {
    auto deadline = std::min(context_.forwarder->next_deadline(), domains_.next_deadline());
    deadline = std::min({deadline, guard_.next_deadline(), timers_.next_deadline()});
    for (const auto& forwarder : ending_) deadline = std::min(deadline, forwarder->next_deadline());
    for (const auto& listener : listeners_) deadline = std::min(deadline, listener.tcp->next_deadline());
    // "Never" minus now would not fit into a duration.
    return std::min(deadline, Poller::Clock::now() + std::chrono::minutes(1));
  }

  void expire(Poller::Clock::time_point now) {
    context_.forwarder->expire(now);
    for (const auto& forwarder : ending_) forwarder->expire(now);
    std::erase_if(ending_, [](const auto& forwarder) { return forwarder->idle(); });
    domains_.expire(now);
    timers_.expire(now);
    for (const auto& listener : listeners_) listener.tcp->expire(now);
    guard_.look(now, context_.config->client_rate != 0U);
  }

  void run() {
    // Before the first question is answered.
    domains_.meet(kMeetAgent);
    while (!stopping_) {
      adopt();
      poller_->run_once(next_deadline());
      expire(poller_->now());
    }
  }

  std::unique_ptr<Poller> poller_;
  Fd bell_;  ///< rung to stop and to be configured
  Counters counters_;
  UpstreamBook upstreams_;
  const std::vector<Name> node_search_;
  ClientLimits clients_;  ///< outlives the questions that are with upstreams
  DomainFeed domains_;
  TimerQueue timers_;
  WorkerContext context_;
  FloodGuard guard_;
  std::vector<std::shared_ptr<Forwarder>> ending_;  ///< of earlier configurations, with questions in flight
  Shared& shared_;
  const int threads_;
  const bool find_loops_;  ///< one thread does
  struct Listener {
    SocketAddress address;
    std::unique_ptr<UdpListener> udp;
    std::unique_ptr<TcpListener> tcp;
  };
  std::vector<Listener> listeners_;
  std::atomic<bool> stopping_ = false;
  std::mutex next_mutex_;
  // To be taken before the next round.
  Live next_;  ///< no config: nothing new
  std::vector<Sockets> opened_;
  std::optional<std::vector<SocketAddress>> wanted_;
  std::thread thread_;
};

Expected<std::unique_ptr<Server>> Server::start(const ServerOptions& options, const SharedZone& zone) {
  std::unique_ptr<Server> server(new Server);
  WEFT_CHECK(server->open(options, zone));
  WEFT_CHECK(server->configure(options.config));
  for (auto& worker : server->workers_) worker->start();
  return server;
}

Expected<void> Server::open(const ServerOptions& options, const SharedZone& zone) {
  if (auto links = PodLinks::open())
    links_ = std::move(*links);
  else
    spdlog::warn("pods' links: {}; their search paths are not answered at once", links.error().message);
  for (int i = 0; i < options.threads; ++i) {
    WEFT_TRY(auto worker, Worker::make(options, zone, links_.get(), *shared_, i == 0));
    if (i == 0 && links_) worker->follow(*links_);
    workers_.push_back(std::move(worker));
  }
  return listen(options.listen);
}

Expected<void> Server::listen(const std::vector<SocketAddress>& wanted) {
  std::vector<SocketAddress> addresses;
  std::vector<std::vector<Sockets>> opened(workers_.size());
  for (const auto& address : wanted) {
    auto had = std::ranges::find(asked_, address);
    if (had != asked_.end()) {
      addresses.push_back(addresses_[static_cast<size_t>(had - asked_.begin())]);
      continue;
    }
    addresses.push_back(address);
    for (auto& sockets : opened) {
      WEFT_TRY(sockets.emplace_back(), open_pair(addresses.back(), workers_.size() > 1));
      addresses.back() = sockets.back().address;
    }
  }
  asked_ = wanted;
  addresses_ = addresses;
  for (size_t i = 0; i < workers_.size(); ++i) workers_[i]->listen(std::move(opened[i]), addresses_);
  return {};
}

Expected<void> Server::configure(ConfigPtr config) {
  if (!config) config = std::make_shared<const Config>();
  WEFT_TRY(auto overrides, Overrides::compile(*config));
  std::lock_guard lock(shared_->mutex);
  Live& live = shared_->live;
  // What was learned under other rules does not outlive them.
  const Config& old = live.config ? *live.config : *config;
  const bool same = live.config && old.forwards == config->forwards && old.cache == config->cache &&
                    old.rebind_refused == config->rebind_refused &&
                    old.rebind_allowed == config->rebind_allowed;
  if (!same) live.cache = config->cache.enabled ? std::make_shared<AnswerCache>(config->cache) : nullptr;
  live.config = std::move(config);
  live.overrides = std::move(overrides);
  for (auto& worker : workers_) worker->configure(live);
  return {};
}

std::vector<const Counters*> Server::counters() const {
  std::vector<const Counters*> out;
  for (const auto& worker : workers_) out.push_back(&worker->counters());
  std::lock_guard lock(shared_->mutex);
  const AnswerCache* cache = shared_->live.cache.get();
  auto& first = workers_.front()->counters().cache;  // the cache is all threads': one counts it
  first.entries_positive.set(cache ? cache->positive() : 0);
  first.entries_negative.set(cache ? cache->negative() : 0);
  return out;
}

void Server::set_lame_duck() { shared_->ending = true; }

std::vector<const UpstreamBook*> Server::upstreams() const {
  std::vector<const UpstreamBook*> out;
  for (const auto& worker : workers_) out.push_back(&worker->upstreams());
  return out;
}

Server::Server() : shared_(std::make_unique<Shared>()) {}
Server::~Server() = default;

}  // namespace weft::dns
