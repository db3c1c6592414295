#include "dns/status_pages.h"

#include <prometheus/text_serializer.h>

#include <algorithm>

namespace weft::dns {

StatusPages::StatusPages(asio::io_context& io, Options options) : server_(io), options_(std::move(options)) {}
StatusPages::~StatusPages() = default;

Expected<std::unique_ptr<StatusPages>> StatusPages::open(asio::io_context& io, Options options) {
  std::unique_ptr<StatusPages> pages(new StatusPages(io, std::move(options)));
  std::vector<http::Address> addresses;
  for (const auto& address : {pages->options_.health, pages->options_.ready, pages->options_.metrics}) {
    if (!address || std::ranges::find(addresses, *address) != addresses.end()) continue;
    addresses.push_back(*address);
    WEFT_CHECK(pages->listen(*address));
  }
  return pages;
}

Expected<void> StatusPages::listen(const http::Address& address) {
  // Connections end with the server, which this owns.
  auto handler =
      http::answer_with([this, address](const http::Request& request) { return answer(address, request); });
  auto listener = server_.listen(address, std::move(handler));
  if (!listener) return in_context("health, readiness and metrics", std::move(listener).error());
  listeners_.push_back(std::move(*listener));
  return {};
}

std::vector<uint16_t> StatusPages::ports() const {
  std::vector<uint16_t> out;
  for (const auto& listener : listeners_) out.push_back(listener->port());
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
