#pragma once

#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>
#include <vector>

/// Heads of HTTP messages as the proxy knows them, whatever version they came in: what the codecs read and
/// write, and what matching and filters work on. Texts are views of the message's arena.
namespace weft::gateway {

/// Owns the texts of one message; freed as a whole.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::string_view keep(std::string_view text);
  /// Room for `size` characters.
  std::span<char> room(size_t size);
  void clear() { memory_.release(); }

 private:
  alignas(16) std::byte first_[2048];
  std::pmr::monotonic_buffer_resource memory_{first_, sizeof first_};
};

struct Field {
  std::string_view name;  ///< in lower case
  std::string_view value;
};

/// Header or trailer fields in the order they came. Names given here have to be in lower case, and texts have
/// to live as long as the message (its arena).
class Fields {
 public:
  /// The first with this name, or nullptr.
  const Field* find(std::string_view name) const;
  /// All values of the name, joined with ", " in the arena where there are several (RFC 9110, 5.3).
  std::string_view joined(std::string_view name, Arena& arena) const;
  void add(std::string_view name, std::string_view value) { list_.push_back({name, value}); }
  /// In the place of all of this name.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  void clear() { list_.clear(); }
  bool empty() const { return list_.empty(); }
  size_t size() const { return list_.size(); }
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }

 private:
  std::vector<Field> list_;
};

/// Hop-by-hop fields, Host and framing fields (content-length, transfer-encoding) are not among `fields`: the
/// codec has taken them out and puts in what the other side needs.
struct RequestHead {
  std::string_view method;
  std::string_view scheme;     ///< "http" or "https", by the connection it came over
  std::string_view authority;  ///< Host or :authority, in lower case, port included
  std::string_view path;       ///< normalised, without the query; "*" of OPTIONS
  std::string_view query;      ///< behind the "?", which is not part of it
  bool has_query = false;
  std::string_view upgrade;  ///< the protocol asked for with Upgrade or :protocol, or empty
  Fields fields;
};

struct ResponseHead {
  uint16_t status = 0;
  std::string_view upgrade;
  Fields fields;
};

/// How the body of a message ends.
enum class BodyKind : uint8_t {
  none,
  length,   ///< after a known number of bytes
  chunked,  ///< when its sender says so; of HTTP/2: without a content-length
  close,    ///< with the connection (of HTTP/1 responses)
};

/// What a message's head says about its body. A response to HEAD and a 304 may name a length and yet have
/// none.
struct Body {
  BodyKind kind = BodyKind::none;
  uint64_t length = 0;  ///< of BodyKind::length
  bool operator==(const Body&) const = default;
};

}  // namespace weft::gateway
