#include "gateway/proxy/http2_session.h"

#include <algorithm>

namespace weft::gateway {
namespace {

constexpr size_t kHigh = size_t{64} << 10;  ///< of a stream's buffer: send_body() says false
constexpr size_t kLow = size_t{16} << 10;
constexpr int kReadsARow = 8;
constexpr size_t kPiece = size_t{16} << 10;
/// Frames in a row that only keep us busy: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA.
constexpr uint32_t kMostUseless = 10'000;
/// Of them, those that make us reset streams.
constexpr uint32_t kMostInvalid = 100;
/// How far beyond its limit a head is read to the end, so that it can be answered.
constexpr size_t kFarBeyond = 8;
/// ms for the last bytes of a connection.
constexpr uint64_t kLinger = 1000;

std::string_view text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

nghttp2_option* options() {
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_max_settings(option, 32);
  nghttp2_option_set_max_outbound_ack(option, 500);
  nghttp2_option_set_max_continuations(option, 8);
  nghttp2_option_set_stream_reset_rate_limit(option, 200, 50);
  return option;
}

uint32_t code_of(Reset why) {
  switch (why) {
    case Reset::refused:
      return NGHTTP2_REFUSED_STREAM;
    case Reset::cancelled:
    case Reset::timeout:
      return NGHTTP2_CANCEL;
    case Reset::protocol_error:
      return NGHTTP2_PROTOCOL_ERROR;
    default:
      return NGHTTP2_INTERNAL_ERROR;
  }
}

Reset reset_of(uint32_t code) {
  switch (code) {
    case NGHTTP2_REFUSED_STREAM:
      return Reset::refused;
    case NGHTTP2_CANCEL:
    case NGHTTP2_NO_ERROR:
      return Reset::cancelled;
    case NGHTTP2_PROTOCOL_ERROR:
      return Reset::protocol_error;
    default:
      return Reset::closed;
  }
}

}  // namespace

// Streams, as their users see them.

bool Http2Stream::put_body(std::string_view data, bool end) {
  if (out_.empty()) moved_ = session_.loop().now();
  out_.append(data);
  out_ended_ = end;
  if (end && answers_) events_ = nullptr;
  if (out_deferred_) {
    out_deferred_ = false;
    nghttp2_session_resume_data(session_.session_, id_);
  }
  session_.flush_later();
  return session_.welcome(*this);
}

void Http2Stream::put_trailers(const Fields& trailers) {
  for (const Field& field : trailers) trailers_out_.emplace_back(field.name, field.value);
  put_body({}, true);
}

void Http2Stream::put_pause(bool paused) {
  paused_ = paused;
  if (paused || resumed_ || (in_.empty() && in_end_ == End::open)) return;
  resumed_ = true;
  session_.resumed_.push_back(this);
  session_.flush_later();
}

void Http2Stream::put_reset(Reset why) {
  events_ = nullptr;
  if (gone_ || id_ == 0) return session_.remove(*this);
  nghttp2_submit_rst_stream(session_.session_, NGHTTP2_FLAG_NONE, id_, code_of(why));
  session_.flush_later();
}

// The session.

Http2Session::Http2Session(Role role, const http1::Limits& head, const Http2Limits& limits)
    : head_limits_(head), limits_(limits) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  set_callbacks(callbacks);
  nghttp2_option* option = options();
  if (role == Role::server)
    nghttp2_session_server_new2(&session_, callbacks, this, option);
  else
    nghttp2_session_client_new2(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits_.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(head_limits_.head)},
  };
  if (role == Role::server)
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.streams});
  else
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, static_cast<int32_t>(limits_.window));
}

Http2Session::~Http2Session() {
  if (connection_) loop().forget(*this);
  nghttp2_session_del(session_);
}

