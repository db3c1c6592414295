#include "dns/liveness.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <vector>

#include "dns/codec.h"
#include "dns/source_option.h"

namespace weft::dns {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

/// After so many silent periods a connection is given up for a new one: the server's host may be another now.
constexpr int kPeriodsOfAConnection = 50;

}  // namespace

Name reverse_name(const IpAddr& ip) {
  Name out;
  auto bytes = ip.bytes();
  for (size_t i = bytes.size(); i-- > 0;) {
    if (ip.is_v4()) {
      out.append(fmt::format("{}", bytes[i]));
    } else {
      out.append(fmt::format("{:x}", bytes[i] & 15));
      out.append(fmt::format("{:x}", bytes[i] >> 4));
    }
  }
  out.append(ip.is_v4() ? std::string_view("in-addr") : std::string_view("ip6"));
  out.append(std::string_view("arpa"));
  return out;
}

struct Liveness::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& io_, const SocketAddress& server_, const IpAddr& asked, OnChange on_change_,
       Options options_)
      : server(asio::ip::make_address(server_.ip.str()), server_.port),
        question(reverse_name(asked)),
        on_change(std::move(on_change_)),
        options(options_),
        settle(options_.settle),
        socket(io_),
        timer(io_) {}

  void connect() {
    socket = tcp::socket(socket.get_executor());
    ++connection;
    received.clear();
    state = State::connecting;
    silent = 0;
    answered = false;
    socket.async_connect(server, [self = shared_from_this(), mine = connection](auto error) {
      if (!self->is_current(mine)) return;
      if (error) return self->lost(error.message());
      self->ask();
      self->read();
    });
  }

  bool is_current(uint64_t mine) const { return !stopped && mine == connection; }

  /// A server may end a connection that it has answered on, to make room: what the next one brings counts.
  void lost(const std::string& why) {
    state = State::closed;
    boost::system::error_code ignored;
    socket.close(ignored);
    ++connection;
    if (answered) return connect();
    note(Health::down, why);
  }

  void ask() {
    std::array<uint8_t, 2 + kMinUdpSize> message;
    Query like;
    like.has_edns = true;
    size_t size = write_query(std::span(message).subspan(2), ++id, question, like);
    add_ending_option(std::span(message).subspan(2), size);
    message[0] = static_cast<uint8_t>(size >> 8);
    message[1] = static_cast<uint8_t>(size);
    state = State::asked;
    // There is at most one on its way: it fits into the socket's buffer.
    boost::system::error_code error;
    asio::write(socket, asio::buffer(message, size + 2), error);
    if (error) lost(error.message());
  }

  void read() {
    socket.async_read_some(asio::buffer(chunk),
                           [self = shared_from_this(), mine = connection](auto error, size_t size) {
                             if (!self->is_current(mine)) return;
                             if (error) return self->lost(error.message());
                             self->received.insert(self->received.end(), self->chunk.begin(),
                                                   self->chunk.begin() + static_cast<ptrdiff_t>(size));
                             if (!self->take_answers()) return self->lost("what it answers is not DNS");
                             if (self->is_current(mine)) self->read();
                           });
  }

  bool take_answers() {
    while (received.size() >= 2) {
      size_t size = static_cast<size_t>(received[0]) << 8 | received[1];
      if (received.size() < 2 + size) return true;
      ResponseHeader header;
      const auto answer = std::span(received).subspan(2, size);
      if (!read_header(answer, header) || !header.response) return false;
      const bool ends = has_ending_option(answer);
      received.erase(received.begin(), received.begin() + static_cast<ptrdiff_t>(2 + size));
      if (header.id != id) continue;
      state = State::idle;
      silent = 0;
      answered = true;
      if (header.rcode == Rcode::servfail)
        note(Health::down, "it has nothing to answer with yet (SERVFAIL)");
      else
        note(ends ? Health::ending : Health::up, ends ? "it is told to end" : "");
    }
    return true;
  }

  void arm() {
    timer.expires_after(options.period);
    timer.async_wait([self = shared_from_this()](auto error) {
      if (error || self->stopped) return;
      // What came while this process did not run is read first.
      asio::post(self->timer.get_executor(), [self] {
        if (self->stopped) return;
        self->tick();
        self->arm();
      });
    });
  }

  void tick() {
    if (state == State::closed) return connect();
    if (state == State::idle) return ask();
    ++silent;
    if (silent >= options.patience / options.period) note(Health::down, "it does not answer");
    if (silent < kPeriodsOfAConnection) return;
    answered = false;
    lost("it does not answer");
  }

  void note(Health seen, const std::string& why) {
    auto now = Clock::now();
    if (seen != Health::up) {
      good_since.reset();
      if (known == seen) return;
      if (known && known != Health::up) return tell(seen, why);
      if (fell_before && now - up_since < options.settle_max)
        settle = std::min(settle * 2, options.settle_max);
      else
        settle = options.settle;
      fell_before = true;
    } else {
      if (known == Health::up) return;
      if (!good_since) good_since = now;
      if (known && now - *good_since < settle) return;
      up_since = now;
    }
    tell(seen, why);
  }

  void tell(Health seen, const std::string& why) {
    known = seen;
    on_change(seen, why);
  }

  enum class State { closed, connecting, asked, idle };

  const tcp::endpoint server;
  const Name question;
  const OnChange on_change;
  const Options options;
  std::optional<Health> known;
  std::optional<Clock::time_point> good_since;
  Clock::time_point up_since;
  bool fell_before = false;
  std::chrono::milliseconds settle;
  tcp::socket socket;
  asio::steady_timer timer;
  State state = State::closed;
  uint64_t connection = 0;  ///< counts them: what an earlier one still tells does not matter
  uint16_t id = 0;
  int silent = 0;         ///< periods since the question, or the connect
  bool answered = false;  ///< on this connection
  bool stopped = false;
  std::vector<uint8_t> received;
  std::array<uint8_t, 4096> chunk;
};

Liveness::Liveness(asio::io_context& io, const SocketAddress& server, const IpAddr& asked, OnChange on_change,
                   Options options)
    : impl_(std::make_shared<Impl>(io, server, asked, std::move(on_change), options)) {
  asio::post(io, [impl = impl_] {
    if (impl->stopped) return;
    impl->connect();
    impl->arm();
  });
}

Liveness::~Liveness() {
  impl_->stopped = true;
  boost::system::error_code ignored;
  impl_->socket.close(ignored);
  impl_->timer.cancel();
}

}  // namespace weft::dns
