#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "standalone/sandbox/echo.h"

/// The protocol side of weft/echo, without sockets.
namespace weft::standalone::sandbox {

struct EchoRequest {
  std::string method, path, host, protocol;
  std::vector<std::pair<std::string, std::string>> headers;
  bool keep_alive = true;
  bool operator==(const EchoRequest&) const = default;
};

/// Takes one HTTP/1.x request from the front of a byte stream; its body (Content-Length or chunked) is read
/// over and only counted.
class HttpReader {
 public:
  static constexpr size_t kMaxHead = 64 << 10;
  static constexpr size_t kMaxBody = 64 << 20;
  enum class State { head, body, chunk_size, chunk, chunk_end, trailer, complete, bad };

  /// Consumes bytes up to the end of the request; returns how many.
  size_t feed(std::string_view bytes);
  State state() const { return state_; }
  const EchoRequest& request() const { return request_; }
  /// 400, 413 or 431 in state bad.
  int error_status() const { return error_; }
  /// Begins the next request.
  void reset() { *this = HttpReader(); }

 private:
  void head_complete();
  bool read_line(std::string_view& bytes);
  void line_complete();
  void fail(int status);

  State state_ = State::head;
  std::string head_;  ///< the head, later a line of the chunked body
  size_t left_ = 0;
  size_t body_ = 0;
  int error_ = 0;
  EchoRequest request_;
};

struct EchoResponse {
  int status = 200;
  const char* type = "application/json";
  std::string body;
  int delay_ms = 0;
};

/// What weft/echo answers. /healthz: "ok"; /hostname: the pod's name; /status/NNN: that status;
/// /delay/MS: later; everything else: the request and the pod as JSON.
EchoResponse answer(const EchoRequest& request, const EchoIdentity& identity, std::string_view client);

/// The response in HTTP/1.1; `head_only` for HEAD.
std::string write_response(const EchoResponse& response, bool keep_alive, bool head_only);

}  // namespace weft::standalone::sandbox
