#include "kube/client/watch_parser.h"

namespace weft::kube {

Expected<void> WatchParser::feed(std::string_view bytes,
                                 const std::function<bool(json::value event)>& on_event) {
  while (!bytes.empty() && !stopped_) {
    if (event_size_ == 0) {
      auto start = bytes.find_first_not_of(" \t\r\n");
      if (start == std::string_view::npos) return {};
      bytes.remove_prefix(start);
    }
    boost::system::error_code error;
    size_t used = parser_.write_some(bytes.data(), bytes.size(), error);
    if (error) return fail(ErrorCode::invalid, "watch event: " + error.message());
    event_size_ += used;
    bytes.remove_prefix(used);
    if (parser_.done()) {
      auto event = parser_.release();
      parser_.reset();
      event_size_ = 0;
      if (!event.is_object()) return fail(ErrorCode::invalid, "watch event: not an object");
      stopped_ = !on_event(std::move(event));
    } else if (event_size_ > kMaxEvent) {
      return fail(ErrorCode::too_large, "watch event: longer than 64 MiB");
    }
  }
  return {};
}

}  // namespace weft::kube