void Http2Session::set_callbacks(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_send_callback(
      callbacks, [](nghttp2_session*, const uint8_t* data, size_t size, int, void* user) -> ssize_t {
        Http2Session& self = of(user);
        if (self.full_) return NGHTTP2_ERR_WOULDBLOCK;
        self.connection_->out().append(text(data, size));
        self.full_ = !self.connection_->write_later();
        return static_cast<ssize_t>(size);
      });
  nghttp2_session_callbacks_set_send_data_callback(
      callbacks,
      [](nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t length, nghttp2_data_source* source,
         void* user) { return of(user).send_data(*static_cast<Http2Stream*>(source->ptr), head, length); });
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return of(user).begin_headers(*frame);
      });
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* user) {
        return of(user).header(*frame, text(name, name_size), text(value, value_size));
      });
  // What is not a field is not passed over, as nghttp2 would, but makes the whole head bad.
  nghttp2_session_callbacks_set_on_invalid_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t*, size_t, const uint8_t*,
                    size_t, uint8_t, void* user) {
        if (Http2Stream* stream = of(user).stream_of(frame->hd.stream_id)) stream->bad_ = 400;
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        of(user).frame_received(*frame);
        return 0;
      });
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame*, int, void* user) {
        Http2Session& self = of(user);
        if (++self.invalid_ == kMostInvalid) self.terminate(NGHTTP2_ENHANCE_YOUR_CALM);
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
        of(user).data_received(id, text(data, size));
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](nghttp2_session*, int32_t id, uint32_t code, void* user) {
        of(user).stream_closed(id, code);
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_send_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        of(user).frame_sent(*frame);
        return 0;
      });
}

void Http2Session::start(std::unique_ptr<Connection> connection) {
  connection_ = std::move(connection);
  received_at_ = loop().now();
}

Http2Stream& Http2Session::add_stream(std::unique_ptr<Http2Stream> stream) {
  Http2Stream& added = *stream;
  streams_.emplace(&added, std::move(stream));
  return added;
}

void Http2Session::remove(Http2Stream& stream) {
  auto at = streams_.find(&stream);
  if (at == streams_.end()) return;
  std::erase(resumed_, &stream);
  loop().dispose(std::move(at->second));
  streams_.erase(at);
  on_stream_gone();
}

void Http2Session::fail(Http2Stream& stream, Reset why) {
  StreamEvents* events = std::exchange(stream.events_, nullptr);
  stream.put_reset(why);
  if (events) events->on_reset(why);
}

std::vector<StreamEvents*> Http2Session::waiting() const {
  std::vector<StreamEvents*> events;
  for (const auto& [stream, owned] : streams_)
    if (stream->events_) events.push_back(stream->events_);
  return events;
}

Http2Stream* Http2Session::stream_of(int32_t id) const {
  return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session_, id));
}

// Reading.

void Http2Session::on_open() {
  received_at_ = loop().now();
  on_connected();
  flush_later();
}

void Http2Session::on_readable() {
  std::span<char> scratch = loop().scratch();
  for (int i = 0; i < kReadsARow && !closed_; ++i) {
    int got = connection_->read(scratch);
    if (got == Connection::kNone) return;
    if (got < 0) return close(Reset::closed);
    if (ending_) continue;
    received_at_ = loop().now();
    asked_ = false;
    take({scratch.data(), static_cast<size_t>(got)});
  }
  if (!closed_) connection_->read_later();
}

/// In pieces, with what there is to say between them: nghttp2 turns requests away only once it has said
/// GOAWAY.
void Http2Session::take(std::string_view bytes) {
  while (!bytes.empty() && !closed_ && !ending_) {
    std::string_view piece = bytes.substr(0, kPiece);
    bytes.remove_prefix(piece.size());
    ssize_t taken =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(piece.data()), piece.size());
    flush();
    if (taken < 0 && !closed_ && !ending_) close(Reset::protocol_error);
  }
  if (head_since_ != 0 && !closed_ && !ending_) on_head_waits();
}

int Http2Session::begin_headers(const nghttp2_frame& frame) {
  if (frame.hd.type != NGHTTP2_HEADERS) return 0;
  head_since_ = loop().now();
  Http2Stream* stream = stream_of(frame.hd.stream_id);
  if (!stream && frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
    stream = on_begin(frame.hd.stream_id);
    if (stream) nghttp2_session_set_stream_user_data(session_, frame.hd.stream_id, stream);
  }
  if (!stream) return 0;
  stream->head_size_ = 0;
  stream->head_fields_ = 0;
  return 0;
}

int Http2Session::header(const nghttp2_frame& frame, std::string_view name, std::string_view value) {
  Http2Stream* stream = stream_of(frame.hd.stream_id);
  if (frame.hd.type != NGHTTP2_HEADERS || !stream) return 0;
  // RFC 9113, 6.5.2: how long a list of fields is.
  stream->head_size_ += name.size() + value.size() + 32;
  if (stream->head_size_ > kFarBeyond * head_limits_.head) return NGHTTP2_ERR_CALLBACK_FAILURE;
  bool large = ++stream->head_fields_ > head_limits_.fields || stream->head_size_ > head_limits_.head;
  if (large && stream->bad_ == 0) stream->bad_ = 431;
  if (stream->bad_ == 0 && stream->events_ && !take_field(*stream, name, value)) stream->bad_ = 400;
  return 0;
}

