#include "kube/client/client.h"

#include <fmt/core.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fstream>
#include <iterator>

#include "kube/client/connection.h"
#include "kube/client/status_error.h"
#include "kube/client/watch_parser.h"

namespace weft::kube {

using asio::awaitable;
using namespace std::chrono_literals;

namespace {

constexpr auto kRequestTimeout = 60s;
constexpr auto kConnectTimeout = 10s;
/// A watch hears at least a bookmark a minute from any server; silence for longer is a dead connection.
constexpr auto kWatchSilence = 150s;
constexpr size_t kMaxIdle = 8;
constexpr int kPageSize = 5000;

std::string with_query(std::string path, const std::string& query) {
  return query.empty() ? path : path + "?" + query;
}

}  // namespace

struct Client::Impl {
  Impl(asio::io_context& i, ClientConfig c) : io(i), config(std::move(c)) {}

  awaitable<Expected<std::unique_ptr<Connection>>> connect() {
    if (!tls) {
      WEFT_CO_TRY(tls, make_tls_context(config));
    }
    co_return co_await Connection::open(io, *tls, config, kConnectTimeout);
  }

  http::request<http::string_body> make_request(std::string_view method, const std::string& path) const {
    http::request<http::string_body> request(http::string_to_verb(method), config.base_path + path, 11);
    request.set(http::field::host, fmt::format("{}:{}", config.host, config.port));
    request.set(http::field::user_agent, "weft");
    request.set(http::field::accept, "application/json");
    std::string token = config.token;
    if (!config.token_file.empty()) {
      std::ifstream file(config.token_file);
      token.assign(std::istreambuf_iterator<char>(file), {});
      token.erase(token.find_last_not_of(" \n\r\t") + 1);
    }
    if (!token.empty()) request.set(http::field::authorization, "Bearer " + token);
    return request;
  }

  /// Sends on an idle connection or a new one. A connection that the server had closed while it was idle is
  /// no failure: the request is sent once more on a new one.
  awaitable<Expected<http::response<http::string_body>>> send(http::request<http::string_body> request) {
    while (true) {
      bool reused = !idle.empty();
      std::unique_ptr<Connection> connection;
      if (reused) {
        connection = std::move(idle.back());
        idle.pop_back();
      } else {
        WEFT_CO_TRY(connection, co_await connect());
      }
      auto response = co_await connection->exchange(request, kRequestTimeout);
      if (!response && reused && connection->failed_before_answer()) continue;
      if (!response) co_return in_context(fmt::format("{}:{}", config.host, config.port), response.error());
      if (response->keep_alive() && idle.size() < kMaxIdle) idle.push_back(std::move(connection));
      co_return std::move(*response);
    }
  }

