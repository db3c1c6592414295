#pragma once

#include <zlib.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

/// Frames of SPDY/3.1 (the SPDY protocol, draft 3.1, section 2), as Kubernetes' streaming requests use them
/// after "Upgrade: SPDY/3.1": streams with headers, no priorities, no flow control of their own. Bytes in,
/// frames out, and the other way round; nothing here reads or writes a socket.
namespace weft::standalone::spdy {

/// Names are in lower case; several values of one name have '\0' between them.
using Headers = std::vector<std::pair<std::string, std::string>>;

/// The frames that carry headers; the values are those of the protocol.
enum class HeaderKind : uint16_t { syn_stream = 1, syn_reply = 2, headers = 8 };

struct HeaderFrame {
  HeaderKind kind = HeaderKind::syn_stream;
  uint32_t stream = 0;
  bool fin = false;  ///< the sender says no more on this stream
  Headers headers;
};

/// A DATA frame, or a part of one: a long frame is handed out as its bytes come.
struct Data {
  uint32_t stream = 0;
  bool fin = false;
  std::string bytes;
};

/// The stream ends at once, both ways.
struct RstStream {
  uint32_t stream = 0;
  uint32_t status = 0;
};

/// To be sent back as it is.
struct Ping {
  uint32_t id = 0;
};

/// The sender makes no more streams.
struct GoAway {
  uint32_t status = 0;
};

/// Frames that nothing follows from here: SETTINGS, WINDOW_UPDATE and types we do not know.
struct Ignored {
  uint16_t type = 0;
};

using Frame = std::variant<HeaderFrame, Data, RstStream, Ping, GoAway, Ignored>;

constexpr uint32_t kProtocolError = 1;
constexpr uint32_t kRefusedStream = 3;

/// Ends a z_stream the way it was begun.
struct EndStream {
  int (*end)(z_stream*);
  void operator()(z_stream* stream) const {
    end(stream);
    delete stream;
  }
};
using ZStream = std::unique_ptr<z_stream, EndStream>;

/// Takes the other side's bytes apart. Keeps at most one control frame (64 KiB) in memory.
class Reader {
 public:
  Reader();
  /// More bytes of the connection.
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  /// The next frame; nothing while there is not enough for one. After an error (bad_request: a malformed
  /// frame, or one over a limit) the connection is of no more use.
  Expected<std::optional<Frame>> next();

 private:
  Expected<std::optional<Frame>> control();
  std::optional<Frame> data();
  Expected<Headers> headers(std::string_view block);
  Expected<std::string> inflated(std::string_view block);

  std::string buffer_;
  uint32_t data_left_ = 0;    ///< of the DATA frame that has begun
  uint32_t data_stream_ = 0;  ///< 0: none has
  bool data_fin_ = false;
  ZStream inflate_;  ///< one for all header blocks of the connection
};

/// Makes our side's frames. The order in which frames with headers are made is the order to send them in.
class Writer {
 public:
  Writer();
  std::string headers(HeaderKind kind, uint32_t stream, const Headers& headers);
  static std::string data(uint32_t stream, std::string_view bytes, bool fin);  ///< at most 2^24-1 bytes
  static std::string rst_stream(uint32_t stream, uint32_t status);
  static std::string ping(uint32_t id);
  static std::string go_away(uint32_t last_stream, uint32_t status);

 private:
  std::string deflated(std::string_view block);

  ZStream deflate_;
};

/// What both sides' compression of headers starts from (section 2.6.10.1).
std::string_view dictionary();

}  // namespace weft::standalone::spdy
