#include "base/http/client.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "base/http/request.h"

namespace weft::http {

namespace beast = boost::beast;
using asio::as_tuple;
using asio::use_awaitable;

namespace {

constexpr uint64_t kMaxBody = 1 << 20;

std::unexpected<Error> no_answer(const Address& address, const boost::system::error_code& error) {
  return fail(ErrorCode::unavailable, "no answer from " + address.str() + ": " +
                                          (error == beast::error::timeout ? "timed out" : error.message()));
}

}  // namespace

asio::awaitable<Expected<Response>> get(asio::io_context& io, Address address, std::string path,
                                        std::chrono::milliseconds patience) {
  beast::tcp_stream stream(io);
  stream.expires_after(patience);
  asio::ip::tcp::endpoint where(asio::ip::make_address(address.ip.str()), address.port);
  auto [refused] = co_await stream.async_connect(where, as_tuple(use_awaitable));
  if (refused) co_return no_answer(address, refused);
  beast::http::request<beast::http::empty_body> request(beast::http::verb::get, path, 11);
  request.set(beast::http::field::host, address.str());
  request.keep_alive(false);
  auto [unsent, sent] = co_await beast::http::async_write(stream, request, as_tuple(use_awaitable));
  if (unsent) co_return no_answer(address, unsent);
  beast::flat_buffer buffer;
  beast::http::response_parser<beast::http::string_body> parser;
  parser.header_limit(kMaxHead);
  parser.body_limit(kMaxBody);
  auto [cut, got] = co_await beast::http::async_read(stream, buffer, parser, as_tuple(use_awaitable));
  if (cut) co_return no_answer(address, cut);
  auto message = parser.release();
  co_return Response{message.result_int(), std::move(message.body())};
}

}  // namespace weft::http