  asio::io_context& io;
  ClientConfig config;
  std::shared_ptr<asio::ssl::context> tls;
  std::vector<std::unique_ptr<Connection>> idle;
};

Client::Client(asio::io_context& io, ClientConfig config)
    : impl_(std::make_unique<Impl>(io, std::move(config))) {}
Client::~Client() = default;
asio::io_context& Client::io() { return impl_->io; }
const ClientConfig& Client::config() const { return impl_->config; }

awaitable<Expected<json::value>> Client::request(std::string method, std::string path, json::value body,
                                                 std::string content_type) {
  auto request = impl_->make_request(method, path);
  if (!body.is_null()) {
    request.set(http::field::content_type, content_type);
    request.body() = json::serialize(body);
  }
  request.prepare_payload();
  for (int attempt = 0;; ++attempt) {
    WEFT_CO_TRY(auto response, co_await impl_->send(request));
    boost::system::error_code error;
    auto value = response.body().empty() ? json::value() : json::parse(response.body(), error);
    if (response.result_int() < 400) {
      if (error)
        co_return fail(ErrorCode::internal, fmt::format("{} {}: the answer is no JSON", method, path));
      co_return value;
    }
    // A server that asks for patience is obeyed a few times, as client-go does.
    auto retry_after = response[http::field::retry_after];
    bool busy = response.result_int() == 429 || response.result_int() == 503;
    if (busy && !retry_after.empty() && attempt < 3) {
      asio::steady_timer timer(
          impl_->io, std::chrono::seconds(std::clamp(std::atoi(std::string(retry_after).c_str()), 1, 30)));
      co_await timer.async_wait(asio::use_awaitable);
      continue;
    }
    co_return std::unexpected(status_error(static_cast<int>(response.result_int()),
                                           error ? json::value() : value,
                                           fmt::format("{} {}", method, path)));
  }
}

awaitable<Expected<json::value>> Client::get(const ResourceInfo& r, std::string ns, std::string name) {
  return request("GET", r.object_path(ns, name));
}

awaitable<Expected<json::value>> Client::create(const ResourceInfo& r, std::string ns, json::object object) {
  return request("POST", r.collection_path(ns), std::move(object));
}

awaitable<Expected<json::value>> Client::update(const ResourceInfo& r, std::string ns, std::string name,
                                                json::object object, std::string subresource) {
  auto path = r.object_path(ns, name) + (subresource.empty() ? "" : "/" + subresource);
  return request("PUT", std::move(path), std::move(object));
}

awaitable<Expected<json::value>> Client::merge_patch(const ResourceInfo& r, std::string ns, std::string name,
                                                     json::value patch, std::string subresource) {
  auto path = r.object_path(ns, name) + (subresource.empty() ? "" : "/" + subresource);
  return request("PATCH", std::move(path), std::move(patch), "application/merge-patch+json");
}

awaitable<Expected<json::value>> Client::apply(const ResourceInfo& r, std::string ns, std::string name,
                                               json::value object, std::string field_manager) {
  auto path = r.object_path(ns, name) + "?force=true&fieldManager=" + field_manager;
  return request("PATCH", std::move(path), std::move(object), "application/apply-patch+yaml");
}

awaitable<Expected<json::value>> Client::remove(const ResourceInfo& r, std::string ns, std::string name,
                                                json::value options) {
  return request("DELETE", r.object_path(ns, name), std::move(options));
}

awaitable<Expected<json::value>> Client::list(const ResourceInfo& r, std::string ns, std::string query) {
  auto base = with_query(r.collection_path(ns),
                         fmt::format("limit={}{}{}", kPageSize, query.empty() ? "" : "&", query));
  WEFT_CO_TRY(auto whole, co_await request("GET", base));
  while (true) {
    auto token = std::string(string_at(whole, "metadata.continue"));
    if (token.empty()) co_return whole;
    WEFT_CO_TRY(auto page, co_await request("GET", base + "&continue=" + token));
    auto* items = page.is_object() ? page.get_object().if_contains("items") : nullptr;
    if (!items || !items->is_array()) co_return fail(ErrorCode::internal, base + ": a page without items");
    auto& all = whole.as_object()["items"].as_array();
    for (auto& item : items->get_array()) all.push_back(std::move(item));
    whole.as_object()["metadata"] = page.as_object()["metadata"];
  }
}

awaitable<Expected<void>> Client::watch(const ResourceInfo& r, std::string ns, std::string query,
                                        std::function<bool(WatchEvent)> on_event) {
  auto path = with_query(r.collection_path(ns), "watch=true" + (query.empty() ? "" : "&" + query));
  WEFT_CO_TRY(auto connection, co_await impl_->connect());
  WEFT_CO_TRY(auto head,
              co_await connection->start_stream(impl_->make_request("GET", path), kRequestTimeout));
  WatchParser parser;
  std::string refusal;
  auto deliver = [&](json::value event) {
    auto type = string_at(event, "type");
    WatchEvent out{WatchEvent::Type::error, nullptr};
    if (type == "ADDED") out.type = WatchEvent::Type::added;
    if (type == "MODIFIED") out.type = WatchEvent::Type::modified;
    if (type == "DELETED") out.type = WatchEvent::Type::deleted;
    if (type == "BOOKMARK") out.type = WatchEvent::Type::bookmark;
    if (auto* object = event.get_object().if_contains("object")) out.object = std::move(*object);
    return on_event(std::move(out));
  };
  while (true) {
    WEFT_CO_TRY(auto bytes, co_await connection->read_some(kWatchSilence));
    if (head.result_int() >= 400) {
      refusal += bytes;
      if (!bytes.empty() && refusal.size() < (1U << 20)) continue;
      boost::system::error_code error;
      auto status = json::parse(refusal, error);
      co_return std::unexpected(
          status_error(static_cast<int>(head.result_int()), error ? json::value() : status, "watch " + path));
    }
    if (bytes.empty()) co_return Expected<void>{};
    WEFT_CO_CHECK(parser.feed(bytes, deliver));
    if (parser.stopped()) co_return Expected<void>{};
  }
}

}  // namespace weft::kube
