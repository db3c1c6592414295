#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/http/buffer.h"
#include "gateway/http/http1_head.h"
#include "gateway/proxy/connection.h"
#include "gateway/proxy/stream.h"

/// What both sides of HTTP/2 (RFC 9113) have in common: one connection, its streams, and nghttp2 between
/// them. Flow control is coupled end to end: what the user of a stream does not take stays in the stream's
/// window and opens none, and what the peer does not take fills the stream's buffer until send_body() says
/// so.
namespace weft::gateway {

class Http2Session;

/// The part of a stream that does not depend on the side.
class Http2Stream {
 public:
  /// `answers`: the stream is over for its user with what he sends, else with what he is told.
  Http2Stream(Http2Session& session, int32_t id, bool answers)
      : session_(session), id_(id), answers_(answers) {}
  virtual ~Http2Stream() = default;
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

 protected:
  bool put_body(std::string_view data, bool end);
  void put_trailers(const Fields& trailers);
  void put_pause(bool paused);
  void put_reset(Reset why);

  friend class Http2Session;
  friend class Http2Server;
  friend class Http2Client;

  /// How the peer's message ends.
  enum class End : uint8_t { open, ended, told };

  Http2Session& session_;
  int32_t id_;  ///< 0: not begun
  const bool answers_;
  StreamEvents* events_ = nullptr;  ///< null: the stream is over for its user
  // To the peer.
  Buffer out_;
  std::vector<std::pair<std::string, std::string>> trailers_out_;
  uint64_t moved_ = 0;         ///< when out_ last became shorter, or began
  bool out_ended_ = false;     ///< the user has said all
  bool out_deferred_ = false;  ///< nghttp2 waits for more
  bool out_full_ = false;      ///< send_body() has said false
  bool sent_all_ = false;
  // From the peer.
  size_t head_size_ = 0;  ///< of the block that is read now
  size_t head_fields_ = 0;
  bool head_read_ = false;
  uint16_t bad_ = 0;  ///< why the block is not used: 400 malformed, 431 too large
  Buffer in_;         ///< has come and is not told of; its window is not opened
  Fields trailers_in_;
  End in_end_ = End::open;
  bool paused_ = false;
  bool resumed_ = false;  ///< is to be told what has come in the meantime
  bool gone_ = false;     ///< nghttp2 does not know it any more
};

/// Gives a side's interface the common part.
template <class Side>
class Http2SideStream : public Http2Stream, public Side {
 public:
  using Http2Stream::Http2Stream;
  bool send_body(std::string_view data, bool end) override { return put_body(data, end); }
  void send_trailers(const Fields& trailers) override { put_trailers(trailers); }
  void pause(bool paused) override { put_pause(paused); }
  void reset(Reset why) override { put_reset(why); }
};

struct Http2Limits {
  uint32_t streams = 128;                        ///< that a peer may have open at a time
  uint32_t stream_window = uint32_t{256} << 10;  ///< bytes that may be on their way to a stream
  uint32_t window = uint32_t{1} << 20;           ///< the same of a connection
  uint64_t quiet_time = 60'000;   ///< ms without a byte after which a peer is asked whether it is there
  uint64_t answer_time = 15'000;  ///< ms for its answer
};

class Http2Session : private Connection::Events, private Deferred, private TimerOwner {
 public:
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

 protected:
  enum class Role : uint8_t { server, client };
  using Nv = std::vector<nghttp2_nv>;
  static void add(Nv& list, std::string_view name, std::string_view value);
  static void add(Nv& list, const Fields& fields);

  Http2Session(Role role, const http1::Limits& head, const Http2Limits& limits);
  virtual ~Http2Session();

