#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft::dns {

/// A domain name in wire form (RFC 1035, 3.1), uncompressed, with the root's zero byte at its end. Bytes are
/// kept as they came; comparison is without case (RFC 4343). Never longer than 255 bytes, no label longer
/// than 63.
class Name {
 public:
  Name() { bytes_[0] = 0; }  ///< the root

  /// From text: labels between dots, a final dot or not. No escapes: any byte but '.' stands for itself. ""
  /// and "." are the root. Nothing when a label is empty or too long, or the whole is.
  static std::optional<Name> parse(std::string_view text);

  std::span<const uint8_t> wire() const { return {bytes_.data(), size_}; }
  size_t size() const { return size_; }
  bool is_root() const { return size_ == 1; }

  /// Puts one label at the end (before the root). False when it does not fit or is empty; the name is then as
  /// it was.
  bool append(std::string_view label);
  /// Puts all labels of another name at the end.
  bool append(std::span<const uint8_t> wire);
  void clear();

  /// ASCII upper case to lower case, in place.
  void lower();
  /// "a.b." ("." for the root); dots, backslashes and unprintable bytes inside labels are escaped as \DDD.
  std::string str() const;

  bool equals(std::span<const uint8_t> wire) const;
  bool operator==(const Name& other) const { return equals(other.wire()); }

 private:
  std::array<uint8_t, 255> bytes_;
  uint8_t size_ = 1;
};

/// Equality of two wire names of any origin, without case.
bool same_name(std::span<const uint8_t> a, std::span<const uint8_t> b);

inline uint8_t ascii_lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

}  // namespace weft::dns
