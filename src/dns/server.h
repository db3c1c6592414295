#pragma once

#include <memory>
#include <vector>

#include "base/error.h"
#include "dns/config.h"
#include "dns/counters.h"
#include "dns/shared_zone.h"
#include "dns/socket.h"

namespace weft::dns {

class PodLinks;
class UpstreamBook;

struct ServerOptions {
  /// UDP and TCP on each. An unspecified address ("0.0.0.0", "::") is all addresses of its family; answers
  /// still leave from the address that was asked. Port 0: one that is free for both.
  std::vector<SocketAddress> listen;
  /// How it answers what is not its cluster's; null: such questions are REFUSED.
  ConfigPtr config;
  /// The search list of the node's own resolv.conf, which its pods' end with.
  std::vector<Name> node_search;
  /// Of the node's agent, who enforces policies that go by names; empty: nobody is told of answers.
  std::string domains_socket;
  /// Each upstream is asked a question that is told (log, counter) when it comes back here, whenever the
  /// upstreams change.
  bool find_loops = false;
  int threads = 1;  ///< more than one share each address (SO_REUSEPORT)
};

/// The DNS server: threads of its own, from start until destruction. Whoever changes the zone does it through
/// SharedZone.
class Server {
 public:
  /// All sockets are open when it returns; `zone` must outlive the server.
  static Expected<std::unique_ptr<Server>> start(const ServerOptions& options, const SharedZone& zone);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Where it listens, ports filled in.
  const std::vector<SocketAddress>& addresses() const { return addresses_; }

  /// Takes another configuration live: each thread has it from its next round of events on. Connections stay
  /// open; questions that an upstream was asked already end as they began. The cache starts anew when what
  /// leads to its answers has changed. One that cannot be used is not taken, by no thread. One caller at a
  /// time.
  Expected<void> configure(ConfigPtr config);
  /// Answers on these from now on and on no others, as `ServerOptions::listen`; addresses that it has already
  /// keep their sockets. When one cannot be had, all stays as it was. One caller at a time.
  Expected<void> listen(const std::vector<SocketAddress>& wanted);
  /// It ends soon, and says so to those who ask that (`Liveness` does); all are answered as before.
  void set_lame_duck();
  /// Of each thread; they live as long as the server. How many answers the cache has is as of this call.
  std::vector<const Counters*> counters() const;
  std::vector<const UpstreamBook*> upstreams() const;

 private:
  class Worker;
  struct Live;
  struct Shared;
  Server();
  Expected<void> open(const ServerOptions& options, const SharedZone& zone);

  std::vector<SocketAddress> asked_, addresses_;  ///< what was wanted, and what it became
  std::unique_ptr<PodLinks> links_;               ///< null: they cannot be read
  std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace weft::dns
