#include "gateway/http/client_hello.h"

#include <algorithm>

namespace weft::gateway {
namespace {

/// Takes numbers and vectors off the front of a message; after the first that is not there nothing is.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  bool good() const { return good_; }
  bool done() const { return rest_.empty(); }

  std::string_view bytes(size_t size) {
    if (size > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  /// Big-endian.
  size_t number(size_t size) {
    size_t value = 0;
    for (char c : bytes(size)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  /// Behind its length in `length_size` bytes.
  std::string_view vector(size_t length_size) { return bytes(number(length_size)); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

/// False: not a host name.
bool read_name(std::string_view name, std::string& out) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  for (char c : name) {
    char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    bool good = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!good) return false;
    out += lower;
  }
  return true;
}

bool read_server_name(std::string_view extension, std::string& out) {
  Cursor at(extension);
  Cursor list(at.vector(2));
  if (!at.good() || !at.done()) return false;
  while (!list.done()) {
    constexpr size_t kHostName = 0;
    size_t type = list.number(1);
    std::string_view name = list.vector(2);
    if (!list.good()) return false;
    if (type == kHostName) return out.empty() && read_name(name, out);
  }
  return list.good();
}

/// `body`: of the handshake message.
bool read_body(std::string_view body, std::string& server_name) {
  Cursor at(body);
  at.bytes(2 + 32);  // legacy_version, random
  at.vector(1);      // legacy_session_id
  at.vector(2);      // cipher_suites
  at.vector(1);      // legacy_compression_methods
  if (!at.good()) return false;
  if (at.done()) return true;
  Cursor extensions(at.vector(2));
  if (!at.good() || !at.done()) return false;
  while (!extensions.done()) {
    constexpr size_t kServerName = 0;
    size_t type = extensions.number(2);
    std::string_view data = extensions.vector(2);
    if (!extensions.good()) return false;
    if (type == kServerName) return read_server_name(data, server_name);
  }
  return true;
}

}  // namespace

ClientHello read_client_hello(std::string_view bytes) {
  constexpr uint8_t kHandshake = 22;
  constexpr uint8_t kClientHello = 1;
  constexpr size_t kMostInRecord = size_t{1} << 14;
  ClientHello bad{.state = ClientHello::State::bad};
  std::string message;
  size_t seen = 0;
  while (!bytes.empty()) {
    // The type and version are looked at as soon as they are there: what is not TLS is not waited for.
    if (static_cast<uint8_t>(bytes[0]) != kHandshake || (bytes.size() > 1 && bytes[1] != 3)) return bad;
    if (bytes.size() < 5) return {};
    size_t length = static_cast<uint8_t>(bytes[3]) << 8 | static_cast<uint8_t>(bytes[4]);
    if (length == 0 || length > kMostInRecord) return bad;
    size_t here = std::min(length, bytes.size() - 5);
    message.append(bytes.substr(5, here));
    bytes.remove_prefix(5 + here);
    seen += 5 + here;
    if (!message.empty() && static_cast<uint8_t>(message[0]) != kClientHello) return bad;
    if (message.size() < 4) {
      if (here < length) return {};
      continue;
    }
    size_t size = Cursor(std::string_view(message).substr(1)).number(3);
    if (size > ClientHello::kLongest) return bad;
    if (message.size() >= 4 + size) {
      ClientHello hello{.state = ClientHello::State::read};
      if (!read_body(std::string_view(message).substr(4, size), hello.server_name)) return bad;
      return hello;
    }
    if (seen > 2 * ClientHello::kLongest) return bad;
  }
  return {};
}

}  // namespace weft::gateway
