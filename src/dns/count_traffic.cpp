#include "dns/count_traffic.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::dns {
namespace {

constexpr size_t kHttps = 65;
/// In the order of their slots; the last is for all others.
constexpr std::array<std::pair<uint16_t, const char*>, Counters::kTypes> kTypes{{{1, "A"},
                                                                                 {28, "AAAA"},
                                                                                 {33, "SRV"},
                                                                                 {12, "PTR"},
                                                                                 {16, "TXT"},
                                                                                 {5, "CNAME"},
                                                                                 {15, "MX"},
                                                                                 {2, "NS"},
                                                                                 {6, "SOA"},
                                                                                 {kHttps, "HTTPS"},
                                                                                 {255, "ANY"},
                                                                                 {0, "other"}}};

constexpr size_t kRcodeByte = 3;

/// With the upper bits that an OPT record has (BADVERS). Only an answer that says nothing else has such a
/// code, so that others are not read through for it.
size_t code_of(std::span<const uint8_t> answer) {
  const size_t low = answer[kRcodeByte] & 0xf;
  ResponseHeader header;
  if (low != 0 || !read_header(answer, header) || header.answers + header.authorities > 0 ||
      header.questions > 1 || header.additionals != 1)
    return low;
  size_t at = kHeaderSize;
  Name name;
  RecordView opt;
  if (header.questions == 1 && (!read_name(answer, at, name) || answer.size() - at < 4)) return low;
  at += header.questions == 1 ? 4 : 0;
  if (!read_record(answer, at, opt) || opt.type != Type::opt) return low;
  return static_cast<size_t>(opt.ttl >> 24) << 4;
}

uint64_t microseconds(std::chrono::steady_clock::duration took) {
  return static_cast<uint64_t>(
      std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
}

}  // namespace

size_t type_slot(uint16_t type) {
  size_t slot = 0;
  while (slot + 1 < kTypes.size() && kTypes[slot].first != type) ++slot;
  return slot;
}

const char* type_slot_name(size_t slot) { return kTypes[slot].second; }

void count_question(Counters& counters, Transport transport, bool v6, Type type) {
  counters.requests[transport == Transport::tcp][v6][type_slot(static_cast<uint16_t>(type))].add();
}

void count_answer(Counters& counters, std::span<const uint8_t> answer,
                  std::chrono::steady_clock::duration took) {
  if (answer.size() <= kRcodeByte) return;
  counters.responses[std::min(code_of(answer), counters.responses.size() - 1)].add();
  const uint64_t us = microseconds(took);
  auto end = std::ranges::lower_bound(Counters::kBuckets, us);
  counters.durations[static_cast<size_t>(end - Counters::kBuckets.begin())].add();
  counters.duration_us.add(us);
}

Type type_of_slot(size_t slot) { return static_cast<Type>(kTypes[slot].first); }

std::string type_name(Type type) {
  const auto number = static_cast<uint16_t>(type);
  const size_t slot = type_slot(number);
  return kTypes[slot].first == number && number != 0 ? kTypes[slot].second : fmt::format("TYPE{}", number);
}

std::string describe_answer(const SocketAddress& client, Transport transport, std::span<const uint8_t> answer,
                            std::chrono::steady_clock::duration took) {
  ResponseHeader header;
  Name name;
  size_t at = kHeaderSize;
  if (!read_header(answer, header) || header.questions != 1 || !read_name(answer, at, name) ||
      answer.size() - at < 4)
    return {};
  const auto type = static_cast<Type>(answer[at] << 8 | answer[at + 1]);
  return fmt::format("{} asked over {} for {} {}: code {}, {} answers, {} bytes, {} us", client.str(),
                     transport == Transport::tcp ? "TCP" : "UDP", name.str(), type_name(type),
                     static_cast<int>(header.rcode), header.answers, answer.size(), microseconds(took));
}

}  // namespace weft::dns
