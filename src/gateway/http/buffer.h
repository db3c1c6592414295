#pragma once

#include <cstddef>
#include <string_view>

namespace weft::gateway {

/// Bytes on their way: put in behind, taken out in front, always contiguous. An empty one owns nothing;
/// memory comes in slabs that a thread keeps for the next one who needs them, the one used last first (its
/// bytes are in the cache).
class Buffer {
 public:
  static constexpr size_t kSlab = size_t{32} << 10;

  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { clear(); }

  std::string_view view() const { return {data_ + begin_, end_ - begin_}; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  /// Room for `size` bytes behind what is there; what is written to it counts after commit().
  char* reserve(size_t size);
  void commit(size_t size) { end_ += size; }
  void append(std::string_view bytes);
  /// Takes `size` bytes off the front.
  void consume(size_t size);
  void clear();

 private:
  char* data_ = nullptr;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace weft::gateway
