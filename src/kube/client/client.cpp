#include "kube/client/client.h"

#include <fmt/core.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>

#include "kube/client/connection_pool.h"
#include "kube/client/escape.h"
#include "kube/client/status_error.h"
#include "kube/client/watch_parser.h"

namespace weft::kube {

using asio::awaitable;
using namespace std::chrono_literals;

namespace {

constexpr int kPageSize = 1000;
/// How often a server that asks for patience is obeyed before its answer is an error.
constexpr int kMostRepeats = 3;
/// Schemas inside CustomResourceDefinitions nest deeper than Boost.JSON's default of 32.
constexpr json::parse_options kParseOptions{.max_depth = 200};

std::string with_query(std::string path, const std::string& query) {
  return query.empty() ? path : path + "?" + query;
}

/// The JSON of an answer's body; null when there is none or it is something else.
json::value parse_body(const std::string& body, bool& valid) {
  boost::system::error_code error;
  auto value = body.empty() ? json::value() : json::parse(body, error, {}, kParseOptions);
  valid = !error;
  if (error) value = nullptr;
  return value;
}

/// How long the server asks to wait before the request is sent again: Retry-After (RFC 9110, 10.2.3) in
/// seconds with 429 or 503.
std::optional<std::chrono::seconds> patience(unsigned status, std::string_view retry_after) {
  if ((status != 429 && status != 503) || retry_after.empty()) return std::nullopt;
  int seconds = 1;
  std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
  return std::chrono::seconds(std::clamp(seconds, 1, 30));
}

WatchEvent to_watch_event(json::value event) {
  auto type = string_at(event, "type");
  WatchEvent out{WatchEvent::Type::error, nullptr};
  if (type == "ADDED") out.type = WatchEvent::Type::added;
  if (type == "MODIFIED") out.type = WatchEvent::Type::modified;
  if (type == "DELETED") out.type = WatchEvent::Type::deleted;
  if (type == "BOOKMARK") out.type = WatchEvent::Type::bookmark;
  if (auto* object = event.get_object().if_contains("object")) out.object = std::move(*object);
  return out;
}

/// The rest of a refused stream's body, as far as it can be of interest.
awaitable<std::string> read_refusal(Connection& connection, std::chrono::milliseconds timeout) {
  constexpr size_t kEnough = 1 << 20;
  std::string body;
  while (body.size() < kEnough) {
    auto bytes = co_await connection.read_some(timeout);
    if (!bytes || bytes->empty()) break;
    body += *bytes;
  }
  co_return body;
}

}  // namespace

struct Client::Impl {
  Impl(asio::io_context& i, ClientConfig c)
      : io(i), config(std::move(c)), pool(std::make_shared<ConnectionPool>(io, config)) {}

  Expected<http::request<http::string_body>> make_request(std::string_view method,
                                                          const std::string& path) const {
    http::request<http::string_body> request(http::string_to_verb(method), config.base_path + path, 11);
    auto host = config.host.find(':') == std::string::npos ? config.host : "[" + config.host + "]";
    request.set(http::field::host, fmt::format("{}:{}", host, config.port));
    request.set(http::field::user_agent, "weft");
    request.set(http::field::accept, "application/json");
    std::string token = config.token;
    if (!config.token_file.empty()) {
      std::ifstream file(config.token_file);
      if (!file) return fail_errno("token file " + config.token_file, errno);
      token.assign(std::istreambuf_iterator<char>(file), {});
      token.erase(token.find_last_not_of(" \n\r\t") + 1);
    }
    if (!token.empty()) request.set(http::field::authorization, "Bearer " + token);
    return request;
  }

  awaitable<void> sleep(std::chrono::seconds time) {
    asio::steady_timer timer(io, time);
    co_await timer.async_wait(asio::use_awaitable);
  }

