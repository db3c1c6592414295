#include "podnet/cni_server.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace weft::podnet {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using Unix = asio::local::stream_protocol;
using Stream = beast::basic_stream<Unix>;

constexpr size_t kBodyLimit = 64 << 10;
constexpr auto kTimeout = std::chrono::seconds(5);

struct CniServer::Impl {
  Impl(asio::io_context& i, Handler h) : io(i), handler(std::move(h)), acceptor(i) {}

  http::response<http::string_body> answer(const http::request<http::string_body>& request) const {
    http::response<http::string_body> out(http::status::ok, request.version());
    out.set(http::field::content_type, "application/json");
    auto parsed = parse_request(request.body());
    auto result = parsed ? handler(*parsed) : std::unexpected(parsed.error());
    if (result) {
      out.body() = json::serialize(*result);
    } else {
      out.result(http::status::internal_server_error);
      out.body() = json::serialize(to_json(result.error()));
      spdlog::warn("CNI {}: {}", parsed ? parsed->command : "request", result.error().message);
    }
    out.keep_alive(false);
    out.prepare_payload();
    return out;
  }

  awaitable<void> serve(Unix::socket socket) {
    Stream stream(std::move(socket));
    stream.expires_after(kTimeout);
    beast::flat_buffer buffer;
    http::request_parser<http::string_body> parser;
    parser.body_limit(kBodyLimit);
    auto [error, size] = co_await http::async_read(stream, buffer, parser, as_tuple(use_awaitable));
    if (error) co_return;
    auto response = answer(parser.get());
    stream.expires_after(kTimeout);
    co_await http::async_write(stream, response, as_tuple(use_awaitable));
  }

  awaitable<void> accept() {
    while (acceptor.is_open()) {
      auto [error, socket] = co_await acceptor.async_accept(as_tuple(use_awaitable));
      if (error == asio::error::operation_aborted) co_return;
      if (!error) asio::co_spawn(io, serve(std::move(socket)), asio::detached);
    }
  }

  asio::io_context& io;
  Handler handler;
  Unix::acceptor acceptor;
};

CniServer::CniServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

CniServer::~CniServer() {
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
}

Expected<std::unique_ptr<CniServer>> CniServer::listen(asio::io_context& io, const std::string& path,
                                                       Handler handler) {
  auto impl = std::make_unique<Impl>(io, std::move(handler));
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(ErrorCode::invalid, fmt::format("{}: a socket's path has at most {} characters", path,
                                                sizeof(sockaddr_un::sun_path) - 1));
  }
  // Bound under another name and moved into place: whoever finds the path can connect, and only root finds
  // it.
  auto temporary = path + ".new";
  ::unlink(temporary.c_str());
  boost::system::error_code error;
  impl->acceptor.open(Unix(), error);
  if (!error)
    impl->acceptor.bind(Unix::endpoint(temporary.size() < sizeof(sockaddr_un::sun_path) ? temporary : path),
                        error);
  if (!error) impl->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(ErrorCode::system, fmt::format("{}: {}", path, error.message()));
  ::chmod(temporary.c_str(), 0600);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno(path, errno);
  asio::co_spawn(io, impl->accept(), asio::detached);
  return std::unique_ptr<CniServer>(new CniServer(std::move(impl)));
}

}  // namespace weft::podnet
