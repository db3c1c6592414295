#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "gateway/config/config.h"
#include "gateway/proxy/flag.h"

namespace weft::gateway {

/// A line of the access log: a request, or a stream.
struct AccessEntry {
  int64_t time_ms = 0;        ///< since 1970
  std::string_view protocol;  ///< of a stream: "tcp", "tls", "udp"
  std::string_view client;
  std::string_view method, authority, path;
  std::string_view gateway, listener;  ///< "" where none took it
  const Why* route = nullptr;          ///< the route and its rule; null: none took it
  const Endpoint* backend = nullptr;   ///< the last that was tried; null: none
  uint16_t status = 0;                 ///< of a request; 499: the client left before
  uint64_t bytes_in = 0, bytes_out = 0;
  uint64_t duration_ms = 0;
  Flag flag = Flag::none;
};

/// Now, as a line has it.
int64_t wall_clock_ms();

/// Appends a JSON object and a new line.
void append_json(const AccessEntry& entry, std::string& to);

/// Writes what workers have gathered, on a thread of its own: a slow disk or pipe stops no worker. What comes
/// faster than it can be written is lost, and counted.
class AccessLog {
 public:
  explicit AccessLog(Fd file);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  /// Whole lines. On any thread.
  void write(std::string lines);

 private:
  void run();

  Fd file_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> waiting_;
  uint64_t lost_ = 0;  ///< bytes
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace weft::gateway