bool Http2Session::take_field(Http2Stream& stream, std::string_view name, std::string_view value) {
  if (!stream.head_read_) return on_head_field(stream, name, value);
  // Trailers: not those that belong into a head.
  if (name == "content-length" || name == "host" || name == "te" || name == "trailer") return true;
  Arena& arena = stream.events_->arena();
  stream.trailers_in_.add(arena.keep(name), arena.keep(value));
  return true;
}

void Http2Session::frame_received(const nghttp2_frame& frame) {
  bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (frame.hd.type == NGHTTP2_HEADERS) {
    head_since_ = 0;
    useless_ = 0;
  } else if (frame.hd.type != NGHTTP2_DATA || (frame.hd.length == 0 && !end)) {
    count_useless();
  }
  if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) return;
  Http2Stream* stream = stream_of(frame.hd.stream_id);
  if (!stream) return;
  if (frame.hd.type == NGHTTP2_HEADERS && !stream->head_read_) return on_head(*stream, end);
  if (stream->bad_ != 0) return fail(*stream, Reset::protocol_error);
  if (!end) return;
  stream->in_end_ = Http2Stream::End::ended;
  if (!stream->paused_ && stream->in_.empty()) tell_end(*stream);
}

void Http2Session::count_useless() {
  if (++useless_ == kMostUseless) terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Session::data_received(int32_t id, std::string_view data) {
  useless_ = 0;
  Http2Stream* stream = stream_of(id);
  if (stream && stream->events_) {
    if (stream->paused_ || !stream->in_.empty()) return stream->in_.append(data);
    stream->events_->on_body(data, false);
  }
  nghttp2_session_consume(session_, id, data.size());
}

void Http2Session::deliver(Http2Stream& stream) {
  stream.resumed_ = false;
  while (!stream.paused_ && stream.events_ && !stream.in_.empty()) {
    std::string_view piece = stream.in_.view().substr(0, kPiece);
    stream.events_->on_body(piece, false);
    if (stream.gone_)
      nghttp2_session_consume_connection(session_, piece.size());
    else
      nghttp2_session_consume(session_, stream.id_, piece.size());
    stream.in_.consume(piece.size());
  }
  if (!stream.paused_ && stream.in_.empty() && stream.in_end_ == Http2Stream::End::ended) tell_end(stream);
}

void Http2Session::tell_end(Http2Stream& stream) {
  stream.in_end_ = Http2Stream::End::told;
  StreamEvents* events = stream.events_;
  if (!stream.answers_) stream.events_ = nullptr;
  on_in_ended(stream);
  bool gone = stream.gone_;
  if (events) {
    if (stream.trailers_in_.empty())
      events->on_body({}, true);
    else
      events->on_trailers(stream.trailers_in_);
  }
  if (gone) remove(stream);
}

void Http2Session::stream_closed(int32_t id, uint32_t code) {
  Http2Stream* stream = stream_of(id);
  if (!stream) return;
  stream->gone_ = true;
  // A whole answer that its user has not taken yet is still told.
  bool waits = stream->events_ && !stream->answers_ && stream->in_end_ == Http2Stream::End::ended &&
               code == NGHTTP2_NO_ERROR;
  if (waits) return;
  nghttp2_session_consume_connection(session_, stream->in_.size());
  StreamEvents* events = std::exchange(stream->events_, nullptr);
  remove(*stream);
  if (events) events->on_reset(reset_of(code));
}

// Writing.

void Http2Session::add(Nv& list, std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view of) { return reinterpret_cast<uint8_t*>(const_cast<char*>(of.data())); };
  list.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
}

void Http2Session::add(Nv& list, const Fields& fields) {
  for (const Field& field : fields) add(list, field.name, field.value);
}

nghttp2_data_provider Http2Session::body_of(Http2Stream& stream) const {
  return {.source = {.ptr = &stream},
          .read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t room, uint32_t* flags,
                              nghttp2_data_source* source, void* user) {
            return of(user).read_body(*static_cast<Http2Stream*>(source->ptr), room, *flags);
          }};
}

