#include "dns/stored_answer.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/fnv.h"

namespace weft::dns {
namespace {

using std::chrono::seconds;

constexpr auto kSig = Type{24}, kSvcb = Type{64}, kHttps = Type{65}, kTsig = Type{250};
constexpr seconds kServfailKept{1};
constexpr uint32_t kStaleTtl = 30;
constexpr size_t kOptSize = 11;
constexpr std::array<uint8_t, 6> kStaleAnswer{0, 15, 0, 2, 0, 3};  // extended error 3 (RFC 8914, 4.4)

uint16_t get16(std::span<const uint8_t> m, size_t at) {
  return static_cast<uint16_t>(m[at] << 8 | m[at + 1]);
}
uint32_t get32(std::span<const uint8_t> m, size_t at) {
  return static_cast<uint32_t>(get16(m, at)) << 16 | get16(m, at + 2);
}
void put16(std::span<uint8_t> m, size_t at, size_t value) {
  m[at] = static_cast<uint8_t>(value >> 8);
  m[at + 1] = static_cast<uint8_t>(value);
}
void put32(std::span<uint8_t> m, size_t at, uint32_t value) {
  put16(m, at, value >> 16);
  put16(m, at + 2, value & 0xffff);
}

Query plain_query(const UpstreamQuestion& question) {
  Query query;
  query.has_question = true;
  query.name = question.name;
  query.type = question.type;
  return query;
}

/// Records that are of the way a message took, not of what it says.
bool is_of_transport(const RecordView& record) {
  return record.type == Type::opt || record.type == kTsig || record.type == kSig;
}

Section section_of(const ResponseHeader& header, int record) {
  if (record < header.answers) return Section::answer;
  return record < header.answers + header.authorities ? Section::authority : Section::additional;
}

/// RFC 2181, 8: a TTL with its highest bit set is zero.
uint32_t sane_ttl(uint32_t ttl) { return ttl > std::numeric_limits<int32_t>::max() ? 0 : ttl; }

/// What the message says as a whole: the least TTL, and what a negative answer goes by.
struct Summary {
  bool has_data = false;  ///< a record of the type that was asked for
  std::optional<uint32_t> least_ttl, soa_ttl;

