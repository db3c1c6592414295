#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kube/time.h"

namespace weft::standalone {

/// Which lines of a container's log are wanted, and how.
struct LogOptions {
  std::optional<uint64_t> tail_lines;
  std::optional<kube::TimePoint> since;
  bool timestamps = false;
  std::optional<uint64_t> limit_bytes;
};

/// Turns a log file's lines ("<RFC 3339> stdout|stderr F|P text"; P: the line goes on in the next entry) into
/// what the container wrote, piece by piece.
class LogFilter {
 public:
  explicit LogFilter(LogOptions options) : options_(options) {}
  /// The whole lines of `bytes` that are wanted; a last line without its end is kept for the next call.
  std::string feed(std::string_view bytes);
  /// Nothing more is wanted.
  bool full() const { return options_.limit_bytes && written_ >= *options_.limit_bytes; }

 private:
  void line(std::string_view entry, std::string& out);

  LogOptions options_;
  std::string rest_;
  bool continued_ = false;  ///< the line before was a P
  uint64_t written_ = 0;
};

/// Where the last `lines` lines of a log begin, as an offset into the whole of it.
size_t tail_offset(std::string_view log, uint64_t lines);

}  // namespace weft::standalone