ssize_t Http2Session::read_body(Http2Stream& stream, size_t room, uint32_t& flags) {
  size_t size = std::min(room, stream.out_.size());
  if (size == 0 && !stream.out_ended_) {
    stream.out_deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (stream.out_ended_ && size == stream.out_.size()) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!stream.trailers_out_.empty()) {
      flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      Nv list;
      for (const auto& [name, value] : stream.trailers_out_) add(list, name, value);
      nghttp2_submit_trailer(session_, stream.id_, list.data(), list.size());
    }
  }
  return static_cast<ssize_t>(size);
}

int Http2Session::send_data(Http2Stream& stream, const uint8_t* head, size_t length) {
  constexpr size_t kFrameHead = 9;
  if (full_) return NGHTTP2_ERR_WOULDBLOCK;
  connection_->out().append(text(head, kFrameHead));
  full_ = !connection_->write(stream.out_.view().substr(0, length));
  stream.out_.consume(length);
  stream.moved_ = loop().now();
  if (stream.out_full_ && stream.out_.size() < kLow) {
    stream.out_full_ = false;
    if (stream.events_) stream.events_->on_writable();
  }
  return 0;
}

bool Http2Session::welcome(Http2Stream& stream) {
  stream.out_full_ = stream.out_full_ || stream.out_.size() > kHigh;
  return !stream.out_full_;
}

void Http2Session::frame_sent(const nghttp2_frame& frame) {
  if ((frame.hd.type != NGHTTP2_DATA && frame.hd.type != NGHTTP2_HEADERS) ||
      !(frame.hd.flags & NGHTTP2_FLAG_END_STREAM))
    return;
  Http2Stream* stream = stream_of(frame.hd.stream_id);
  if (!stream) return;
  stream->sent_all_ = true;
  on_out_sent(*stream);
}

void Http2Session::on_drained() {
  full_ = false;
  flush_later();
}

void Http2Session::on_deferred() {
  if (closed_) return;
  while (!resumed_.empty()) {
    Http2Stream* stream = resumed_.back();
    resumed_.pop_back();
    deliver(*stream);
    if (closed_) return;
  }
  if (is_open()) flush();
}

void Http2Session::flush() {
  if (ending_) return;
  if (nghttp2_session_send(session_) != 0) return close(Reset::closed);
  if (nghttp2_session_want_read(session_) || nghttp2_session_want_write(session_)) return;
  connection_->flush_now();
  bool over = connection_->flushed() && nghttp2_session_check_server_session(session_) == 0;
  if (over || connection_->broken()) return close(Reset::closed);
  linger();
}

/// What the client still sends is thrown away for a while: closing on it would take our last words back.
void Http2Session::linger() {
  ending_ = true;
  std::vector<StreamEvents*> told = drop_streams();
  connection_->finish();
  connection_->read_later();
  loop().set_timer(timer_, kLinger);
  for (StreamEvents* events : told) events->on_reset(Reset::closed);
}

void Http2Session::terminate(uint32_t code) {
  nghttp2_session_terminate_session(session_, code);
  flush_later();
}

void Http2Session::on_timer(Timer&) {
  if (ending_) return close(Reset::closed);
  uint64_t next = on_tick(loop().now());
  if (!closed_) loop().set_timer(timer_, next);
}

void Http2Session::look_after(uint64_t now, uint64_t body_time) {
  std::vector<Http2Stream*> slow;
  for (const auto& [stream, owned] : streams_)
    if (!stream->gone_ && !stream->out_.empty() && now - stream->moved_ > body_time) slow.push_back(stream);
  for (Http2Stream* stream : slow) {
    fail(*stream, Reset::timeout);
    if (closed_) return;
  }
  uint64_t quiet = now - received_at_;
  if (quiet > limits_.quiet_time + limits_.answer_time && asked_) return close(Reset::timeout);
  if (quiet > limits_.quiet_time && !asked_) {
    asked_ = true;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    flush_later();
  }
}

/// Whose users are to be told.
std::vector<StreamEvents*> Http2Session::drop_streams() {
  std::vector<StreamEvents*> told = waiting();
  for (auto& [stream, owned] : streams_) {
    stream->events_ = nullptr;
    loop().dispose(std::move(owned));
  }
  streams_.clear();
  resumed_.clear();
  return told;
}

void Http2Session::close(Reset why) {
  if (std::exchange(closed_, true)) return;
  timer_.clear();
  loop().forget(*this);
  std::vector<StreamEvents*> told = drop_streams();
  Connection::dispose(std::move(connection_));
  on_closed();
  for (StreamEvents* events : told) events->on_reset(why);
}

}  // namespace weft::gateway