  void add(const UpstreamQuestion& question, std::span<const uint8_t> message, Section section,
           RecordView& record) {
    record.ttl = sane_ttl(record.ttl);
    if (section == Section::authority && record.type == Type::soa && record.data_size >= 22) {
      record.ttl = std::min(record.ttl, sane_ttl(get32(message, record.data_at + record.data_size - 4)));
      soa_ttl = record.ttl;
    }
    if (section == Section::answer && (record.type == question.type || question.type == Type{255}))
      has_data = true;
    if (section != Section::additional) least_ttl = std::min(least_ttl.value_or(record.ttl), record.ttl);
  }
};

struct Bounds {
  seconds least{0}, most{0};
  uint32_t within(uint32_t ttl) const {
    return static_cast<uint32_t>(std::clamp(seconds(ttl), least, std::max(least, most)).count());
  }
};

/// Finds TTLs and ends of sections in what the Writer wrote.
bool index(StoredAnswer& answer) {
  ResponseHeader header;
  std::span<const uint8_t> message = answer.message;
  size_t at = kHeaderSize;
  Name name;
  if (!read_header(message, header) || !read_name(message, at, name)) return false;
  at += 4;
  answer.answers = header.answers;
  answer.authorities = header.authorities;
  answer.additionals = header.additionals;
  answer.answer_end = answer.authority_end = static_cast<uint16_t>(at);
  uint16_t turning_type = 0;
  Name turning_name;
  for (int i = 0; i < header.answers + header.authorities + header.additionals; ++i) {
    RecordView record;
    if (!read_record(message, at, record)) return false;
    answer.ttls.push_back(static_cast<uint16_t>(record.data_at - 6));
    if (section_of(header, i) == Section::additional) continue;
    answer.authority_end = static_cast<uint16_t>(at);
    if (section_of(header, i) != Section::answer) continue;
    answer.answer_end = static_cast<uint16_t>(at);
    const bool address = (record.type == Type::a && record.data_size == 4) ||
                         (record.type == Type::aaaa && record.data_size == 16);
    const auto type = address ? static_cast<uint16_t>(record.type) : uint16_t{0};
    if (type != turning_type || record.owner != turning_name) {
      answer.turning_from = static_cast<uint16_t>(i);
      answer.turning = 0;
    }
    turning_type = type;
    turning_name = record.owner;
    answer.turning = static_cast<uint16_t>(address ? answer.turning + 1 : 0);
  }
  return true;
}

/// For how long an answer is given to others, before the bounds.
void classify(StoredAnswer& answer, const Summary& summary, const CacheOptions* bounds) {
  answer.negative = answer.rcode == Rcode::nxdomain || (answer.rcode == Rcode::noerror && !summary.has_data);
  if (!bounds || answer.truncated) return;
  if (answer.rcode == Rcode::servfail) {
    answer.negative = true;
    answer.keep = kServfailKept;
    return;
  }
  if (answer.rcode != Rcode::noerror && answer.rcode != Rcode::nxdomain) return;
  if (answer.negative ? !summary.soa_ttl : !summary.least_ttl) return;
  const Bounds of = answer.negative ? Bounds{bounds->negative_min, bounds->negative_max}
                                    : Bounds{bounds->positive_min, bounds->positive_max};
  answer.keep = seconds(of.within(*summary.least_ttl));
  for (uint16_t at : answer.ttls) put32(answer.message, at, of.within(get32(answer.message, at)));
}

/// The hints of a service binding (RFC 9460, 2.2 and 7.3) as addresses to `see`; what is malformed ends it.
template <class See>
bool any_hint(std::span<const uint8_t> data, const See& see) {
  size_t at = 2;
  while (at < data.size() && data[at] != 0) at += data[at] + 1U;  // the target, never compressed
  for (++at; at + 4 <= data.size();) {
    const uint16_t key = get16(data, at);
    const size_t size = get16(data, at + 2);
    at += 4;
    if (size > data.size() - at) return false;
    const size_t step = key == 4 ? 4 : 16;
    for (size_t i = 0; (key == 4 || key == 6) && i + step <= size; i += step) {
      if (see(data.subspan(at + i, step))) return true;
    }
    at += size;
  }
  return false;
}

IpAddr to_address(std::span<const uint8_t> bytes) {
  constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool mapped = bytes.size() == 16 && std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
  if (mapped) bytes = bytes.subspan(12);
  std::array<uint8_t, 4> four;
  std::array<uint8_t, 16> sixteen;
  if (bytes.size() == 4) {
    std::ranges::copy(bytes, four.begin());
    return IpAddr::v4(four);
  }
  std::ranges::copy(bytes, sixteen.begin());
  return IpAddr::v6(sixteen);
}

void write_header(const StoredAnswer& answer, const Query& query, bool truncated, std::span<uint8_t> out) {
  put16(out, 0, query.id);
  out[2] = static_cast<uint8_t>(0x80 | (truncated ? 0x02 : 0) | (query.recursion_desired ? 0x01 : 0));
  // AD is for those who know of it (RFC 6840, 5.8).
  out[3] = static_cast<uint8_t>(0x80 | (answer.authenticated && query.dnssec_ok ? 0x20 : 0) |
                                (query.checking_disabled ? 0x10 : 0) | static_cast<uint8_t>(answer.rcode));
}

size_t write_opt(const Query& query, bool stale, std::span<uint8_t> out, size_t at) {
  std::memset(&out[at], 0, kOptSize);
  out[at + 2] = static_cast<uint8_t>(Type::opt);
  put16(out, at + 3, kMaxUdpSize);
  out[at + 7] = query.dnssec_ok ? 0x80 : 0;
  if (!stale) return at + kOptSize;
  put16(out, at + 9, kStaleAnswer.size());
  std::ranges::copy(kStaleAnswer, out.begin() + static_cast<ptrdiff_t>(at + kOptSize));
  return at + kOptSize + kStaleAnswer.size();
}

}  // namespace

uint64_t hash_of(const UpstreamQuestion& question, uint64_t seed) {
  uint64_t hash = seed;
  for (uint8_t byte : question.name.wire()) hash = fnv1a(std::array{ascii_lower(byte)}, hash);
  const auto type = static_cast<uint16_t>(question.type);
  return fnv1a(
      std::array{static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type),
                 static_cast<uint8_t>(question.dnssec_ok), static_cast<uint8_t>(question.checking_disabled)},
      hash);
}

size_t write_upstream_query(std::span<uint8_t> out, uint16_t id, const UpstreamQuestion& question,
                            bool edns) {
  Query like;
  like.recursion_desired = true;
  like.checking_disabled = question.checking_disabled;
  like.type = question.type;
  like.has_edns = edns;
  like.edns_udp_size = kMaxUdpSize;
  like.dnssec_ok = question.dnssec_ok;
  return write_query(out, id, question.name, like);
}

bool is_answer_to(const UpstreamQuestion& question, uint16_t id, std::span<const uint8_t> message,
                  bool& same_case) {
  ResponseHeader header;
  if (!read_header(message, header) || !header.response || header.id != id || header.questions != 1)
    return false;
  size_t at = kHeaderSize;
  Name name;
  if (!read_name(message, at, name) || message.size() - at < 4 || name != question.name) return false;
  same_case = std::ranges::equal(name.wire(), question.name.wire());
  return get16(message, at) == static_cast<uint16_t>(question.type) && get16(message, at + 2) == kClassIn;
}

