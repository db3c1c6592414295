#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/http/server.h"

namespace weft::dns {

/// What a DNS server serves over HTTP: /health, /ready and /metrics, each where it is wanted, all of one
/// address by one listener. On the io_context's thread.
class StatusPages {
 public:
  struct Options {
    std::optional<http::Address> health, ready, metrics;  ///< nothing: not served
    std::function<bool()> synced;
    std::function<std::vector<prometheus::MetricFamily>()> families;
  };
  static Expected<std::unique_ptr<StatusPages>> open(asio::io_context& io, Options options);
  ~StatusPages();
  StatusPages(const StatusPages&) = delete;
  StatusPages& operator=(const StatusPages&) = delete;

  /// From now on /health and /ready say 503: whoever looks is to send questions elsewhere, while those that
  /// come are still answered.
  void set_lame_duck() { lame_duck_ = true; }
  /// Serves the pages elsewhere, or no more. When that cannot be, all stays as it was.
  Expected<void> move(const std::optional<http::Address>& health, const std::optional<http::Address>& ready,
                      const std::optional<http::Address>& metrics);
  /// Ports in the order of the listeners: health's first.
  std::vector<uint16_t> ports() const;

 private:
  StatusPages(asio::io_context& io, Options options);
  using Listener = std::unique_ptr<http::Server::Listener>;
  Expected<Listener> listen(const http::Address& address);
  http::Answer answer(const http::Address& address, const http::Request& request) const;

  http::Server server_;
  Options options_;
  std::vector<std::pair<http::Address, Listener>> listeners_;
  bool lame_duck_ = false;
};

}  // namespace weft::dns
