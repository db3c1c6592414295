#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "datapath/udp_destroy.h"
#include "service/plan.h"

namespace weft::service {

/// Which connected UDP sockets have to end because their backend does not serve any more, and when. A backend
/// that is gone answers nothing, so its sockets end at once. One that is merely not ready may well answer
/// what is on its way to it (a server that is told to end does): its sockets have kGrace for that. Pure but
/// for what it remembers. Not thread-safe.
class StaleUdp {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kGrace{500};

  enum class Backend : uint8_t { serves, not_ready, gone };
  /// Of an address and port that a socket of one of this set's frontends is connected to. While nothing
  /// serves at all, each counts as serving: its sockets are as well off with what they have.
  static Backend standing(const BackendSet& set, std::span<const SlicePtr> slices, const IpAddr& addr,
                          uint16_t port);
  struct Found {
    std::vector<datapath::ConnectedUdp> to_end;
    std::optional<Clock::time_point> look_again;  ///< when the next one's time is over
  };
  /// `sockets`: all of the node's, each with its cookie.
  Found look(const std::vector<std::pair<uint64_t, weft_peer>>& sockets,
             const std::function<Backend(const weft_peer&)>& backend_of, Clock::time_point now);

 private:
  std::unordered_map<uint64_t, Clock::time_point> ends_at_;  ///< by cookie; those that have time
};

}  // namespace weft::service
