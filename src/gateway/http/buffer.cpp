#include "gateway/http/buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace weft::gateway {

namespace {

/// Slabs of a thread that nobody uses.
class Slabs {
 public:
  ~Slabs() {
    while (first_) std::free(take());
  }
  char* get() {
    if (first_) return take();
    auto* slab = static_cast<char*>(std::malloc(Buffer::kSlab));
    if (!slab) throw std::bad_alloc();
    return slab;
  }
  void put(char* slab) {
    if (count_ == kKept) return std::free(slab);
    ++count_;
    std::memcpy(slab, &first_, sizeof first_);
    first_ = slab;
  }

 private:
  static constexpr size_t kKept = 128;
  char* take() {
    char* slab = first_;
    std::memcpy(&first_, slab, sizeof first_);
    --count_;
    return slab;
  }
  char* first_ = nullptr;
  size_t count_ = 0;
};

thread_local Slabs slabs;

}  // namespace

char* Buffer::reserve(size_t size) {
  if (capacity_ - end_ >= size) return data_ + end_;
  size_t held = this->size();
  if (capacity_ - held >= size && begin_ >= held) {
    std::memcpy(data_, data_ + begin_, held);
  } else if (!data_ && size <= kSlab) {
    data_ = slabs.get();
    capacity_ = kSlab;
  } else {
    size_t capacity = std::max({2 * capacity_, held + size, kSlab});
    auto* data = static_cast<char*>(std::malloc(capacity));
    if (!data) throw std::bad_alloc();
    if (held > 0) std::memcpy(data, data_ + begin_, held);
    size_t end = held;
    clear();
    data_ = data;
    capacity_ = capacity;
    end_ = end;
    return data_ + end_;
  }
  begin_ = 0;
  end_ = held;
  return data_ + end_;
}

void Buffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
  commit(bytes.size());
}

void Buffer::consume(size_t size) {
  begin_ += size;
  if (begin_ == end_) clear();
}

void Buffer::clear() {
  if (data_) {
    if (capacity_ == kSlab)
      slabs.put(data_);
    else
      std::free(data_);
  }
  data_ = nullptr;
  begin_ = end_ = capacity_ = 0;
}

}  // namespace weft::gateway
