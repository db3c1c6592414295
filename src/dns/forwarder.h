#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "dns/codec.h"
#include "dns/poller.h"
#include "dns/responder.h"
#include "dns/socket.h"

namespace weft::dns {

/// Asks upstream servers. Each question has a socket of its own, so a random source port (RFC 5452), and a
/// random id; what comes back counts only from the address asked, with that id and that question. A server
/// that stays silent, refuses the packet or answers SERVFAIL or REFUSED is followed by the next; one that
/// failed is asked last for a while. One thread.
class Forwarder {
 public:
  struct Options {
    std::vector<SocketAddress> upstreams;
    std::chrono::milliseconds try_timeout{1000};
    int max_tries = 3;  ///< of one question, over all upstreams
    size_t max_in_flight = 1000;
    std::chrono::milliseconds avoid_after_failure{5000};
  };
  /// `message`: the upstream's response, verified, its id not the client's. Empty when no upstream answered.
  using Done = std::function<void(std::span<const uint8_t> message)>;

  Forwarder(Poller& poller, Options options);
  ~Forwarder();

  bool has_upstreams() const { return !options_.upstreams.empty(); }
  /// Asks for `name` what `query` wants to know (type, flags, EDNS size). A truncated answer is asked for
  /// again over TCP when the client itself came over TCP; otherwise the client gets the truncated one and
  /// decides. `done` is always called later, never from in here; false (and it is never called) when too many
  /// are in flight.
  bool ask(const Name& name, const Query& query, Transport client, Done done);
  /// Whether a query is one of our own come back: its source port and id are those of a question in flight.
  bool is_own(uint16_t source_port, uint16_t id) const {
    return sockets_.contains(socket_key(source_port, id));
  }

  /// When `expire` has something to do next.
  Poller::Clock::time_point next_deadline() const;
  void expire(Poller::Clock::time_point now);

 private:
  class Exchange;
  struct Upstream {
    SocketAddress address;
    Poller::Clock::time_point avoid_until{};
  };
  static uint32_t socket_key(uint16_t port, uint16_t id) { return static_cast<uint32_t>(port) << 16 | id; }
  uint16_t random_id();
  /// Upstreams in the order to be tried now.
  std::vector<size_t> order() const;
  void finish(Exchange& exchange, std::span<const uint8_t> message);

  Poller& poller_;
  Options options_;
  std::vector<Upstream> upstreams_;
  std::unordered_map<Exchange*, std::shared_ptr<Exchange>> exchanges_;
  std::set<std::pair<Poller::Clock::time_point, Exchange*>> deadlines_;
  std::unordered_map<uint32_t, Exchange*> sockets_;
  std::vector<uint16_t> randoms_;
  std::vector<uint8_t> buffer_;
};

}  // namespace weft::dns
