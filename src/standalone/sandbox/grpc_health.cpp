#include "standalone/sandbox/grpc_health.h"

#include <fmt/core.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace weft::standalone::sandbox {

namespace {

/// A gRPC message: flag byte, length in network order, then HealthCheckRequest{string service = 1}.
std::string frame(const std::string& service) {
  std::string body;
  auto name = service.substr(0, 127);
  if (!name.empty()) body = std::string("\x0a") + static_cast<char>(name.size()) + name;
  std::string out(5, '\0');
  out[4] = static_cast<char>(body.size());
  return out + body;
}

}  // namespace

struct GrpcHealthCheck::State {
  nghttp2_session* session = nullptr;
  std::string request;
  size_t sent = 0;
  std::string to_send;
  std::string response;
  std::string grpc_status, grpc_message, http_status;
  std::string failure;
  bool done = false;

  ~State() { nghttp2_session_del(session); }

  void gather() {
    const uint8_t* data = nullptr;
    for (ssize_t n; (n = nghttp2_session_mem_send(session, &data)) > 0;)
      to_send.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
  }

  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t* out, size_t room, uint32_t* flags,
                           nghttp2_data_source* source, void*) {
    auto& self = *static_cast<State*>(source->ptr);
    size_t n = std::min(room, self.request.size() - self.sent);
    std::memcpy(out, self.request.data() + self.sent, n);
    self.sent += n;
    if (self.sent == self.request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }
  static int on_header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_length,
                       const uint8_t* value, size_t value_length, uint8_t, void* user) {
    auto& self = *static_cast<State*>(user);
    std::string_view key(reinterpret_cast<const char*>(name), name_length);
    std::string text(reinterpret_cast<const char*>(value), value_length);
    if (key == ":status") self.http_status = text;
    if (key == "grpc-status") self.grpc_status = text;
    if (key == "grpc-message") self.grpc_message = text;
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t length, void* user) {
    auto& self = *static_cast<State*>(user);
    if (self.response.size() < 1024) self.response.append(reinterpret_cast<const char*>(data), length);
    return 0;
  }
  static int on_close(nghttp2_session*, int32_t, uint32_t error, void* user) {
    auto& self = *static_cast<State*>(user);
    self.done = true;
    if (error != 0 && self.grpc_status.empty())
      self.failure = fmt::format("stream closed: {}", nghttp2_http2_strerror(error));
    return 0;
  }
};

GrpcHealthCheck::GrpcHealthCheck(const std::string& service, const std::string& authority)
    : state_(std::make_unique<State>()) {
  state_->request = frame(service);
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, State::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, State::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, State::on_close);
  nghttp2_session_client_new(&state_->session, callbacks, state_.get());
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(state_->session, NGHTTP2_FLAG_NONE, nullptr, 0);

  std::vector<nghttp2_nv> headers;
  auto add = [&](const char* name, const std::string& value) {
    headers.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name)),
                       reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), std::strlen(name),
                       value.size(), NGHTTP2_NV_FLAG_NONE});
  };
  const std::string method = "POST", scheme = "http", path = "/grpc.health.v1.Health/Check",
                    type = "application/grpc", trailers = "trailers", agent = "kube-probe/weft";
  add(":method", method);
  add(":scheme", scheme);
  add(":path", path);
  add(":authority", authority);
  add("content-type", type);
  add("te", trailers);
  add("user-agent", agent);
  nghttp2_data_provider body{};
  body.source.ptr = state_.get();
  body.read_callback = State::read_body;
  nghttp2_submit_request(state_->session, nullptr, headers.data(), headers.size(), &body, nullptr);
}

GrpcHealthCheck::~GrpcHealthCheck() = default;

std::string GrpcHealthCheck::to_send() {
  state_->gather();
  return std::exchange(state_->to_send, {});
}

void GrpcHealthCheck::received(std::string_view bytes) {
  auto n =
      nghttp2_session_mem_recv(state_->session, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  // nghttp2 only knows that it is done when it has taken leave.
  state_->gather();
  if (n >= 0 && nghttp2_session_want_read(state_->session) != 0) return;
  // A peer that speaks something else is told so by nghttp2, which then wants to hear no more.
  if (!state_->done) state_->failure = n < 0 ? nghttp2_strerror(static_cast<int>(n)) : "not an HTTP/2 server";
  state_->done = true;
}

bool GrpcHealthCheck::done() const { return state_->done; }

bool GrpcHealthCheck::serving() const {
  // HealthCheckResponse{ServingStatus status = 1}, SERVING = 1.
  return state_->failure.empty() && state_->grpc_status == "0" &&
         state_->response == std::string("\0\0\0\0\2\x08\1", 7);
}

std::string GrpcHealthCheck::message() const {
  if (serving()) return "SERVING";
  if (!state_->failure.empty()) return state_->failure;
  if (!state_->grpc_status.empty() && state_->grpc_status != "0")
    return fmt::format("grpc status {}: {}", state_->grpc_status, state_->grpc_message);
  if (state_->grpc_status.empty()) return fmt::format("HTTP status {}, no gRPC answer", state_->http_status);
  return "service unhealthy (responded with NOT_SERVING)";
}

}  // namespace weft::standalone::sandbox
