#include "policy/domain_server.h"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <iterator>
#include <list>
#include <optional>

#include "base/log.h"

namespace weft::policy {

namespace asio = boost::asio;
namespace feed = domain_feed;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using Unix = asio::local::stream_protocol;

namespace {

/// One server has a connection a thread, and hears of nothing but changes.
constexpr size_t kMaxConnections = 256;
constexpr size_t kMaxUnsent = 4 << 20;  ///< bytes; who does not read is left

struct Connection : std::enable_shared_from_this<Connection> {
  explicit Connection(Unix::socket s) : socket(std::move(s)) {}

  void send(const std::string& text) {
    unsent += text;
    if (unsent.size() > kMaxUnsent) return close();
    if (!unsent.empty() && !std::exchange(sending, true))
      asio::co_spawn(socket.get_executor(), flush(shared_from_this()), asio::detached);
  }

  static awaitable<void> flush(std::shared_ptr<Connection> self) {
    while (!self->unsent.empty()) {
      auto text = std::exchange(self->unsent, {});
      auto [error, size] =
          co_await asio::async_write(self->socket, asio::buffer(text), as_tuple(use_awaitable));
      if (error) co_return self->close();
    }
    self->sending = false;
  }

  void close() {
    boost::system::error_code ignored;
    socket.close(ignored);
  }

  Unix::socket socket;
  std::string unsent;
  bool sending = false;
};

bool is_from(const Unix::socket& socket, uid_t user) {
  ucred peer{};
  socklen_t size = sizeof peer;
  auto fd = const_cast<Unix::socket&>(socket).native_handle();
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == user);
}

}  // namespace

struct DomainServer::Impl : std::enable_shared_from_this<DomainServer::Impl> {
  Impl(asio::io_context& i, Options o) : io(i), options(std::move(o)), acceptor(i) {}

  Expected<void> open();
  static awaitable<void> accept(std::shared_ptr<Impl> self);
  static awaitable<void> serve(std::shared_ptr<Impl> self, std::shared_ptr<Connection> connection);
  void receive(const feed::Message& message, const std::shared_ptr<Connection>& connection);
  void take(const feed::Answer& answer, const std::shared_ptr<Connection>& connection) const;
  void hear(const feed::Serving* server, const Connection* connection);
  void stop_hearing();
  bool asks_within(const std::string& zone) const {
    return std::ranges::any_of(*asked, [&](const auto& one) { return feed::may_be_within(one, zone); });
  }

  std::string all() const {
    std::string out;
    for (const auto& pattern : *asked) out += feed::encode(feed::Asked{pattern});
    return out + feed::encode(feed::Complete{});
  }

  asio::io_context& io;
  Options options;
  Unix::acceptor acceptor;
  std::optional<std::vector<std::string>> asked;  ///< sorted; nothing: not known yet
  std::list<std::shared_ptr<Connection>> connections;
  const Connection* serving = nullptr;  ///< whose server is heard
  bool told = false;                    ///< what a server said is in force, that of one that has gone too
  std::string zone;                     ///< of that server
  std::chrono::steady_clock::time_point heard_at;
};

Expected<void> DomainServer::Impl::open() {
  // Bound under another name and moved into place: whoever finds the path finds its owner and mode.
  auto temporary = options.socket + ".new";
  if (temporary.size() >= sizeof(sockaddr_un::sun_path))
    return fail(ErrorCode::invalid, fmt::format("{}: a socket's path has at most {} characters",
                                                options.socket, sizeof(sockaddr_un::sun_path) - 5));
  ::unlink(temporary.c_str());
  boost::system::error_code error;
  acceptor.open(Unix(), error);
  if (!error) acceptor.bind(Unix::endpoint(temporary), error);
  if (error) return fail(ErrorCode::system, fmt::format("{}: {}", options.socket, error.message()));
  if (::chmod(temporary.c_str(), 0600) != 0 || ::chown(temporary.c_str(), options.user, gid_t(-1)) != 0)
    return fail_errno(temporary, errno);
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(ErrorCode::system, fmt::format("{}: {}", options.socket, error.message()));
  if (::rename(temporary.c_str(), options.socket.c_str()) != 0) return fail_errno(options.socket, errno);
  return {};
}

