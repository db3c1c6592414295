#include "standalone/sandbox/echo_h2.h"

#include <fmt/core.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "standalone/sandbox/echo_http.h"

namespace weft::standalone::sandbox {

namespace {

constexpr size_t kMaxBuffered = 4 << 20;
/// HealthCheckResponse{SERVING} with the gRPC prefix.
const std::string kServing("\0\0\0\0\2\x08\1", 7);

nghttp2_nv header(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct EchoHttp2::State {
  struct Stream {
    EchoRequest request;
    std::string out;
    size_t sent = 0;
    bool grpc = false, echoes = false, responded = false;
    bool ended = false;  ///< nothing more is added to `out`
  };

  State(const EchoIdentity& i, std::string c) : identity(i), client(std::move(c)) {}
  ~State() { nghttp2_session_del(session); }

  void respond(int32_t id, Stream& stream);
  void request_complete(int32_t id, Stream& stream);
  void submit(int32_t id, Stream& stream, const std::string& status, std::string_view type);

  static State& of(void* user) { return *static_cast<State*>(user); }
  static int on_begin(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    of(user).streams[frame->hd.stream_id].request.protocol = "HTTP/2.0";
    return 0;
  }
  static int on_header(nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t, const uint8_t*, size_t,
                       uint8_t, void*);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t*, size_t, void*);
  static int on_close(nghttp2_session*, int32_t id, uint32_t, void* user) {
    of(user).streams.erase(id);
    return 0;
  }
  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t*, size_t, uint32_t*, nghttp2_data_source*,
                           void*);

  EchoIdentity identity;
  std::string client;
  nghttp2_session* session = nullptr;
  std::map<int32_t, Stream> streams;
};

int EchoHttp2::State::on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                                size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                                void* user) {
  auto it = of(user).streams.find(frame->hd.stream_id);
  if (it == of(user).streams.end()) return 0;
  auto& request = it->second.request;
  std::string_view key(reinterpret_cast<const char*>(name), name_size);
  std::string text(reinterpret_cast<const char*>(value), value_size);
  if (key == ":method") {
    request.method = text;
  } else if (key == ":path") {
    request.path = text;
  } else if (key == ":authority") {
    request.host = text;
  } else if (!key.starts_with(":")) {
    if (key == "content-type" && text.starts_with("application/grpc")) it->second.grpc = true;
    request.headers.emplace_back(key, text);
  }
  return 0;
}

int EchoHttp2::State::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  auto& self = of(user);
  auto it = self.streams.find(frame->hd.stream_id);
  if (it == self.streams.end()) return 0;
  if (frame->hd.type == NGHTTP2_HEADERS && !it->second.responded) self.respond(it->first, it->second);
  bool data = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  if (data && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) self.request_complete(it->first, it->second);
  return 0;
}

int EchoHttp2::State::on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                              void* user) {
  auto it = of(user).streams.find(id);
  if (it == of(user).streams.end() || !it->second.echoes) return 0;
  auto& stream = it->second;
  if (stream.out.size() - stream.sent + size > kMaxBuffered)
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
  stream.out.append(reinterpret_cast<const char*>(data), size);
  nghttp2_session_resume_data(session, id);
  return 0;
}

ssize_t EchoHttp2::State::read_body(nghttp2_session* session, int32_t id, uint8_t* out, size_t room,
                                    uint32_t* flags, nghttp2_data_source*, void* user) {
  auto it = of(user).streams.find(id);
  if (it == of(user).streams.end()) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  auto& stream = it->second;
  size_t n = std::min(room, stream.out.size() - stream.sent);
  std::memcpy(out, stream.out.data() + stream.sent, n);
  stream.sent += n;
  if (stream.sent == stream.out.size()) {
    stream.out.clear();
    stream.sent = 0;
    if (!stream.ended) return n > 0 ? static_cast<ssize_t>(n) : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream.grpc) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      auto trailer = header("grpc-status", "0");
      nghttp2_submit_trailer(session, id, &trailer, 1);
    }
  }
  return static_cast<ssize_t>(n);
}

void EchoHttp2::State::submit(int32_t id, Stream& stream, const std::string& status, std::string_view type) {
  stream.responded = true;
  nghttp2_nv headers[] = {header(":status", status), header("content-type", type)};
  nghttp2_data_provider body{};
  body.read_callback = read_body;
  nghttp2_submit_response(session, id, headers, 2, &body);
}

/// gRPC streams are answered as they come in; everything else when the request is complete.
void EchoHttp2::State::respond(int32_t id, Stream& stream) {
  if (!stream.grpc) return;
  bool check = stream.request.path == "/grpc.health.v1.Health/Check";
  bool watch = stream.request.path == "/grpc.health.v1.Health/Watch";
  stream.echoes = !check && !watch;
  if (check || watch) stream.out = kServing;
  stream.ended = check;
  submit(id, stream, "200", "application/grpc");
}

void EchoHttp2::State::request_complete(int32_t id, Stream& stream) {
  if (stream.responded) {
    if (!stream.echoes) return;
    stream.ended = true;
    nghttp2_session_resume_data(session, id);
    return;
  }
  auto response = answer(stream.request, identity, client);
  stream.out = std::move(response.body);
  stream.ended = true;
  submit(id, stream, fmt::format("{}", response.status), response.type);
}

EchoHttp2::EchoHttp2(const EchoIdentity& identity, std::string client)
    : state_(std::make_unique<State>(identity, std::move(client))) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, State::on_begin);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, State::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, State::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, State::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, State::on_close);
  nghttp2_session_server_new(&state_->session, callbacks, state_.get());
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_settings_entry limit{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000};
  nghttp2_submit_settings(state_->session, NGHTTP2_FLAG_NONE, &limit, 1);
}

EchoHttp2::~EchoHttp2() = default;

bool EchoHttp2::received(std::string_view bytes) {
  return nghttp2_session_mem_recv(state_->session, reinterpret_cast<const uint8_t*>(bytes.data()),
                                  bytes.size()) >= 0;
}

std::string EchoHttp2::to_send() {
  std::string out;
  const uint8_t* data = nullptr;
  for (ssize_t n; (n = nghttp2_session_mem_send(state_->session, &data)) > 0;)
    out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
  return out;
}

void EchoHttp2::shut_down() {
  nghttp2_submit_goaway(state_->session, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(state_->session), NGHTTP2_NO_ERROR, nullptr,
                        0);
}

bool EchoHttp2::finished() const {
  return nghttp2_session_want_read(state_->session) == 0 && nghttp2_session_want_write(state_->session) == 0;
}

}  // namespace weft::standalone::sandbox