std::optional<StoredAnswer> store_answer(const UpstreamQuestion& question, std::span<const uint8_t> message,
                                         const CacheOptions* bounds) {
  thread_local std::vector<uint8_t> scratch(kMaxMessage);
  ResponseHeader header;
  size_t at = kHeaderSize;
  Name name;
  if (!read_header(message, header) || header.questions != 1 || !read_name(message, at, name) ||
      name != question.name || message.size() - at < 4)
    return std::nullopt;
  at += 4;
  const Query query = plain_query(question);
  Writer writer(scratch, kMaxMessage, query);
  Summary summary;
  for (int i = 0; i < header.answers + header.authorities + header.additionals; ++i) {
    RecordView record;
    // A truncated message may end anywhere.
    if (header.truncated && at == message.size()) break;
    if (!read_record(message, at, record)) return std::nullopt;
    if (is_of_transport(record)) continue;
    const Section section = section_of(header, i);
    summary.add(question, message, section, record);
    if (!writer.copy(section, message, record)) return std::nullopt;
  }
  const size_t size = writer.finish();
  StoredAnswer answer;
  answer.message.assign(scratch.begin(), scratch.begin() + static_cast<ptrdiff_t>(size));
  answer.rcode = header.rcode;
  answer.truncated = header.truncated;
  answer.authenticated = (message[3] & 0x20) != 0;
  if (!index(answer)) return std::nullopt;
  classify(answer, summary, bounds);
  return answer;
}

StoredAnswer refused_answer(const UpstreamQuestion& question, seconds keep) {
  std::array<uint8_t, kMinUdpSize> buffer;
  const Query query = plain_query(question);
  Writer writer(buffer, buffer.size(), query);
  StoredAnswer answer;
  answer.message.assign(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(writer.finish()));
  answer.rcode = Rcode::nxdomain;
  answer.negative = true;
  answer.keep = keep;
  index(answer);
  return answer;
}

bool points_into(const StoredAnswer& answer, const std::vector<IpPrefix>& ranges) {
  std::span<const uint8_t> message = answer.message;
  auto within = [&](std::span<const uint8_t> bytes) {
    const IpAddr ip = to_address(bytes);
    return std::ranges::any_of(ranges, [&](const IpPrefix& range) { return range.contains(ip); });
  };
  return std::ranges::any_of(answer.ttls, [&](uint16_t at) {
    const auto type = Type{get16(message, at - 4U)};
    const auto data = message.subspan(at + 6U, get16(message, at + 4U));
    if ((type == Type::a && data.size() == 4) || (type == Type::aaaa && data.size() == 16))
      return within(data);
    return (type == kSvcb || type == kHttps) && any_hint(data, within);
  });
}

size_t write_stored(const StoredAnswer& answer, const Query& query, const Name& name, const AnswerForm& form,
                    std::span<uint8_t> out) {
  const size_t opt = !query.has_edns ? 0 : kOptSize + (form.stale ? kStaleAnswer.size() : 0);
  const size_t room = std::min(form.limit, out.size()) - opt;
  const size_t question_end = kHeaderSize + name.size() + 4;
  size_t end = answer.message.size();
  uint16_t answers = answer.answers, authorities = answer.authorities, additionals = answer.additionals;
  bool truncated = answer.truncated;
  if (end > room) {
    additionals = 0;
    end = answer.authority_end;
  }
  if (end > room && answers > 0) {
    authorities = 0;
    end = answer.answer_end;
  }
  if (end > room) {
    answers = authorities = 0;
    end = question_end;
    truncated = true;
  }
  std::memcpy(out.data(), answer.message.data(), end);
  write_header(answer, query, truncated, out);
  std::ranges::copy(name.wire(), out.begin() + kHeaderSize);
  put16(out, 6, answers);
  put16(out, 8, authorities);
  put16(out, 10, additionals + (query.has_edns ? 1U : 0U));
  const size_t records = size_t{answers} + authorities + additionals;
  for (size_t i = 0; i < records; ++i) {
    const uint32_t ttl = get32(out, answer.ttls[i]);
    put32(out, answer.ttls[i], form.stale ? kStaleTtl : ttl - std::min(ttl, form.age));
  }
  for (size_t i = 0; answers > 0 && answer.turning > 1 && i < answer.turning; ++i) {
    const size_t to = answer.ttls[answer.turning_from + i];
    const size_t from = answer.ttls[answer.turning_from + (i + form.rotation) % answer.turning];
    std::memcpy(&out[to + 6], &answer.message[from + 6], get16(out, to + 4));
  }
  return query.has_edns ? write_opt(query, form.stale, out, end) : end;
}

}  // namespace weft::dns
