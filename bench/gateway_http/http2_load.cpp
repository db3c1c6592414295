#include "http2_load.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "connect.h"

namespace weft::bench {

namespace {

// RFC 9113, 6.
constexpr uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoaway = 7;
constexpr uint8_t kAck = 1, kEndStream = 1, kEndHeaders = 4;
constexpr size_t kFrameHead = 9;
constexpr char kStatus200 = static_cast<char>(0x88);  ///< RFC 7541, A: index 8

void put(std::string& out, uint32_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
}

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string out;
  put(out, static_cast<uint32_t>(payload.size()), 3);
  put(out, type, 1);
  put(out, flags, 1);
  put(out, stream, 4);
  return out.append(payload);
}

std::string opening() {
  constexpr uint32_t kWindow = 0x7fffffff;
  std::string window, settings;
  put(settings, 4, 2);  // SETTINGS_INITIAL_WINDOW_SIZE
  put(settings, kWindow, 4);
  put(window, kWindow - 65535, 4);
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, settings) + frame(8, 0, 0, window);
}

/// GET / of http://bench.example as literals that nobody has to remember (RFC 7541, 6.1 and 6.2.2).
std::string request_block() {
  std::string out = "\x82\x86\x84";
  auto literal = [&](char index, std::string_view value) {
    out.push_back(index);
    out.push_back(static_cast<char>(value.size()));
    out += value;
  };
  literal(1, "bench.example");  // :authority
  out += std::string_view(
      "\x0f\x2b\x05"
      "bench",
      8);                                         // user-agent
  out += std::string_view("\x0f\x04\x03*/*", 6);  // accept
  return out;
}

struct Connection {
  int fd = -1;
  std::string in;
  uint32_t next_stream = 1;
};

class Http2Run {
 public:
  Http2Run(uint16_t port, int connections, int streams) : connections_(static_cast<size_t>(connections)) {
    for (Connection& connection : connections_) {
      connection.fd = connect_to(port);
      if (connection.fd < 0) {
        ++load_.failures;
        continue;
      }
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
      out_ = opening();
      for (int i = 0; i < streams; ++i) ask(connection);
      flush(connection);
    }
  }
  ~Http2Run() {
    for (Connection& connection : connections_)
      if (connection.fd >= 0) ::close(connection.fd);
    ::close(epoll_);
  }

  Load run(std::chrono::milliseconds time) {
    auto until = std::chrono::steady_clock::now() + time;
    std::array<epoll_event, 128> events;
    while (std::chrono::steady_clock::now() < until) {
      int count = epoll_wait(epoll_, events.data(), events.size(), 100);
      for (int i = 0; i < count; ++i) read(*static_cast<Connection*>(events[i].data.ptr));
    }
    return load_;
  }

 private:
  void ask(Connection& connection) {
    out_ += frame(kHeaders, kEndStream | kEndHeaders, connection.next_stream, block_);
    connection.next_stream += 2;
  }

  void flush(Connection& connection) {
    if (!out_.empty()) (void)::send(connection.fd, out_.data(), out_.size(), MSG_NOSIGNAL);
    out_.clear();
  }

  void fail(Connection& connection) {
    ++load_.failures;
    ::close(connection.fd);
    connection.fd = -1;
  }

  void read(Connection& connection) {
    ssize_t got = ::recv(connection.fd, bytes_.data(), bytes_.size(), MSG_DONTWAIT);
    if (got <= 0) return fail(connection);
    connection.in.append(bytes_.data(), static_cast<size_t>(got));
    size_t at = 0;
    while (connection.in.size() - at >= kFrameHead) {
      auto byte = [&](size_t i) { return static_cast<uint8_t>(connection.in[at + i]); };
      size_t size = size_t{byte(0)} << 16 | size_t{byte(1)} << 8 | byte(2);
      if (connection.in.size() - at < kFrameHead + size) break;
      if (!take(connection, byte(3), byte(4), {connection.in.data() + at + kFrameHead, size}))
        return fail(connection);
      at += kFrameHead + size;
    }
    connection.in.erase(0, at);
    flush(connection);
  }

  /// False: the connection is of no use any more.
  bool take(Connection& connection, uint8_t type, uint8_t flags, std::string_view payload) {
    if (type == kReset || type == kGoaway) return false;
    if (type == kSettings && !(flags & kAck)) out_ += frame(kSettings, kAck, 0, {});
    if (type == kPing && !(flags & kAck)) out_ += frame(kPing, kAck, 0, payload);
    if (type == kHeaders) {
      // A table that got smaller may be told first (RFC 7541, 6.3).
      while (!payload.empty() && (payload.front() & 0xe0) == 0x20) payload.remove_prefix(1);
      if (!payload.starts_with(kStatus200)) return false;
    }
    if ((type == kHeaders || type == kData) && (flags & kEndStream)) {
      ++load_.requests;
      ask(connection);
    }
    return true;
  }

  int epoll_ = epoll_create1(0);
  std::vector<Connection> connections_;
  std::vector<char> bytes_ = std::vector<char>(size_t{256} << 10);
  const std::string block_ = request_block();
  std::string out_;
  Load load_;
};

}  // namespace

Load http2_load(uint16_t port, int connections, int streams, std::chrono::milliseconds time) {
  return Http2Run(port, connections, streams).run(time);
}

}  // namespace weft::bench
