#include "dns/probe.h"

#include <fmt/core.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <random>

#include "dns/codec.h"

namespace weft::dns {

using asio::as_tuple;
using asio::use_awaitable;
using asio::ip::udp;

asio::awaitable<Expected<void>> probe(asio::io_context& io, SocketAddress server, Name name,
                                      std::chrono::milliseconds patience) {
  std::array<uint8_t, kMinUdpSize> query, answer;
  auto id = static_cast<uint16_t>(std::random_device{}());
  auto size = write_query(query, id, name, Query{});
  udp::endpoint where(asio::ip::make_address(server.ip.str()), server.port);
  udp::socket socket(io);
  boost::system::error_code error;
  socket.open(where.protocol(), error);
  if (!error) socket.connect(where, error);
  if (!error) socket.send(asio::buffer(query, size), 0, error);
  if (error) co_return fail(ErrorCode::unavailable, error.message());
  asio::steady_timer timer(io, patience);
  bool late = false;
  timer.async_wait([&socket, &late](boost::system::error_code cancelled) {
    if (cancelled) return;
    late = true;
    socket.cancel();
  });
  auto [failed, got] = co_await socket.async_receive(asio::buffer(answer), as_tuple(use_awaitable));
  timer.cancel();
  if (late) co_return fail(ErrorCode::unavailable, "timed out");
  if (failed) co_return fail(ErrorCode::unavailable, failed.message());
  ResponseHeader header;
  if (!read_header({answer.data(), got}, header) || !header.response || header.id != id)
    co_return fail(ErrorCode::unavailable, "what it answers is not DNS");
  if (header.rcode != Rcode::noerror && header.rcode != Rcode::nxdomain)
    co_return fail(ErrorCode::unavailable,
                   fmt::format("it answers with error {}", static_cast<int>(header.rcode)));
  co_return Expected<void>();
}

}  // namespace weft::dns
