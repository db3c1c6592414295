#include "podnet/cni_client.h"

#include <fmt/core.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace weft::podnet {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Unix = asio::local::stream_protocol;

namespace {

asio::awaitable<http::response<http::string_body>> exchange(const std::string& socket, std::string body,
                                                            std::chrono::milliseconds timeout) {
  beast::basic_stream<Unix> stream(co_await asio::this_coro::executor);
  stream.expires_after(timeout);
  co_await stream.async_connect(Unix::endpoint(socket), asio::use_awaitable);
  http::request<http::string_body> request(http::verb::post, "/cni", 11);
  request.set(http::field::host, "weft");
  request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response<http::string_body> response;
  co_await http::async_read(stream, buffer, response, asio::use_awaitable);
  co_return response;
}

CniResult<json::object> read_answer(const http::response<http::string_body>& response) {
  boost::system::error_code bad;
  auto value = json::parse(response.body(), bad);
  if (bad || !value.is_object()) {
    return std::unexpected(CniError{CniError::kDecode, "the agent's answer is no JSON object", {}});
  }
  if (response.result() == http::status::ok) return std::move(value.get_object());
  const auto* code = kube::member(value, "code");
  return std::unexpected(
      CniError{code && code->is_int64() ? static_cast<int>(code->get_int64()) : CniError::kFailed,
               std::string(kube::string_at(value, "msg")), std::string(kube::string_at(value, "details"))});
}

}  // namespace

CniResult<json::object> call_agent(const std::string& socket, const CniRequest& request,
                                   std::chrono::milliseconds timeout) {
  asio::io_context io(1);
  CniResult<json::object> result;
  asio::co_spawn(io, exchange(socket, json::serialize(to_json(request)), timeout),
                 [&](const std::exception_ptr& thrown, const http::response<http::string_body>& response) {
                   try {
                     if (thrown) std::rethrow_exception(thrown);
                     result = read_answer(response);
                   } catch (const std::exception& e) {
                     result = std::unexpected(CniError{
                         CniError::kTryAgain, fmt::format("weft agent at {}: {}", socket, e.what()), {}});
                   }
                 });
  io.run();
  return result;
}

std::vector<std::string> addresses_in(const json::object& result) {
  std::vector<std::string> out;
  const auto* ips = result.if_contains("ips");
  if (!ips || !ips->is_array()) return out;
  for (const auto& ip : ips->get_array()) {
    auto address = kube::string_at(ip, "address");
    out.emplace_back(address.substr(0, address.find('/')));
  }
  return out;
}

}  // namespace weft::podnet
