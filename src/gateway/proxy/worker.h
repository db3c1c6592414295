#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/proxy/access_log.h"
#include "gateway/proxy/compiled.h"
#include "gateway/proxy/listen_socket.h"
#include "gateway/proxy/loop.h"
#include "gateway/proxy/server_codec.h"
#include "gateway/proxy/stats.h"
#include "gateway/proxy/stream_record.h"
#include "gateway/proxy/stream_server.h"
#include "gateway/proxy/udp_relay.h"
#include "gateway/proxy/upstream.h"

namespace weft::gateway {

class Exchange;
class Mirroring;
class Session;

struct WorkerOptions {
  ServerLimits server;
  ClientLimits client;
  size_t max_connections = 50'000;  ///< of a worker; further ones are answered with 503
};

/// What a worker goes by: the snapshot, and where it counts. Requests keep the one they began with.
struct View {
  std::shared_ptr<const Compiled> compiled;
  std::unordered_map<const Listener*, ListenerCounters*> counters;
};

/// One thread's share of the proxy. All but the constructor and add_stats() runs on the loop's thread.
class Worker final : public StreamLog, private AcceptHandler, private Deferred, private TimerOwner {
 public:
  /// `log` may be null.
  Worker(std::unique_ptr<Loop> loop, const WorkerOptions& options, std::shared_ptr<const TlsServer> tls,
         AccessLog* log);
  ~Worker();

  void apply(std::shared_ptr<const Compiled> compiled);
  /// A listening socket for a port that is or will be among the snapshot's.
  void listen(uint16_t bind_port, Fd socket);
  /// The same of UDP, of UdpRelay::open().
  void listen_udp(uint16_t bind_port, Fd socket);
  bool listens(uint16_t bind_port) const { return sockets_.contains(bind_port); }
  /// No new connections; what has been accepted by the kernel is still answered, unless somebody else goes on
  /// with the same sockets (`handed_over`). Connections end when they are idle.
  void drain(bool handed_over);
  void add_stats(Stats& stats) const;
  /// What has gathered for the log goes to it.
  void flush_log();

  // For sessions, exchanges and streams.
  Loop& loop() { return *loop_; }
  const WorkerOptions& options() const { return options_; }
  const std::shared_ptr<const View>& view() const { return view_; }
  const TlsServer& tls() const { return *tls_; }
  Upstreams& upstreams() { return upstreams_; }
  std::minstd_rand& random() { return random_; }
  bool logs() const { return log_ != nullptr; }
  void log(const AccessEntry& entry);
  Exchange& take_exchange();
  /// The exchange is over; it is used again when whoever runs now has returned.
  void give_back(Exchange& exchange);
  Mirroring& add_mirroring(UpstreamHost& host);
  void on_mirroring_done(Mirroring& mirroring);
  void begin_session(Fd socket, const IpAddr& peer, uint16_t bind_port, bool tls);
  void on_session_done(Session& session);
  void on_stream_done() { connections_.sub(1); }
  void on_stream_over(const StreamRecord& record) override;
  /// Of a listener of the view; null, or of an older one: nobody's.
  ListenerCounters& counters_of(const Listener* listener) const;
  ListenerCounters& nobody() { return *nobody_; }  ///< counts what no listener took

 private:
  void on_accept(Fd socket, const IpAddr& peer, uint16_t bind_port) override;
  void on_deferred() override;
  void on_timer(Timer&) override;
  ListenerCounters& counters(const std::string& key);
  void close_unused_sockets();
  void end_unserved(const std::shared_ptr<const View>& before);
  void update_udp();

  std::unique_ptr<Loop> loop_;
  const WorkerOptions options_;
  std::shared_ptr<const TlsServer> tls_;
  AccessLog* log_;
  std::string log_lines_;
  std::minstd_rand random_{std::random_device{}()};
  std::shared_ptr<const View> view_;
  std::multimap<uint16_t, std::unique_ptr<ListenSocket>> sockets_;
  std::vector<std::unique_ptr<Session>> sessions_;
  StreamServer streams_{*this};
  std::map<uint16_t, std::unique_ptr<UdpRelay>> udp_;
  std::vector<std::unique_ptr<Mirroring>> mirrorings_;
  std::vector<Exchange*> over_;
  std::vector<std::unique_ptr<Exchange>> exchanges_, free_exchanges_;
  Upstreams upstreams_;  // its connections' events are exchanges
  Timer housekeeping_{*this};
  bool draining_ = false;

  mutable std::mutex counters_mutex_;  ///< of the map; the numbers are read and written without
  std::map<std::string, std::unique_ptr<ListenerCounters>> counters_;
  ListenerCounters* nobody_;
  Counter connections_, connections_total_, refused_;
};

}  // namespace weft::gateway
