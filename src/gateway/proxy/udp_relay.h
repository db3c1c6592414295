#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/fd.h"
#include "gateway/config/config.h"
#include "gateway/proxy/loop.h"
#include "gateway/proxy/stream_record.h"
#include "gateway/proxy/udp_batch.h"
#include "gateway/route/router.h"

namespace weft::gateway {

/// Passes datagrams between the clients of a UDP port and backends. A client (address and port) has a
/// session: its datagrams go to the same endpoint, from a socket of its own whose answers go back to it. A
/// session ends when nothing has passed for kIdleTime, when its endpoint refuses, or when the route no longer
/// leads there. What cannot be passed on at once is lost, as datagrams may be.
class UdpRelay final : private Pollable {
 public:
  static constexpr uint64_t kIdleTime = 60'000;  ///< ms
  static constexpr size_t kMostSessions = 8192;  ///< datagrams of further clients are dropped

  /// A bound, non-blocking socket for a relay: any address of IPv4 and IPv6, several with one port each for
  /// another thread (a client stays with one of them).
  static Expected<Fd> open(uint16_t port);

  /// `socket`: of open(). Serves nobody before update(). `log` is told of sessions that have ended.
  UdpRelay(Loop& loop, Fd socket, StreamLog& log);
  UdpRelay(const UdpRelay&) = delete;
  UdpRelay& operator=(const UdpRelay&) = delete;
  ~UdpRelay();

  /// The route of new sessions, and where they are counted. Sessions that it still leads to stay.
  void update(std::shared_ptr<const CompiledPort> port, std::shared_ptr<const Snapshot> snapshot,
              ListenerCounters& counters);
  /// Ends all sessions.
  void close(Flag why);
  size_t sessions() const { return sessions_.size(); }

 private:
  class Session;
  struct Client {
    sockaddr_in6 address;
    bool operator==(const Client& other) const;
  };
  struct ClientHash {
    size_t operator()(const Client& client) const;
  };

  void on_events(uint32_t events) override;
  bool serve_batch();
  Session* session_of(const msghdr& from);
  std::unique_ptr<Session> begin(const Client& client, const msghdr& from, Endpoint endpoint);
  void end(const Client& client, Flag why);

  Loop& loop_;
  Fd socket_;
  StreamLog& log_;
  std::shared_ptr<const CompiledPort> port_;
  std::shared_ptr<const Snapshot> snapshot_;
  ListenerCounters* counters_ = nullptr;
  const CompiledStream* stream_ = nullptr;
  uint64_t turn_ = 0;
  UdpBatch batch_;
  std::unordered_map<Client, std::unique_ptr<Session>, ClientHash> sessions_;
};

}  // namespace weft::gateway
