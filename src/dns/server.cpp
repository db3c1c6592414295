#include "dns/server.h"

#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "dns/search_walk.h"
#include "dns/worker.h"

namespace weft::dns {
namespace {

/// An agent that is there tells at once.
constexpr std::chrono::milliseconds kMeetAgent{1000};

std::vector<SocketAddress> root_upstreams(const Config& config) {
  std::vector<SocketAddress> out;
  for (const Forward& forward : config.forwards) {
    if (!forward.domain.is_root()) continue;
    for (const Upstream& upstream : forward.upstreams) out.push_back(upstream.address);
  }
  return out;
}

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

/// Says the same as the upstream's message, to the client: its id, its question's case, its size.
void relay(const Query& query, std::span<const uint8_t> upstream, Transport transport,
           std::vector<uint8_t>& buffer, const std::function<void(std::span<const uint8_t>)>& send) {
  const size_t question_end = kHeaderSize + query.name.size() + 4;
  if (upstream.size() < question_end)
    return send({buffer.data(), write_error(query, Rcode::servfail, buffer)});
  if (upstream.size() > size_limit(query, transport)) {
    Writer writer(buffer, size_limit(query, transport), query);
    writer.set_truncated();
    return send({buffer.data(), writer.finish()});
  }
  std::ranges::copy(upstream, buffer.begin());
  buffer[0] = static_cast<uint8_t>(query.id >> 8);
  buffer[1] = static_cast<uint8_t>(query.id);
  // The forwarder has checked that this very name stands there, but for its case; the only question is never
  // compressed.
  std::ranges::copy(query.name.wire(), buffer.begin() + kHeaderSize);
  send({buffer.data(), upstream.size()});
}

}  // namespace

Forwarded note_forward(const WorkerContext& context, size_t index, const Query& query) {
  Forwarded out{index, query, nullptr};
  if (context.answer.kind == Answer::Kind::chased)
    out.prefix = std::make_shared<const Answer>(context.answer);
  return out;
}

void forward(WorkerContext& context, const Forwarded& question, const Client& client,
             const SocketAddress& peer, Transport transport, const DomainFeed::Send& reply) {
  auto ticket = context.clients.begin(client);
  DomainFeed::Send send = reply;
  if (ticket) send = [reply, ticket](std::span<const uint8_t> answer) { reply(answer); };
  if (question.walk) return walk_on(context, question.walk, transport, send);
  if (context.domains.wants(question.query))
    send = [&domains = context.domains, query = question.query,
            next = send](std::span<const uint8_t> answer) { domains.deliver(query, answer, next); };
  auto refuse = [](const Query& query, Rcode rcode, const auto& send_to) {
    std::array<uint8_t, kMinUdpSize> buffer;
    send_to({buffer.data(), write_error(query, rcode, buffer)});
  };
  if (!context.forwarder.has_upstreams()) return refuse(question.query, Rcode::refused, send);
  if (!ticket) {
    context.counters.client_limited.add();
    return refuse(question.query, Rcode::servfail, send);
  }
  if (transport == Transport::udp && context.forwarder.is_own(peer.port, question.query.id)) {
    return refuse(question.query, Rcode::servfail, send);  // an "upstream" that is ourselves
  }
  auto done = [&context, refuse, transport, query = question.query, prefix = question.prefix,
               send](std::span<const uint8_t> upstream) {
    if (upstream.empty()) return refuse(query, Rcode::servfail, send);
    if (!prefix) return relay(query, upstream, transport, context.message, send);
    size_t size = write_chased(query, *prefix, upstream, transport, context.message);
    send({context.message.data(), size});
  };
  const Name& name = question.prefix ? question.prefix->chase : question.query.name;
  if (!context.forwarder.ask(name, question.query, transport, std::move(done))) {
    refuse(question.query, Rcode::servfail, send);
  }
}

/// One thread with its own sockets and its own forwarder.
class Server::Worker : Poller::Handler {
 public:
  const Counters& counters() const { return counters_; }

  static Expected<std::unique_ptr<Worker>> make(const ServerOptions& options, const PodLinks* links,
                                                const SharedZone& zone) {
    WEFT_TRY(auto poller, Poller::make());
    Fd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!bell) return fail_errno("eventfd", errno);
    return std::unique_ptr<Worker>(new Worker(std::move(poller), std::move(bell), options, links, zone));
  }

