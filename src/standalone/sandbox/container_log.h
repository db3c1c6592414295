#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace weft::standalone::sandbox {

/// A container's log file in the format of the CRI: "2026-01-02T03:04:05.678901234Z stdout F text\n" a line;
/// tag P for a piece of a line longer than 16 KiB. Bounded: past `max_bytes` the file becomes PATH.1 and a
/// new one begins.
class LogFile {
 public:
  static Expected<LogFile> open(std::string path, uint64_t max_bytes = 10 << 20);

  /// Bytes of one stream (0 stdout, 1 stderr), cut anywhere. Whole lines are written at once; an unfinished
  /// one waits for its end.
  void write(int stream, std::string_view bytes);
  /// Writes unfinished lines as they are.
  void finish();

 private:
  LogFile(std::string path, uint64_t max_bytes, Fd fd, uint64_t size)
      : path_(std::move(path)), max_bytes_(max_bytes), fd_(std::move(fd)), size_(size) {}
  void append(std::string& out, std::string_view now, int stream, char tag, std::string_view text);
  void flush(const std::string& out);

  std::string path_;
  uint64_t max_bytes_;
  Fd fd_;
  uint64_t size_;
  std::string pending_[2];
};

/// Moves what a container writes from its two pipes into a log file, on an event loop.
class LogPump {
 public:
  LogPump(boost::asio::io_context& io, LogFile file, Fd out, Fd err);
  ~LogPump();
  LogPump(const LogPump&) = delete;
  LogPump& operator=(const LogPump&) = delete;
  /// Takes what is still in the pipes and stops. Does not wait for writers that live on.
  void drain();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft::standalone::sandbox