awaitable<void> DomainServer::Impl::accept(std::shared_ptr<Impl> self) {
  while (self->acceptor.is_open()) {
    auto [error, socket] = co_await self->acceptor.async_accept(as_tuple(use_awaitable));
    if (error == asio::error::operation_aborted) co_return;
    if (error || self->connections.size() >= kMaxConnections) continue;
    if (!is_from(socket, self->options.user)) {
      spdlog::warn("{}: somebody else than user {} has connected; refused", self->options.socket,
                   self->options.user);
      continue;
    }
    auto connection = std::make_shared<Connection>(std::move(socket));
    asio::co_spawn(self->io, serve(self, std::move(connection)), asio::detached);
  }
}

awaitable<void> DomainServer::Impl::serve(std::shared_ptr<Impl> self,
                                          std::shared_ptr<Connection> connection) {
  auto place = self->connections.insert(self->connections.end(), connection);
  if (self->asked) connection->send(self->all());
  feed::Reader reader;
  std::array<uint8_t, 16 * 1024> buffer;
  while (!reader.broken()) {
    auto [error, size] =
        co_await connection->socket.async_read_some(asio::buffer(buffer), as_tuple(use_awaitable));
    if (error) break;
    reader.append({buffer.data(), size});
    while (auto message = reader.next()) {
      self->receive(*message, connection);
    }
  }
  if (reader.broken()) spdlog::warn("{}: what a DNS server says is not understood", self->options.socket);
  connection->close();
  if (self->serving == connection.get()) self->serving = nullptr;
  self->connections.erase(place);
}

/// What only agents say is not heard.
void DomainServer::Impl::receive(const feed::Message& message,
                                 const std::shared_ptr<Connection>& connection) {
  if (const auto* answer = std::get_if<feed::Answer>(&message)) take(*answer, connection);
  if (const auto* server = std::get_if<feed::Serving>(&message)) hear(server, connection.get());
  if (std::holds_alternative<feed::Silent>(message)) hear(nullptr, connection.get());
}

void DomainServer::Impl::hear(const feed::Serving* server, const Connection* connection) {
  const auto now = std::chrono::steady_clock::now();
  if (server && asked && !asks_within(server->zone) &&
      (serving == nullptr || serving == connection || now - heard_at > feed::kServingFor)) {
    if (!options.on_serving(server)) return;
    serving = connection;
    told = true;
    zone = server->zone;
    heard_at = now;
  } else if (serving == connection) {
    stop_hearing();
  }
}

void DomainServer::Impl::stop_hearing() {
  serving = nullptr;
  if (std::exchange(told, false)) options.on_serving(nullptr);
}

void DomainServer::Impl::take(const feed::Answer& answer,
                              const std::shared_ptr<Connection>& connection) const {
  options.on_answer(answer, [weak = std::weak_ptr(connection), number = answer.number] {
    if (auto to = weak.lock()) to->send(feed::encode(feed::InForce{number}));
  });
}

DomainServer::DomainServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

DomainServer::~DomainServer() {
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->options.on_answer = [](const auto&, const auto&) {};
  impl_->options.on_serving = [](auto) { return false; };
  for (auto& connection : impl_->connections) connection->close();
}

Expected<std::unique_ptr<DomainServer>> DomainServer::listen(asio::io_context& io, Options options) {
  auto impl = std::make_shared<Impl>(io, std::move(options));
  WEFT_CHECK(impl->open());
  asio::co_spawn(io, Impl::accept(impl), asio::detached);
  return std::unique_ptr<DomainServer>(new DomainServer(std::move(impl)));
}

void DomainServer::ask_for(std::vector<std::string> patterns) {
  std::ranges::sort(patterns);
  std::vector<std::string> before = impl_->asked.value_or(std::vector<std::string>()), added, dropped;
  bool first = !impl_->asked;
  std::ranges::set_difference(patterns, before, std::back_inserter(added));
  std::ranges::set_difference(before, patterns, std::back_inserter(dropped));
  impl_->asked = std::move(patterns);
  std::string text;
  for (auto& pattern : added) text += feed::encode(feed::Asked{pattern});
  for (auto& pattern : dropped) text += feed::encode(feed::Dropped{pattern});
  if (first) text += feed::encode(feed::Complete{});
  if (text.empty()) return;
  if (impl_->told && impl_->asks_within(impl_->zone)) impl_->stop_hearing();
  for (const auto& connection : impl_->connections) connection->send(text);
}

}  // namespace weft::policy
