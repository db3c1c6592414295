#include "base/domain_messages.h"

#include <algorithm>

namespace weft::domain_feed {
namespace {

enum class Kind : uint8_t {
  asked = 1,
  dropped = 2,
  complete = 3,
  in_force = 4,
  answer = 5,
  serving = 6,
  silent = 7
};

struct Writer {
  std::string out = std::string(2, '\0');

  void number(uint64_t value, int bytes) {
    while (--bytes >= 0) out += static_cast<char>(value >> 8 * bytes);
  }
  void kind(Kind kind) { number(static_cast<uint8_t>(kind), 1); }

  void operator()(const Asked& message) {
    kind(Kind::asked);
    out += message.pattern;
  }
  void operator()(const Dropped& message) {
    kind(Kind::dropped);
    out += message.pattern;
  }
  void operator()(const Complete&) { kind(Kind::complete); }
  void operator()(const InForce& message) {
    kind(Kind::in_force);
    number(message.number, 4);
  }
  void operator()(const Answer& message) {
    kind(Kind::answer);
    number(message.number, 4);
    number(message.name.size(), 2);
    out += message.name;
    for (const auto& [to, ttl] : message.addresses) {
      number(ttl, 4);
      address(to);
    }
  }
  void operator()(const Serving& message) {
    kind(Kind::serving);
    number(message.ttl, 4);
    number(message.serial, 4);
    number(message.zone.size(), 2);
    out += message.zone;
    for (const auto& at : message.at) {
      number(at.port, 2);
      address(at.address);
    }
  }
  void operator()(const Silent&) { kind(Kind::silent); }
  void address(const IpAddr& address) {
    auto bytes = address.bytes();
    number(bytes.size(), 1);
    out.append(bytes.begin(), bytes.end());
  }

  std::string finish() {
    size_t size = out.size() - 2;
    out[0] = static_cast<char>(size >> 8);
    out[1] = static_cast<char>(size);
    return std::move(out);
  }
};

/// Takes from the front; after what is not there, `ok` is false.
struct Parser {
  std::span<const uint8_t> rest;
  bool ok = true;

  std::span<const uint8_t> bytes(size_t size) {
    ok = ok && rest.size() >= size;
    if (!ok) return {};
    auto out = rest.first(size);
    rest = rest.subspan(size);
    return out;
  }
  uint32_t number(size_t size) {
    uint32_t out = 0;
    for (uint8_t byte : bytes(size)) out = out << 8 | byte;
    return out;
  }
  std::string name(size_t size) {
    ok = ok && size > 0 && size <= kMaxName;
    auto text = bytes(size);
    ok = ok && std::ranges::all_of(text, [](uint8_t c) { return c > ' ' && c < 0x7f; });
    return {text.begin(), text.end()};
  }
  IpAddr address() {
    auto size = number(1);
    ok = ok && (size == 4 || size == 16);
    auto from = bytes(size);
    std::array<uint8_t, 4> v4{};
    std::array<uint8_t, 16> v6{};
    if (!ok) return {};
    if (size == 4) {
      std::ranges::copy(from, v4.begin());
      return IpAddr::v4(v4);
    }
    std::ranges::copy(from, v6.begin());
    return IpAddr::v6(v6);
  }
};

Answer read_answer(Parser& in) {
  Answer out{.number = in.number(4), .name = {}, .addresses = {}};
  out.name = in.name(in.number(2));
  while (in.ok && !in.rest.empty()) {
    auto ttl = in.number(4);
    out.addresses.push_back({in.address(), ttl});
    in.ok = in.ok && out.addresses.size() <= kMaxAddresses;
  }
  return out;
}

Serving read_serving(Parser& in) {
  Serving out;
  out.ttl = in.number(4);
  out.serial = in.number(4);
  out.zone = in.name(in.number(2));
  while (in.ok && !in.rest.empty()) {
    auto port = static_cast<uint16_t>(in.number(2));
    out.at.push_back({in.address(), port});
    in.ok = in.ok && out.at.size() <= kMaxServing;
  }
  return out;
}

std::optional<Message> read(Parser& in) {
  switch (static_cast<Kind>(in.number(1))) {
    case Kind::asked:
      return Asked{in.name(in.rest.size())};
    case Kind::dropped:
      return Dropped{in.name(in.rest.size())};
    case Kind::complete:
      return Complete{};
    case Kind::in_force:
      return InForce{in.number(4)};
    case Kind::answer:
      return read_answer(in);
    case Kind::serving:
      return read_serving(in);
    case Kind::silent:
      return Silent{};
  }
  return std::nullopt;
}

}  // namespace

std::string encode(const Message& message) {
  Writer writer;
  std::visit(writer, message);
  return writer.finish();
}

std::optional<Message> decode(std::span<const uint8_t> message) {
  Parser in{message};
  auto out = read(in);
  if (!in.ok || !in.rest.empty()) return std::nullopt;
  return out;
}

bool may_be_within(std::string_view pattern, std::string_view zone) {
  auto within = [](std::string_view name, std::string_view of) {
    return name.ends_with(of) && (name.size() == of.size() || name[name.size() - of.size() - 1] == '.');
  };
  const bool many = pattern.starts_with("*.");
  if (many) pattern.remove_prefix(2);
  return within(pattern, zone) || (many && within(zone, pattern));
}

void Reader::append(std::span<const uint8_t> bytes) {
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(at_));
  at_ = 0;
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

std::optional<Message> Reader::next() {
  while (!broken_ && bytes_.size() - at_ >= 2) {
    const size_t size = static_cast<size_t>(bytes_[at_]) << 8 | bytes_[at_ + 1];
    if (bytes_.size() - at_ - 2 < size) break;
    const auto bytes = std::span(bytes_).subspan(at_ + 2, size);
    at_ += 2 + size;
    // What a later version says besides.
    if (!bytes.empty() && bytes[0] > static_cast<uint8_t>(Kind::silent)) continue;
    auto message = decode(bytes);
    broken_ = !message;
    return message;
  }
  return std::nullopt;
}

}  // namespace weft::domain_feed
