#include "base/http/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <list>

#include "base/log.h"

namespace weft::http {

namespace beast = boost::beast;
using asio::as_tuple;
using asio::use_awaitable;
using asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kPause{50};

Answer refusal(const Error& error) {
  unsigned status = 400;
  if (error.code == ErrorCode::method_not_allowed) status = 405;
  if (error.code == ErrorCode::too_large) status = 413;
  return {.status = status, .headers = {}, .body = error.message + "\n"};
}

asio::ip::address to_asio(const IpAddr& ip) {
  auto bytes = ip.bytes();
  if (ip.is_v6()) {
    asio::ip::address_v6::bytes_type v6;
    std::copy(bytes.begin(), bytes.end(), v6.begin());
    return asio::ip::address_v6(v6);
  }
  asio::ip::address_v4::bytes_type v4;
  std::copy(bytes.begin(), bytes.end(), v4.begin());
  return asio::ip::address_v4(v4);
}

boost::system::error_code bind_to(tcp::acceptor& acceptor, const tcp::endpoint& where) {
  boost::system::error_code error;
  acceptor.open(where.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  bool all = where.address().is_unspecified();
  if (!error && where.protocol() == tcp::v6()) acceptor.set_option(asio::ip::v6_only(!all), error);
  if (!error) acceptor.bind(where, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    boost::system::error_code ignored;
    acceptor.close(ignored);
  }
  return error;
}

}  // namespace

struct Server::State {
  struct Connection {
    beast::tcp_stream* stream;  ///< owned by the coroutine that serves it
    const void* listener;
  };
  using Connections = std::list<Connection>;  ///< oldest first

  State(asio::io_context& i, Limits l) : io(i), limits(l) {}

  /// A connection is in the list as long as it is served, however that ends.
  struct Listed {
    Connections& open;
    beast::tcp_stream* stream;
    Listed(Connections& o, Connection connection) : open(o), stream(connection.stream) {
      open.push_back(connection);
    }
    ~Listed() {
      std::erase_if(open, [this](const auto& connection) { return connection.stream == stream; });
    }
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;
  };

  static void cut(const Connection& connection) {
    boost::system::error_code ignored;
    connection.stream->socket().close(ignored);
  }

  asio::io_context& io;
  Limits limits;
  Connections connections;
};

struct Server::Listener::State {
  State(std::shared_ptr<Server::State> s, Handler h)
      : server(std::move(s)), handler(std::move(h)), acceptor(server->io) {}

  std::shared_ptr<Server::State> server;
  Handler handler;
  tcp::acceptor acceptor;

  static asio::awaitable<void> accept_loop(std::shared_ptr<State> self);
  static asio::awaitable<void> serve(std::shared_ptr<State> self, tcp::socket socket);
  /// Reads the rest of the request, if `read` (of the head, with what has come behind it) is the whole head.
  asio::awaitable<Expected<Request>> read_request(beast::tcp_stream& stream, std::string read, size_t head,
                                                  bool whole) const;
  asio::awaitable<Answer> answer(Request request) const;
};

namespace {

class Sender : public Stream {
 public:
  Sender(beast::tcp_stream& stream, std::chrono::milliseconds patience)
      : stream_(stream), patience_(patience) {}
  asio::awaitable<bool> write(std::string bytes) override {
    stream_.expires_after(patience_);
    auto [error, sent] = co_await asio::async_write(stream_, asio::buffer(bytes), as_tuple(use_awaitable));
    co_return !error;
  }

 private:
  beast::tcp_stream& stream_;
  std::chrono::milliseconds patience_;
};

/// False: the client is gone.
asio::awaitable<bool> send_answer(beast::tcp_stream& stream, Answer& answer, bool bodiless) {
  beast::http::response<beast::http::string_body> out(beast::http::int_to_status(answer.status), 11);
  out.set(beast::http::field::content_type, answer.content_type);
  for (const auto& [name, value] : answer.headers) out.insert(name, value);
  out.keep_alive(false);
  // One that goes on ends with its connection.
  if (!answer.more || bodiless) out.content_length(answer.body.size());
  if (!bodiless) out.body() = std::move(answer.body);
  auto [failed, sent] = co_await beast::http::async_write(stream, out, as_tuple(use_awaitable));
  co_return !failed;
}

}  // namespace

asio::awaitable<void> Server::Listener::State::accept_loop(std::shared_ptr<State> self) {
  asio::steady_timer pause(self->server->io);
  while (self->acceptor.is_open()) {
    auto [error, socket] = co_await self->acceptor.async_accept(as_tuple(use_awaitable));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors, mostly: that passes.
      pause.expires_after(kPause);
      co_await pause.async_wait(use_awaitable);
      continue;
    }
    auto& open = self->server->connections;
    if (open.size() >= self->server->limits.connections) {
      Server::State::cut(open.front());
      open.pop_front();
    }
    asio::co_spawn(self->server->io, serve(self, std::move(socket)), asio::detached);
  }
}

