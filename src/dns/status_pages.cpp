#include "dns/status_pages.h"

#include <prometheus/text_serializer.h>

#include <algorithm>

namespace weft::dns {

StatusPages::StatusPages(asio::io_context& io, Options options) : server_(io), options_(std::move(options)) {}
StatusPages::~StatusPages() = default;

Expected<std::unique_ptr<StatusPages>> StatusPages::open(asio::io_context& io, Options options) {
  std::unique_ptr<StatusPages> pages(new StatusPages(io, std::move(options)));
  const auto& wanted = pages->options_;
  WEFT_CHECK(pages->move(wanted.health, wanted.ready, wanted.metrics));
  return pages;
}

Expected<void> StatusPages::move(const std::optional<http::Address>& health,
                                 const std::optional<http::Address>& ready,
                                 const std::optional<http::Address>& metrics) {
  std::vector<std::pair<http::Address, Listener>> wanted;  // null: there is one already
  for (const auto& address : {health, ready, metrics}) {
    const auto is_it = [&](const auto& one) { return one.first == address; };
    if (!address || std::ranges::any_of(wanted, is_it)) continue;
    wanted.emplace_back(*address, nullptr);
    if (std::ranges::any_of(listeners_, is_it)) continue;
    WEFT_TRY(wanted.back().second, listen(*address));
  }
  for (auto& [address, listener] : wanted) {
    if (!listener)
      listener =
          std::move(std::ranges::find(listeners_, address, &decltype(wanted)::value_type::first)->second);
  }
  listeners_ = std::move(wanted);
  options_.health = health;
  options_.ready = ready;
  options_.metrics = metrics;
  return {};
}

Expected<StatusPages::Listener> StatusPages::listen(const http::Address& address) {
  // Connections end with the server, which this owns.
  auto handler =
      http::answer_with([this, address](const http::Request& request) { return answer(address, request); });
  auto listener = server_.listen(address, std::move(handler));
  if (!listener) return in_context("health, readiness and metrics", std::move(listener).error());
  return std::move(*listener);
}

std::vector<uint16_t> StatusPages::ports() const {
  std::vector<uint16_t> out;
  for (const auto& [address, listener] : listeners_) out.push_back(listener->port());
  return out;
}

http::Answer StatusPages::answer(const http::Address& address, const http::Request& request) const {
  auto text = [](unsigned status, std::string body) {
    return http::Answer{.status = status, .headers = {}, .body = std::move(body)};
  };
  if (request.path == "/health" && options_.health == address)
    return lame_duck_ ? text(503, "ends soon\n") : text(200, "ok\n");
  if (request.path == "/ready" && options_.ready == address) {
    if (lame_duck_) return text(503, "ends soon\n");
    return options_.synced() ? text(200, "ok\n")
                             : text(503, "not synced: Services, EndpointSlices, Namespaces\n");
  }
  if (request.path == "/metrics" && options_.metrics == address)
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
            .headers = {},
            .body = prometheus::TextSerializer().Serialize(options_.families())};
  std::string pages;
  if (options_.health == address) pages += " /health";
  if (options_.ready == address) pages += " /ready";
  if (options_.metrics == address) pages += " /metrics";
  return text(404, "not found: here are" + pages + "\n");
}

}  // namespace weft::dns