  ~Worker() override {
    if (!thread_.joinable()) return;
    stopping_ = true;
    wake();
    thread_.join();
  }

  /// Of any thread.
  void configure(ConfigPtr config) {
    {
      std::lock_guard lock(next_mutex_);
      next_config_ = std::move(config);
    }
    wake();
  }

  /// This thread keeps them up to date.
  void follow(PodLinks& links) { poller_->add(links.fd(), EPOLLIN, &links); }

  void listen(Sockets sockets) {
    udp_.push_back(std::make_unique<UdpListener>(context_, std::move(sockets.udp)));
    tcp_.push_back(std::make_unique<TcpListener>(context_, std::move(sockets.tcp)));
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
  Worker(std::unique_ptr<Poller> poller, Fd bell, const ServerOptions& options, const PodLinks* links,
         const SharedZone& zone)
      : poller_(std::move(poller)),
        bell_(std::move(bell)),
        search_(options.node_search),
        forwarder_(*poller_, {.upstreams = root_upstreams(*options.config)}),
        domains_(*poller_, {.socket = options.domains_socket}),
        context_{zone,  *poller_, forwarder_, domains_, counters_, options.config,
                 links, search_,  clients_,   0,        {},        std::vector<uint8_t>(kMaxMessage)} {
    poller_->add(bell_.get(), EPOLLIN, this);
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
    std::lock_guard lock(next_mutex_);
    if (next_config_) context_.config = std::move(next_config_);
    next_config_ = nullptr;
  }

  void run() {
    // Before the first question is answered.
    domains_.meet(kMeetAgent);
    while (!stopping_) {
      adopt();
      auto deadline = std::min(forwarder_.next_deadline(), domains_.next_deadline());
      for (const auto& tcp : tcp_) deadline = std::min(deadline, tcp->next_deadline());
      // "Never" minus now would not fit into a duration.
      poller_->run_once(std::min(deadline, Poller::Clock::now() + std::chrono::minutes(1)));
      forwarder_.expire(poller_->now());
      domains_.expire(poller_->now());
      for (const auto& tcp : tcp_) tcp->expire(poller_->now());
    }
  }

  std::unique_ptr<Poller> poller_;
  Fd bell_;  ///< rung to stop and to be configured
  Counters counters_;
  const std::vector<Name> search_;
  ClientLimits clients_;  ///< outlives the questions that are with upstreams
  Forwarder forwarder_;
  DomainFeed domains_;
  WorkerContext context_;
  std::vector<std::unique_ptr<UdpListener>> udp_;
  std::vector<std::unique_ptr<TcpListener>> tcp_;
  std::atomic<bool> stopping_ = false;
  std::mutex next_mutex_;
  ConfigPtr next_config_;  ///< to be taken before the next round
  std::thread thread_;
};

Expected<std::unique_ptr<Server>> Server::start(const ServerOptions& given, const SharedZone& zone) {
  ServerOptions options = given;
  if (!options.config) options.config = std::make_shared<const Config>();
  std::unique_ptr<Server> server(new Server);
  WEFT_CHECK(server->open(options, zone));
  for (auto& worker : server->workers_) worker->start();
  return server;
}

Expected<void> Server::open(const ServerOptions& options, const SharedZone& zone) {
  const bool shared = options.threads > 1;
  if (auto links = PodLinks::open())
    links_ = std::move(*links);
  else
    spdlog::warn("pods' links: {}; their search paths are not answered at once", links.error().message);
  addresses_ = options.listen;
  for (int i = 0; i < options.threads; ++i) {
    WEFT_TRY(auto worker, Worker::make(options, links_.get(), zone));
    if (i == 0 && links_) worker->follow(*links_);
    for (SocketAddress& address : addresses_) {
      WEFT_TRY(Sockets sockets, open_pair(address, shared));
      address = sockets.address;
      worker->listen(std::move(sockets));
    }
    workers_.push_back(std::move(worker));
  }
  return {};
}

void Server::configure(ConfigPtr config) {
  if (!config) config = std::make_shared<const Config>();
  for (auto& worker : workers_) worker->configure(config);
}

std::vector<const Counters*> Server::counters() const {
  std::vector<const Counters*> out;
  for (const auto& worker : workers_) out.push_back(&worker->counters());
  return out;
}

Server::Server() = default;
Server::~Server() = default;

}  // namespace weft::dns