asio::awaitable<Expected<Request>> Server::Listener::State::read_request(beast::tcp_stream& stream,
                                                                         std::string read, size_t head,
                                                                         bool whole) const {
  if (!whole) co_return fail(ErrorCode::too_large, "the request's head is over 8192 bytes");
  auto request = parse_request(std::string_view(read).substr(0, head), server->limits.body);
  if (!request) co_return request;
  request->body = read.substr(head, request->length);
  const size_t have = request->body.size();
  request->body.resize(request->length);
  auto rest = asio::buffer(request->body) + have;
  auto [error, size] = co_await asio::async_read(stream, rest, as_tuple(use_awaitable));
  if (error) co_return fail(ErrorCode::bad_request, "malformed HTTP request: its body ends early");
  co_return request;
}

asio::awaitable<Answer> Server::Listener::State::answer(Request request) const {
  try {
    co_return co_await handler(std::move(request));
  } catch (const std::exception& e) {
    spdlog::error("answering an HTTP request: {}", e.what());
    co_return Answer{.status = 500, .headers = {}, .body = "internal error\n"};
  }
}

asio::awaitable<void> Server::Listener::State::serve(std::shared_ptr<State> self, tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  Server::State::Listed listed(self->server->connections, {&stream, self.get()});
  const auto patience = self->server->limits.patience;
  stream.expires_after(patience);
  std::string head;
  auto [error, size] = co_await asio::async_read_until(stream, asio::dynamic_buffer(head, kMaxHead),
                                                       "\r\n\r\n", as_tuple(use_awaitable));
  if (error && error != asio::error::not_found) co_return;
  auto request = co_await self->read_request(stream, std::move(head), size, !error);
  // A listener that has gone may have taken with it what its handler uses.
  if (!self->acceptor.is_open()) co_return;
  const bool bodiless = request && request->method == "HEAD";
  Answer answer;
  if (request)
    answer = co_await self->answer(std::move(*request));
  else
    answer = refusal(request.error());
  if (!co_await send_answer(stream, answer, bodiless)) co_return;
  if (answer.more && !bodiless) {
    Sender sender(stream, patience);
    co_await answer.more(sender);
  }
  boost::system::error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
}

Server::Listener::Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}

Server::Listener::~Listener() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  for (const auto& connection : state_->server->connections) {
    if (connection.listener == state_.get()) Server::State::cut(connection);
  }
}

uint16_t Server::Listener::port() const {
  boost::system::error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

Server::Server(asio::io_context& io) : Server(io, Limits{}) {}
Server::Server(asio::io_context& io, Limits limits) : state_(std::make_shared<State>(io, limits)) {}
Server::~Server() = default;

Expected<std::unique_ptr<Server::Listener>> Server::listen(const Address& address, Handler handler) {
  auto state = std::make_shared<Listener::State>(state_, std::move(handler));
  boost::system::error_code error;
  if (address.ip.is_unspecified()) {
    error = bind_to(state->acceptor, {tcp::v6(), address.port});
    // A kernel without IPv6.
    if (error == asio::error::address_family_not_supported)
      error = bind_to(state->acceptor, {tcp::v4(), address.port});
  } else {
    error = bind_to(state->acceptor, {to_asio(address.ip), address.port});
  }
  if (error) return fail(ErrorCode::system, "listen on " + address.str() + ": " + error.message());
  asio::co_spawn(state_->io, Listener::State::accept_loop(state), asio::detached);
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

Handler answer_with(std::function<Answer(const Request&)> answer) {
  return
      [answer = std::move(answer)](Request request) -> asio::awaitable<Answer> { co_return answer(request); };
}

}  // namespace weft::http
