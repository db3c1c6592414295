#include "dns/codec.h"

#include <algorithm>
#include <cstring>
#include <ctime>

#include "dns/cookie.h"

namespace weft::dns {
namespace {

constexpr size_t kOptSize = 11;  // without options
constexpr uint16_t kCookieOption = 10;
constexpr size_t kMinServerCookie = 8, kMaxServerCookie = 32;
constexpr size_t kCookieData = kClientCookieSize + std::tuple_size_v<ServerCookie>;

uint16_t get16(std::span<const uint8_t> m, size_t at) {
  return static_cast<uint16_t>(m[at] << 8 | m[at + 1]);
}
uint32_t get32(std::span<const uint8_t> m, size_t at) {
  return static_cast<uint32_t>(get16(m, at)) << 16 | get16(m, at + 2);
}
void put16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

Parsed error(Rcode rcode) { return {Verdict::error, rcode}; }

/// The options of an OPT record (RFC 6891, 6.1.2): those that we do not know are stepped over.
bool read_options(std::span<const uint8_t> data, Query& query) {
  while (!data.empty()) {
    if (data.size() < 4) return false;
    const uint16_t code = get16(data, 0);
    const size_t size = get16(data, 2);
    data = data.subspan(4);
    if (data.size() < size) return false;
    // Only the first cookie counts (RFC 7873, 5.2).
    if (code == kCookieOption && !query.has_cookie) {
      const size_t server_size = size - kClientCookieSize;
      if (size < kClientCookieSize ||
          (server_size != 0 && (server_size < kMinServerCookie || server_size > kMaxServerCookie)))
        return false;
      query.has_cookie = true;
      std::memcpy(query.client_cookie.data(), data.data(), kClientCookieSize);
    }
    data = data.subspan(size);
  }
  return true;
}

/// The additional section of a query: at most one OPT; other records (TSIG, say) are stepped over.
Parsed read_additional(std::span<const uint8_t> message, size_t at, int count, Query& query) {
  for (int i = 0; i < count; ++i) {
    RecordView record;
    if (!read_record(message, at, record)) return error(Rcode::formerr);
    if (record.type != Type::opt) continue;
    if (query.has_edns || !record.owner.is_root()) return error(Rcode::formerr);
    query.has_edns = true;
    query.edns_udp_size = record.klass;  // the class field of an OPT record is the sender's buffer size
    query.edns_version = static_cast<uint8_t>(record.ttl >> 16);
    query.dnssec_ok = (record.ttl & 0x8000) != 0;
    // What another version's options look like is not known.
    if (query.edns_version == 0 && !read_options(message.subspan(record.data_at, record.data_size), query))
      return error(Rcode::formerr);
  }
  if (at != message.size()) return error(Rcode::formerr);
  return {Verdict::answer, Rcode::noerror};
}

}  // namespace

size_t Query::udp_limit() const {
  if (!has_edns) return kMinUdpSize;
  return std::clamp<size_t>(edns_udp_size, kMinUdpSize, kMaxUdpSize);
}

Parsed parse_query(std::span<const uint8_t> message, Query& query) {
  query = Query{.client = query.client};
  if (message.size() < kHeaderSize || (message[2] & 0x80) != 0) return {};
  query.id = get16(message, 0);
  query.opcode = message[2] >> 3 & 0xf;
  query.recursion_desired = (message[2] & 1) != 0;
  query.checking_disabled = (message[3] & 0x10) != 0;
  if (query.opcode != 0) return error(Rcode::notimp);
  size_t at = kHeaderSize;
  if (get16(message, 4) == 0 && get16(message, 6) == 0 && get16(message, 8) == 0) {
    Parsed parsed = read_additional(message, at, get16(message, 10), query);
    const bool only_cookie = parsed.verdict == Verdict::answer && query.has_cookie;
    return error(only_cookie ? Rcode::noerror : Rcode::formerr);
  }
  if (get16(message, 4) != 1) return error(Rcode::formerr);
  // A pointer in the only question could only lead into the header: read_name refuses those.
  if (!read_name(message, at, query.name) || message.size() - at < 4) return error(Rcode::formerr);
  query.type = Type{get16(message, at)};
  query.klass = get16(message, at + 2);
  query.has_question = true;
  at += 4;
  if (query.type == Type::ixfr) return error(Rcode::refused);  // has an SOA in its authority section
  if (get16(message, 6) != 0 || get16(message, 8) != 0) return error(Rcode::formerr);
  Parsed parsed = read_additional(message, at, get16(message, 10), query);
  if (parsed.verdict != Verdict::answer) return parsed;
  if (query.has_edns && query.edns_version != 0) return error(Rcode::badvers);
  if (query.type == Type::opt) return error(Rcode::formerr);
  if (query.klass != kClassIn || query.type == Type::axfr) return error(Rcode::refused);
  return parsed;
}

bool read_name(std::span<const uint8_t> message, size_t& at, Name& name) {
  name.clear();
  size_t pos = at;
  size_t ceiling = at;  // a pointer must lead below everything read so far
  bool jumped = false;
  while (pos < message.size()) {
    uint8_t length = message[pos];
    if (length == 0) {
      if (!jumped) at = pos + 1;
      return true;
    }
    if ((length & 0xc0) == 0xc0) {
      if (pos + 1 >= message.size()) return false;
      size_t target = get16(message, pos) & 0x3fff;
      if (!jumped) at = pos + 2;
      if (target >= ceiling || target < kHeaderSize) return false;
      jumped = true;
      pos = ceiling = target;
      continue;
    }
    if (length > 63 || pos + 1 + length > message.size()) return false;
    if (!name.append({reinterpret_cast<const char*>(&message[pos + 1]), length})) return false;
    pos += 1 + length;
  }
  return false;
}

bool read_header(std::span<const uint8_t> message, ResponseHeader& header) {
  if (message.size() < kHeaderSize) return false;
  header.id = get16(message, 0);
  header.response = (message[2] & 0x80) != 0;
  header.truncated = (message[2] & 0x02) != 0;
  header.rcode = Rcode{static_cast<uint16_t>(message[3] & 0xf)};
  header.questions = get16(message, 4);
  header.answers = get16(message, 6);
  header.authorities = get16(message, 8);
  header.additionals = get16(message, 10);
  return true;
}

bool read_record(std::span<const uint8_t> message, size_t& at, RecordView& record) {
  if (!read_name(message, at, record.owner) || message.size() - at < 10) return false;
  record.type = Type{get16(message, at)};
  record.klass = get16(message, at + 2);
  record.ttl = get32(message, at + 4);
  record.data_size = get16(message, at + 8);
  record.data_at = at + 10;
  if (message.size() - record.data_at < record.data_size) return false;
  at = record.data_at + record.data_size;
  return true;
}

size_t write_query(std::span<uint8_t> out, uint16_t id, const Name& name, const Query& like) {
  std::memset(out.data(), 0, kHeaderSize);
  put16(&out[0], id);
  out[2] = like.recursion_desired ? 0x01 : 0;
  out[3] = like.checking_disabled ? 0x10 : 0;
  put16(&out[4], 1);
  put16(&out[10], like.has_edns ? 1 : 0);
  size_t at = kHeaderSize;
  std::memcpy(&out[at], name.wire().data(), name.size());
  at += name.size();
  put16(&out[at], static_cast<uint16_t>(like.type));
  put16(&out[at + 2], kClassIn);
  at += 4;
  if (!like.has_edns) return at;
  std::memset(&out[at], 0, kOptSize);
  put16(&out[at + 1], static_cast<uint16_t>(Type::opt));
  put16(&out[at + 3], static_cast<uint16_t>(like.udp_limit()));
  out[at + 7] = like.dnssec_ok ? 0x80 : 0;
  return at + kOptSize;
}

Writer::Writer(std::span<uint8_t> out, size_t limit, const Query& query)
    : out_(out), limit_(std::min(limit, out.size())), query_(query) {
  limit_ -= opt_size();
  if (!query.has_question) return;
  put_name(query.name.wire(), true);
  u16(static_cast<uint16_t>(query.type));
  u16(query.klass);
}

bool Writer::bytes(std::span<const uint8_t> data) {
  if (limit_ - at_ < data.size()) return false;
  std::ranges::copy(data, out_.begin() + static_cast<ptrdiff_t>(at_));
  at_ += data.size();
  return true;
}

bool Writer::u16(uint16_t value) {
  if (limit_ - at_ < 2) return false;
  put16(&out_[at_], value);
  at_ += 2;
  return true;
}

bool Writer::u32(uint32_t value) {
  return u16(static_cast<uint16_t>(value >> 16)) && u16(static_cast<uint16_t>(value));
}

bool Writer::matches_at(size_t offset, WireName name) const {
  size_t i = 0;
  while (true) {
    uint8_t length = out_[offset];
    if ((length & 0xc0) == 0xc0) {
      offset = get16(out_, offset) & 0x3fff;
      continue;
    }
    if (length != name[i]) return false;
    if (length == 0) return true;
    for (size_t k = 1; k <= length; ++k) {
      if (ascii_lower(out_[offset + k]) != ascii_lower(name[i + k])) return false;
    }
    offset += length + 1;
    i += length + 1;
  }
}

bool Writer::put_name(WireName name, bool compress) {
  const size_t known = target_count_;  // this name's own labels are no targets for it
  for (size_t i = 0; name[i] != 0; i += name[i] + 1U) {
    if (compress) {
      for (size_t t = 0; t < known; ++t) {
        if (matches_at(targets_[t], name.subspan(i))) return u16(static_cast<uint16_t>(0xc000 | targets_[t]));
      }
    }
    // Names that may not be compressed themselves are still good targets for later ones.
    if (target_count_ < targets_.size() && at_ < 0x4000)
      targets_[target_count_++] = static_cast<uint16_t>(at_);
    if (!bytes(name.subspan(i, name[i] + 1U))) return false;
  }
  return bytes(name.last(1));
}

bool Writer::begin(Section section, WireName owner, Type type, uint16_t klass, uint32_t ttl) {
  section_ = section;
  record_start_ = at_;
  saved_targets_ = target_count_;
  bool ok = put_name(owner, true) && u16(static_cast<uint16_t>(type)) && u16(klass) && u32(ttl) && u16(0);
  data_start_ = at_;
  return ok;
}

bool Writer::commit(bool complete) {
  if (!complete) {
    at_ = record_start_;
    target_count_ = saved_targets_;
    return false;
  }
  put16(&out_[data_start_ - 2], static_cast<uint16_t>(at_ - data_start_));
  ++counts_[static_cast<size_t>(section_)];
  return true;
}

bool Writer::address(Section section, WireName owner, uint32_t ttl, const IpAddr& ip) {
  return commit(begin(section, owner, ip.is_v4() ? Type::a : Type::aaaa, kClassIn, ttl) && bytes(ip.bytes()));
}

bool Writer::name(Section section, WireName owner, uint32_t ttl, Type type, WireName target) {
  return commit(begin(section, owner, type, kClassIn, ttl) && put_name(target, true));
}

bool Writer::srv(Section section, WireName owner, uint32_t ttl, uint16_t priority, uint16_t weight,
                 uint16_t port, WireName target) {
  return commit(begin(section, owner, Type::srv, kClassIn, ttl) && u16(priority) && u16(weight) &&
                u16(port) && put_name(target, false));
}

bool Writer::character_string(std::string_view text) {
  text = text.substr(0, 255);
  const auto length = static_cast<uint8_t>(text.size());
  return bytes({&length, 1}) && bytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

bool Writer::txt(Section section, WireName owner, uint32_t ttl, std::string_view text) {
  return commit(begin(section, owner, Type::txt, kClassIn, ttl) && character_string(text));
}

bool Writer::hinfo(Section section, WireName owner, uint32_t ttl, std::string_view cpu, std::string_view os) {
  return commit(begin(section, owner, Type::hinfo, kClassIn, ttl) && character_string(cpu) &&
                character_string(os));
}

bool Writer::soa(Section section, WireName owner, uint32_t ttl, const Soa& soa) {
  return commit(begin(section, owner, Type::soa, kClassIn, ttl) && put_name(soa.primary, true) &&
                put_name(soa.mailbox, true) && u32(soa.serial) && u32(soa.refresh) && u32(soa.retry) &&
                u32(soa.expire) && u32(soa.minimum));
}

bool Writer::copy(Section section, std::span<const uint8_t> message, const RecordView& record) {
  size_t end_of_data = record.data_at + record.data_size;
  auto within = message.first(end_of_data);
  size_t plain = 0;  // bytes before the names, and how many names
  int names = 0;
  bool compress = true;
  switch (record.type) {
    case Type::ns:
    case Type::cname:
    case Type::ptr:
      names = 1;
      break;
    case Type::mx:
      plain = 2;
      names = 1;
      break;
    case Type::soa:
      names = 2;
      break;
    case Type::srv:  // some servers compress it, against RFC 2782
      plain = 6;
      names = 1;
      compress = false;
      break;
    default:
      break;
  }
  size_t at = record.data_at;
  bool ok = begin(section, record.owner.wire(), record.type, record.klass, record.ttl) &&
            record.data_size >= plain && bytes(message.subspan(at, plain));
  at += plain;
  for (int i = 0; ok && i < names; ++i) {
    Name name;
    ok = read_name(within, at, name) && put_name(name.wire(), compress);
  }
  return commit(ok && bytes(within.subspan(at)));
}

size_t Writer::finish() {
  uint16_t rcode = static_cast<uint16_t>(rcode_);
  put16(&out_[0], query_.id);
  out_[2] = static_cast<uint8_t>(0x80 | query_.opcode << 3 | (authoritative_ ? 0x04 : 0) |
                                 (truncated_ ? 0x02 : 0) | (query_.recursion_desired ? 0x01 : 0));
  // Recursion is on offer; we do not validate, so AD is never set.
  out_[3] = static_cast<uint8_t>(0x80 | (query_.checking_disabled ? 0x10 : 0) | (rcode & 0xf));
  put16(&out_[4], query_.has_question ? 1 : 0);
  put16(&out_[6], counts_[0]);
  put16(&out_[8], counts_[1]);
  put16(&out_[10], static_cast<uint16_t>(counts_[2] + (query_.has_edns ? 1 : 0)));
  if (query_.has_edns) write_opt(rcode);
  return at_;
}

size_t Writer::opt_size() const {
  if (!query_.has_edns) return 0;
  return kOptSize + (query_.has_cookie ? 4 + kCookieData : 0);
}

void Writer::write_opt(uint16_t rcode) {
  limit_ += opt_size();
  const std::array<uint8_t, kOptSize> opt{0,
                                          0,
                                          static_cast<uint8_t>(Type::opt),
                                          kMaxUdpSize >> 8,
                                          kMaxUdpSize & 0xff,
                                          static_cast<uint8_t>(rcode >> 4),
                                          0,
                                          static_cast<uint8_t>(query_.dnssec_ok ? 0x80 : 0),
                                          0,
                                          0,
                                          static_cast<uint8_t>(opt_size() - kOptSize)};
  bytes(opt);
  if (!query_.has_cookie) return;
  u16(kCookieOption);
  u16(kCookieData);
  bytes(query_.client_cookie);
  bytes(server_cookie(query_.client_cookie, query_.client, static_cast<uint32_t>(std::time(nullptr)),
                      cookie_secret()));
}

}  // namespace weft::dns
