#include "gateway/proxy/udp_relay.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "gateway/proxy/listen_socket.h"
#include "gateway/proxy/stream_targets.h"

namespace weft::gateway {
namespace {

/// Batches in a row before other sockets have their turn.
constexpr int kBatchesARow = 4;

/// The address that a datagram was sent to, as that which its answers come from. The way back is the routing
/// table's choice, except for link-local addresses, which mean nothing without their device.
in6_pktinfo local_of(const msghdr& message) {
  in6_pktinfo info{};
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(const_cast<msghdr*>(&message), c))
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
  if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
  return info;
}

/// A connected socket to the endpoint; empty: the system has none.
Fd connect_to(const Endpoint& to) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(to.port);
  std::ranges::copy(to.addr.mapped(), address.sin6_addr.s6_addr);
  Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int off = 0;
  if (!socket || setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0 ||
      ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return {};
  return socket;
}

}  // namespace

bool UdpRelay::Client::operator==(const Client& other) const {
  return address.sin6_port == other.address.sin6_port &&
         address.sin6_scope_id == other.address.sin6_scope_id &&
         std::memcmp(&address.sin6_addr, &other.address.sin6_addr, sizeof address.sin6_addr) == 0;
}

size_t UdpRelay::ClientHash::operator()(const Client& client) const {
  std::string_view addr(reinterpret_cast<const char*>(&client.address.sin6_addr),
                        sizeof client.address.sin6_addr);
  return std::hash<std::string_view>{}(addr) + client.address.sin6_port * 0x9e3779b97f4a7c15;
}

class UdpRelay::Session final : private Pollable, private TimerOwner {
 public:
  Session(UdpRelay& relay, const Client& client, const in6_pktinfo& local, Endpoint endpoint, Fd socket,
          StreamRecord record)
      : relay_(relay),
        client_(client),
        local_(local),
        endpoint_(std::move(endpoint)),
        socket_(std::move(socket)),
        record_(std::move(record)) {
    relay_.loop_.set_timer(timer_, kIdleTime);
  }
  bool start() { return relay_.loop_.watch_level(socket_.get(), *this); }
  /// No more events.
  void stop(Flag why) {
    timer_.clear();
    socket_.reset();
    record_.fails(why);
    record_.end(relay_.loop_.now());
    relay_.log_.on_stream_over(record_);
  }
  void received(uint64_t bytes) { record_.received(bytes); }
  int fd() const { return socket_.get(); }
  const Endpoint& endpoint() const { return endpoint_; }
  void moved() { relay_.loop_.set_timer(timer_, kIdleTime); }

 private:
  void on_events(uint32_t) override {
    for (int i = 0; i < kBatchesARow && socket_ && answer_batch(); ++i) {
    }
  }
  void on_timer(Timer&) override { relay_.end(client_, Flag::none); }

  /// True when there may be more.
  bool answer_batch() {
    UdpBatch& batch = relay_.batch_;
    batch.prepare(false);
    int count = batch.receive(socket_.get());
    if (count < 0) {
      // Also says that an earlier datagram was refused.
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        relay_.end(client_, Flag::connect_failed);
      return false;
    }
    moved();
    for (int i = 0; i < count; ++i) {
      record_.sent(batch.messages[i].msg_len);
      address_to_client(batch, i);
    }
    batch.send(relay_.socket_.get(), 0, static_cast<size_t>(count));
    return count == static_cast<int>(UdpBatch::kCount);
  }

  void address_to_client(UdpBatch& batch, size_t i) {
    msghdr& message = batch.messages[i].msg_hdr;
    message.msg_name = &client_.address;
    message.msg_namelen = sizeof client_.address;
    message.msg_flags = 0;
    message.msg_control = batch.controls[i].bytes.data();
    message.msg_controllen = batch.controls[i].bytes.size();
    cmsghdr* control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = IPPROTO_IPV6;
    control->cmsg_type = IPV6_PKTINFO;
    control->cmsg_len = CMSG_LEN(sizeof local_);
    std::memcpy(CMSG_DATA(control), &local_, sizeof local_);
  }

  UdpRelay& relay_;
  Client client_;
  in6_pktinfo local_;
  Endpoint endpoint_;
  Fd socket_;
  StreamRecord record_;
  Timer timer_{*this};
};

Expected<Fd> UdpRelay::open(uint16_t port) {
  Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket", errno);
  int on = 1;
  int off = 0;
  setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("bind UDP port " + std::to_string(port), errno);
  return socket;
}

