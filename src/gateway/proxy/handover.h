#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

/// How one process takes listening sockets over from the one before, so that no connection is refused or
/// reset: the descriptors themselves go through a Unix socket (SCM_RIGHTS), with all that waits to be
/// accepted. The old process stops accepting when the new one has begun.
namespace weft::gateway {

/// The process before, seen by the new one.
class Predecessor {
 public:
  /// Null: nobody is there. Asks for its sockets.
  static std::unique_ptr<Predecessor> find(const std::string& path);
  /// Its sockets for a port, which are the caller's from then on.
  std::vector<Fd> take(uint16_t port);
  /// We listen: it is to stop. What was not taken is closed.
  void release();

 private:
  Fd connection_;
  std::map<uint16_t, std::vector<Fd>> sockets_;
};

/// The old process's side: a thread that waits for the next one.
class HandoverServer {
 public:
  /// `sockets` are lent, to be given on; they live as long as the server. `on_handed_over` is called on its
  /// thread, once.
  static Expected<std::unique_ptr<HandoverServer>> start(std::string path,
                                                         std::function<void()> on_handed_over);
  ~HandoverServer();
  HandoverServer(const HandoverServer&) = delete;
  HandoverServer& operator=(const HandoverServer&) = delete;
  /// What is given on: copies of the descriptors.
  void set_sockets(uint16_t port, std::vector<Fd> sockets);
  void remove_sockets(uint16_t port);

 private:
  HandoverServer(std::string path, Fd socket, Fd stop, std::function<void()> on_handed_over);
  void run();
  bool hand_over(int connection);

  std::string path_;
  Fd socket_;
  Fd stop_;  ///< an eventfd
  std::function<void()> on_handed_over_;
  std::mutex mutex_;
  std::map<uint16_t, std::vector<Fd>> sockets_;
  std::thread thread_;
};

}  // namespace weft::gateway
