#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "gateway/config/config.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/compiled.h"
#include "gateway/proxy/handover.h"
#include "gateway/proxy/stats.h"
#include "gateway/proxy/worker.h"

namespace weft::gateway {

struct ProxyOptions {
  unsigned threads = 1;
  WorkerOptions worker;
  /// Where lines of the access log go; empty: there is none.
  Fd access_log;
  /// Path of a Unix socket by which the next process of this kind takes the listening sockets over; "": none
  /// does.
  std::string handover;
  /// Called (on a thread of the proxy) when it has: no new connections come here, and drain() is to follow.
  std::function<void()> on_handed_over;
};

/// The data plane: listens where a snapshot says, and forwards. All functions are for one thread, its
/// owner's.
class Proxy {
 public:
  /// Starts the workers; takes listening sockets over from a process that runs with the same `handover`.
  static Expected<std::unique_ptr<Proxy>> start(ProxyOptions options);
  /// Connections end at once.
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  /// Makes the snapshot valid for requests that come from now on; returns when all workers go by it. No
  /// connection ends because of it, unless its port went. What could not be used (a port that somebody else
  /// has, a certificate that cannot be read) is told, and tried again with the next snapshot.
  std::vector<Error> apply(std::shared_ptr<const Snapshot> snapshot);
  /// Stops listening, answers what has come, and waits for the connections to end, `at_most` that long.
  void drain(std::chrono::milliseconds at_most);
  Stats stats() const;

 private:
  struct Thread {
    std::unique_ptr<Worker> worker;
    std::thread thread;
  };

  explicit Proxy(ProxyOptions options);
  /// Runs `job` on each worker's loop and waits for all.
  void on_workers(const std::function<void(Worker&, size_t)>& job);
  /// Listening sockets for a port, at least one for each worker.
  Expected<std::vector<Fd>> sockets(uint16_t port);
  /// UDP has nothing that waits in a socket, so that the next process opens its own beside ours.
  void listen_udp(const Compiled& compiled, std::vector<Error>& errors);
  void begin_handover(std::vector<Error>& errors);
  void stop_listening(bool handed_over);

  ProxyOptions options_;
  std::unique_ptr<AccessLog> log_;
  std::shared_ptr<const TlsServer> tls_;
  SnapshotCompiler compiler_;
  std::vector<Thread> threads_;
  bool first_ = true;         ///< no snapshot has come yet
  std::set<uint16_t> ports_;  ///< that are listened on
  std::set<uint16_t> udp_ports_;
  std::unique_ptr<Predecessor> predecessor_;
  std::unique_ptr<HandoverServer> handover_;
};

}  // namespace weft::gateway