UdpRelay::UdpRelay(Loop& loop, Fd socket, StreamLog& log)
    : loop_(loop), socket_(std::move(socket)), log_(log) {
  (void)loop_.watch_level(socket_.get(), *this);
}

UdpRelay::~UdpRelay() = default;

void UdpRelay::update(std::shared_ptr<const CompiledPort> port, std::shared_ptr<const Snapshot> snapshot,
                      ListenerCounters& counters) {
  port_ = std::move(port);
  counters_ = &counters;
  snapshot_ = std::move(snapshot);
  const CompiledListener* listener = port_->listener("");
  stream_ = listener ? listener->stream("") : nullptr;
  std::vector<Client> gone;
  for (const auto& [client, session] : sessions_)
    if (!stream_ || !is_stream_target(*stream_->route, *snapshot_, session->endpoint()))
      gone.push_back(client);
  for (const Client& client : gone) end(client, Flag::none);
}

void UdpRelay::close(Flag why) {
  while (!sessions_.empty()) {
    const Client client = sessions_.begin()->first;
    end(client, why);
  }
}

void UdpRelay::on_events(uint32_t) {
  for (int i = 0; i < kBatchesARow && serve_batch(); ++i) {
  }
}

bool UdpRelay::serve_batch() {
  UdpBatch& batch = batch_;
  batch.prepare(true);
  int count = batch.receive(socket_.get());
  if (count <= 0) return false;
  // Those in a row from one client go out together.
  size_t first = 0;
  Session* to = nullptr;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    msghdr& message = batch.messages[i].msg_hdr;
    Session* session = (message.msg_flags & MSG_TRUNC) ? nullptr : session_of(message);
    if (session) session->received(batch.messages[i].msg_len);
    message.msg_name = nullptr;
    message.msg_namelen = 0;
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    message.msg_flags = 0;
    if (session == to) continue;
    if (to) batch.send(to->fd(), first, i - first);
    to = session;
    first = i;
  }
  if (to) batch.send(to->fd(), first, static_cast<size_t>(count) - first);
  return count == static_cast<int>(UdpBatch::kCount);
}

/// nullptr: the datagram is dropped.
UdpRelay::Session* UdpRelay::session_of(const msghdr& from) {
  Client client{};
  if (from.msg_namelen < sizeof client.address) return nullptr;
  std::memcpy(&client.address, from.msg_name, sizeof client.address);
  if (auto known = sessions_.find(client); known != sessions_.end()) {
    known->second->moved();
    return known->second.get();
  }
  if (!counters_ || sessions_.size() >= kMostSessions) return nullptr;
  // What nobody takes is counted by the datagram, not logged.
  auto drop = [this](Flag why) {
    counters_->count(why);
    return nullptr;
  };
  if (!stream_) return drop(Flag::no_route);
  StreamTargets targets = stream_targets(*stream_, *snapshot_, turn_++);
  if (!targets.backend) return drop(Flag::no_backend);
  if (targets.endpoints.empty()) return drop(Flag::no_endpoint);
  for (Endpoint& endpoint : targets.endpoints) {
    auto session = begin(client, from, std::move(endpoint));
    if (session) return sessions_.emplace(client, std::move(session)).first->second.get();
  }
  return drop(Flag::connect_failed);
}

std::unique_ptr<UdpRelay::Session> UdpRelay::begin(const Client& client, const msghdr& from,
                                                   Endpoint endpoint) {
  Fd socket = connect_to(endpoint);
  if (!socket) return nullptr;
  StreamRecord record;
  record.begin({.port = port_,
                .listener = &port_->listener("")->config(),
                .route = stream_->route.get(),
                .protocol = Protocol::udp,
                .client = address_of(client.address.sin6_addr),
                .server_name = {}},
               *counters_, loop_.now());
  record.tries(endpoint);
  auto session = std::make_unique<Session>(*this, client, local_of(from), std::move(endpoint),
                                           std::move(socket), std::move(record));
  if (session->start()) return session;
  session->stop(Flag::connect_failed);
  return nullptr;
}

/// `client` may be the session's own.
void UdpRelay::end(const Client& client, Flag why) {
  auto at = sessions_.find(client);
  if (at == sessions_.end()) return;
  at->second->stop(why);
  loop_.dispose(std::move(at->second));
  sessions_.erase(at);
}

}  // namespace weft::gateway
