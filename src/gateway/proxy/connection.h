#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/ip.h"
#include "gateway/http/buffer.h"
#include "gateway/proxy/loop.h"
#include "gateway/proxy/stream.h"

namespace weft::gateway {

struct SslFree {
  void operator()(SSL* ssl) const;
};
using SslPtr = std::unique_ptr<SSL, SslFree>;

/// A TCP connection's bytes, plain or in TLS. What is written gathers until the event that is worked on has
/// been dealt with, then goes out with one system call; an idle connection holds no buffer.
///
/// A connection that breaks says so to who reads it: what is written to it is dropped, on_readable() is told,
/// and read() says `failed` when it has given all that still came.
class Connection final : public Pollable, public Deferred {
 public:
  class Events {
   public:
    /// Connected, and TLS negotiated.
    virtual void on_open() = 0;
    virtual void on_open_failed(Reset why) = 0;
    /// read() until it says none, or pause: nothing is told twice.
    virtual void on_readable() = 0;
    /// After a write() that said false: there is room again.
    virtual void on_drained() = 0;

   protected:
    ~Events() = default;
  };

  /// What read() says when it is not a number of bytes.
  static constexpr int kNone = 0;
  static constexpr int kEnd = -1;     ///< the peer writes no more
  static constexpr int kFailed = -2;  ///< the connection is broken; also after kEnd

  /// A connection that somebody opened to us. `tls` (in accept state), if any, is negotiated first. Null: the
  /// loop cannot watch it.
  static std::unique_ptr<Connection> accept(Loop& loop, Fd socket, SslPtr tls, Events& events);
  /// Opens one; never fails at once, on_open_failed() is told later. `tls` has to be in connect state.
  static std::unique_ptr<Connection> connect(Loop& loop, const IpAddr& addr, uint16_t port, SslPtr tls,
                                             Events& events);
  /// Ends it at once, and destroys it when the loop's turn is over.
  static void dispose(std::unique_ptr<Connection> connection);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(); }

  void set_events(Events& events) { events_ = &events; }
  int read(std::span<char> to);
  /// on_readable() in this turn, also if nothing new has come.
  void read_later();
  /// Whether more is welcome.
  bool write(std::string_view bytes);
  /// To write small things to; write_later() has to follow.
  Buffer& out() { return out_; }
  bool write_later();
  /// Half-close, behind what was written.
  void finish();
  /// Whether all that was written has gone to the kernel.
  bool flushed() const { return out_.empty(); }
  /// Sends what has gathered without waiting for the turn's end.
  void flush_now();
  /// When bytes last came or went (Loop::now()).
  uint64_t last_moved() const { return last_moved_; }

  bool is_open() const { return state_ == State::open; }
  bool broken() const { return broken_; }
  int fd() const { return socket_.get(); }
  /// Null if it is not in TLS.
  SSL* tls() const { return tls_.get(); }
  Loop& loop() const { return loop_; }

  void on_events(uint32_t events) override;
  void on_deferred() override;

 private:
  enum class State : uint8_t { connecting, handshake, open, closed };
  static constexpr size_t kDirect = 4096;
  static constexpr size_t kHigh = size_t{64} << 10;
  static constexpr size_t kLow = size_t{16} << 10;

  Connection(Loop& loop, Fd socket, SslPtr tls, Events& events);
  void close();
  void connected();
  void handshake();
  void open_failed(Reset why);
  int read_plain(std::span<char> to);
  int read_tls(std::span<char> to);
  /// How many of the bytes were sent; fewer: it has to wait, or is broken.
  size_t send(std::string_view first, std::string_view second);
  size_t send_tls(std::string_view bytes);
  void flush();
  void fail();
  void shutdown_write();

  Loop& loop_;
  Fd socket_;
  SslPtr tls_;
  Events* events_;
  Buffer out_;
  uint64_t last_moved_;
  State state_ = State::open;
  bool readable_ = true;
  bool ending_ = false;    ///< the peer's end or an error has been announced: read until it comes
  bool end_told_ = false;  ///< read() has said kEnd
  bool error_ = false;     ///< the kernel has told of one: behind an end nothing else would
  bool writable_ = true;
  bool full_ = false;  ///< write() has said false
  bool broken_ = false;
  bool finish_ = false;
  bool read_later_ = false;
};

}  // namespace weft::gateway