  asio::io_context& io;
  ClientConfig config;
  std::shared_ptr<ConnectionPool> pool;
};

Client::Client(asio::io_context& io, ClientConfig config)
    : impl_(std::make_unique<Impl>(io, std::move(config))) {}
Client::~Client() = default;
asio::io_context& Client::io() { return impl_->io; }
const ClientConfig& Client::config() const { return impl_->config; }

awaitable<Expected<json::value>> Client::request(std::string method, std::string path, json::value body,
                                                 std::string content_type) {
  WEFT_CO_TRY(auto request, impl_->make_request(method, path));
  if (!body.is_null()) {
    request.set(http::field::content_type, content_type);
    request.body() = json::serialize(body);
  }
  request.prepare_payload();
  // Sent twice, a POST may create two objects; the others come to the same.
  const bool repeatable = method != "POST";
  const auto name = fmt::format("{} {}", method, path);
  for (int attempt = 0;; ++attempt) {
    WEFT_CO_TRY(auto response,
                co_await impl_->pool->exchange(request, repeatable, impl_->config.request_timeout));
    bool valid = true;
    auto value = parse_body(response.body(), valid);
    if (response.result_int() < 400) {
      if (!valid) co_return fail(ErrorCode::internal, name + ": the answer is no JSON");
      co_return value;
    }
    auto wait = patience(response.result_int(), response[http::field::retry_after]);
    if (wait && attempt < kMostRepeats) {
      co_await impl_->sleep(*wait);
      continue;
    }
    if (!valid) value = response.body();
    co_return std::unexpected(status_error(static_cast<int>(response.result_int()), value, name));
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
  auto path = r.object_path(ns, name) + "?force=true&fieldManager=" + escape_query(field_manager);
  return request("PATCH", std::move(path), std::move(object), "application/apply-patch+yaml");
}

awaitable<Expected<json::value>> Client::remove(const ResourceInfo& r, std::string ns, std::string name,
                                                json::value options) {
  return request("DELETE", r.object_path(ns, name), std::move(options));
}

awaitable<Expected<json::value>> Client::list_page(const ResourceInfo& r, std::string ns, std::string query,
                                                   std::string continue_token) {
  auto full = fmt::format("limit={}{}{}", kPageSize, query.empty() ? "" : "&", query);
  if (!continue_token.empty()) full += "&continue=" + escape_query(continue_token);
  auto path = with_query(r.collection_path(ns), full);
  WEFT_CO_TRY(auto page, co_await request("GET", path));
  const auto* items = member(page, "items");
  if (!items || !(items->is_array() || items->is_null()))
    co_return fail(ErrorCode::internal, fmt::format("GET {}: the answer is no list", path));
  // A Go server writes an empty list as null.
  if (items->is_null()) page.as_object()["items"].emplace_array();
  co_return page;
}

awaitable<Expected<json::value>> Client::list(const ResourceInfo& r, std::string ns, std::string query) {
  WEFT_CO_TRY(auto whole, co_await list_page(r, ns, query, {}));
  while (true) {
    auto token = std::string(string_at(whole, "metadata.continue"));
    if (token.empty()) co_return whole;
    WEFT_CO_TRY(auto page, co_await list_page(r, ns, query, std::move(token)));
    auto& all = whole.as_object()["items"].as_array();
    for (auto& item : page.as_object()["items"].as_array()) all.push_back(std::move(item));
    whole.as_object()["metadata"] = page.as_object()["metadata"];
  }
}

awaitable<Expected<void>> Client::watch(const ResourceInfo& r, std::string ns, std::string query,
                                        std::function<bool(WatchEvent)> on_event) {
  auto path = with_query(r.collection_path(ns), "watch=true" + (query.empty() ? "" : "&" + query));
  WEFT_CO_TRY(auto request, impl_->make_request("GET", path));
  WEFT_CO_TRY(auto connection, co_await impl_->pool->open());
  WEFT_CO_TRY(auto head, co_await connection->start_stream(request, impl_->config.request_timeout));
  if (head.result_int() >= 400) {
    auto body = co_await read_refusal(*connection, impl_->config.request_timeout);
    if (auto wait = patience(head.result_int(), head[http::field::retry_after])) co_await impl_->sleep(*wait);
    bool valid = true;
    auto status = parse_body(body, valid);
    if (!valid) status = body;
    co_return std::unexpected(status_error(static_cast<int>(head.result_int()), status, "watch " + path));
  }
  WatchParser parser;
  auto deliver = [&](json::value event) { return on_event(to_watch_event(std::move(event))); };
  while (true) {
    WEFT_CO_TRY(auto bytes, co_await connection->read_some(impl_->config.watch_silence));
    if (bytes.empty()) co_return Expected<void>{};
    WEFT_CO_CHECK(parser.feed(bytes, deliver));
    if (parser.stopped()) co_return Expected<void>{};
  }
}

}  // namespace weft::kube