  // What the sides do with it.
  /// A header block begins that is the head of a stream the peer opens; null: refused.
  virtual Http2Stream* on_begin(int32_t id) = 0;
  /// One field of a head; false: it is malformed.
  virtual bool on_head_field(Http2Stream& stream, std::string_view name, std::string_view value) = 0;
  /// All of the head is there (or it is `bad_`).
  virtual void on_head(Http2Stream& stream, bool end) = 0;
  /// A header block has begun, and its end has not come yet.
  virtual void on_head_waits() {}
  /// The peer's message has ended and its user is about to be told.
  virtual void on_in_ended(Http2Stream& stream) = 0;
  /// All of our message has been written.
  virtual void on_out_sent(Http2Stream& stream) = 0;
  virtual void on_stream_gone() = 0;
  virtual void on_connected() {}
  /// The connection is over; who owns the codec is to be told.
  virtual void on_closed() = 0;
  /// Milliseconds after which to be asked again. `now`: of the loop.
  virtual uint64_t on_tick(uint64_t now) = 0;

  Connection::Events& connection_events() { return *this; }
  void read_now() { on_readable(); }
  void start(std::unique_ptr<Connection> connection);
  Http2Stream& add_stream(std::unique_ptr<Http2Stream> stream);
  /// Resets it, and tells its events.
  void fail(Http2Stream& stream, Reset why);
  /// What nghttp2 reads the stream's body from.
  nghttp2_data_provider body_of(Http2Stream& stream) const;
  bool welcome(Http2Stream& stream);
  /// Many streams' events of a turn become one write.
  void flush_later() { loop().defer_last(*this); }
  /// Says GOAWAY and ends the connection without waiting for streams.
  void terminate(uint32_t code);
  void close(Reset why);
  Loop& loop() const { return connection_->loop(); }
  bool is_open() const { return connection_ && connection_->is_open(); }
  bool is_closed() const { return closed_; }
  size_t streams() const { return streams_.size(); }
  /// The events of all streams.
  std::vector<StreamEvents*> waiting() const;
  void set_tick(uint64_t milliseconds) { loop().set_timer(timer_, milliseconds); }
  /// Resets streams whose peer takes nothing, and asks a quiet peer whether it is there.
  void look_after(uint64_t now, uint64_t body_time);

  nghttp2_session* session_ = nullptr;
  std::unique_ptr<Connection> connection_;
  const http1::Limits& head_limits_;
  const Http2Limits& limits_;
  uint64_t head_since_ = 0;  ///< a header block has begun and not ended; 0: none

 private:
  friend class Http2Stream;

  void on_open() override;
  void on_open_failed(Reset why) override { close(why); }
  void on_readable() override;
  void on_drained() override;
  void on_deferred() override;
  void on_timer(Timer& timer) override;

  static Http2Session& of(void* user) { return *static_cast<Http2Session*>(user); }
  void set_callbacks(nghttp2_session_callbacks* callbacks);
  Http2Stream* stream_of(int32_t id) const;
  void take(std::string_view bytes);
  int begin_headers(const nghttp2_frame& frame);
  int header(const nghttp2_frame& frame, std::string_view name, std::string_view value);
  bool take_field(Http2Stream& stream, std::string_view name, std::string_view value);
  void frame_received(const nghttp2_frame& frame);
  void data_received(int32_t id, std::string_view data);
  void stream_closed(int32_t id, uint32_t code);
  void frame_sent(const nghttp2_frame& frame);
  ssize_t read_body(Http2Stream& stream, size_t room, uint32_t& flags);
  int send_data(Http2Stream& stream, const uint8_t* head, size_t length);
  /// Tells of what has come while nobody wanted it.
  void deliver(Http2Stream& stream);
  void tell_end(Http2Stream& stream);
  void remove(Http2Stream& stream);
  void flush();
  void linger();
  std::vector<StreamEvents*> drop_streams();
  void count_useless();

  std::unordered_map<Http2Stream*, std::unique_ptr<Http2Stream>> streams_;
  std::vector<Http2Stream*> resumed_;
  Timer timer_{*this};
  uint64_t received_at_ = 0;
  uint32_t useless_ = 0;  ///< frames in a row that brought no request further
  uint32_t invalid_ = 0;  ///< frames that ended a stream because they were wrong
  bool full_ = false;
  bool asked_ = false;   ///< a PING is on its way
  bool ending_ = false;  ///< all has been said; what still comes is thrown away
  bool closed_ = false;
};

}  // namespace weft::gateway
