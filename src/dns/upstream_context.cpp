#include "dns/upstream_context.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace weft::dns {

OwnQuestions::OwnQuestions() {
  RandomBits random;
  for (int i = 0; i < 5; ++i) probe_label_ += fmt::format("{:04x}", random.next16());
}

Name OwnQuestions::loop_probe(const Name& domain) const {
  Name out;
  out.append(probe_label_);
  out.append(domain.wire());
  return out;
}

bool OwnQuestions::is_loop_probe(const Name& name) const {
  const auto wire = name.wire();
  return wire[0] == probe_label_.size() &&
         std::ranges::equal(wire.subspan(1, wire[0]), probe_label_, {}, ascii_lower);
}

uint16_t RandomBits::next16() {
  if (left_ == 0) {
    if (::getrandom(pool_.data(), sizeof pool_, 0) < 0) std::abort();
    left_ = pool_.size();
  }
  return pool_[--left_];
}

Name RandomBits::shuffle_case(const Name& name) {
  Name out;
  uint32_t bits = 1;  // and a marker in front: used up when only that is left
  for (auto wire = name.wire(); wire[0] != 0; wire = wire.subspan(wire[0] + 1U)) {
    std::string label(reinterpret_cast<const char*>(&wire[1]), wire[0]);
    for (char& c : label) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter) continue;
      if (bits == 1) bits = 0x10000U | next16();
      if ((bits & 1) != 0) c ^= 0x20;
      bits >>= 1;
    }
    out.append(label);
  }
  return out;
}

}  // namespace weft::dns
