#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "kube/json.h"

namespace weft::kube {

/// Takes a watch's body apart: JSON objects one after the other, each a watch event, cut anywhere by the
/// network.
class WatchParser {
 public:
  /// Longest single event; a longer one is ErrorCode::too_large, so that a broken server cannot fill our
  /// memory.
  static constexpr size_t kMaxEvent = 64 << 20;

  /// Feeds bytes; `on_event` gets each event that is complete now (the whole {"type":…,"object":…}). After an
  /// error the parser is of no more use.
  Expected<void> feed(std::string_view bytes, const std::function<bool(json::value event)>& on_event);
  /// `on_event` returned false.
  bool stopped() const { return stopped_; }

 private:
  json::stream_parser parser_{{}, {.max_depth = 200}};
  size_t event_size_ = 0;
  bool stopped_ = false;
};

}  // namespace weft::kube
