#include "dns/responder.h"

#include <algorithm>

namespace weft::dns {
namespace {

constexpr uint32_t kVersionTtl = 28800;
constexpr std::string_view kVersion = "1.1.0";

/// What a record's owner is called in the answer.
Writer::WireName owner_of(const Query& query, const Answer& answer, Writer::WireName owner) {
  return answer.rewritten && answer.rewritten->equals(owner) ? query.name.wire() : owner;
}

bool write_record(Writer& writer, Section section, const Query& query, const Answer& answer,
                  const Answer::Record& record) {
  auto owner = owner_of(query, answer, answer.name(record.owner));
  switch (record.type) {
    case Type::a:
    case Type::aaaa:
      return writer.address(section, owner, record.ttl, record.address);
    case Type::srv:
      return writer.srv(section, owner, record.ttl, 0, record.weight, record.port,
                        answer.name(record.target));
    default:
      return writer.name(section, owner, record.ttl, record.type, answer.name(record.target));
  }
}

/// The answer section; CNAMEs first, the rest from a place that `rotation` chooses. False when not all
/// fitted.
bool write_answers(Writer& writer, const Query& query, const Answer& answer, uint32_t rotation) {
  const auto& records = answer.answer;
  size_t fixed = 0;
  while (fixed < records.size() && records[fixed].type == Type::cname) ++fixed;
  const size_t moving = records.size() - fixed;
  for (size_t i = 0; i < records.size(); ++i) {
    size_t from = i < fixed ? i : fixed + (i - fixed + rotation) % moving;
    if (!write_record(writer, Section::answer, query, answer, records[from])) return false;
  }
  return true;
}

void write_soa(Writer& writer, const Zone& zone, const Answer& answer) {
  const uint32_t ttl = zone.options().ttl;
  const Writer::Soa soa{zone.primary().wire(), zone.mailbox().wire(), zone.serial(), 7200, 1800, 86400, ttl};
  writer.soa(answer.soa_asked ? Section::answer : Section::authority, answer.name(answer.soa_owner), ttl,
             soa);
}

}  // namespace

size_t write_answer(const Zone& zone, const Query& query, const Answer& answer, size_t limit,
                    uint32_t rotation, std::span<uint8_t> out) {
  Writer writer(out, limit, query);
  writer.set_authoritative(answer.rcode != Rcode::servfail);
  writer.set_rcode(answer.rcode);
  if (!write_answers(writer, query, answer, rotation)) {
    writer.set_truncated();
    return writer.finish();
  }
  if (answer.version_asked) writer.txt(Section::answer, query.name.wire(), kVersionTtl, kVersion);
  if (answer.soa_owner.size > 0) write_soa(writer, zone, answer);
  // What is only additional may be missing without being missed (RFC 2181, 9).
  for (const auto& record : answer.additional) {
    if (!write_record(writer, Section::additional, query, answer, record)) break;
  }
  return writer.finish();
}

size_t size_limit(const Query& query, Transport transport) {
  return transport == Transport::tcp ? kMaxMessage : query.udp_limit();
}

size_t write_error(const Query& query, Rcode rcode, std::span<uint8_t> out) {
  Writer writer(out, out.size(), query);
  writer.set_rcode(rcode);
  return writer.finish();
}

Response respond(const Zone& zone, const Overrides& overrides, std::span<const uint8_t> message,
                 Transport transport, std::span<uint8_t> out, uint32_t rotation, Query& query,
                 Answer& answer) {
  const Parsed parsed = parse_query(message, query);
  if (parsed.verdict == Verdict::drop) return {};
  if (parsed.verdict == Verdict::error) return {Outcome::reply, write_error(query, parsed.rcode, out)};
  overrides.resolve(zone, query.name, query.type, answer);
  if (answer.kind != Answer::Kind::found) return {Outcome::forward, 0};
  return {Outcome::reply, write_answer(zone, query, answer, size_limit(query, transport), rotation, out)};
}

size_t write_chased(const Query& query, const Answer& prefix, std::span<const uint8_t> upstream,
                    Transport transport, std::span<uint8_t> out) {
  ResponseHeader header;
  size_t at = kHeaderSize;
  Name question;
  bool ok = read_header(upstream, header) && header.questions == 1 && read_name(upstream, at, question) &&
            upstream.size() - at >= 4;
  if (!ok) return write_error(query, Rcode::servfail, out);
  at += 4;
  Writer writer(out, size_limit(query, transport), query);
  writer.set_rcode(header.rcode);
  bool fits = write_answers(writer, query, prefix, 0) && !header.truncated;
  for (int i = 0; i < header.answers + header.authorities; ++i) {
    RecordView record;
    if (!read_record(upstream, at, record)) return write_error(query, Rcode::servfail, out);
    bool is_answer = i < header.answers;
    if (!fits) continue;
    if (!is_answer && record.type != Type::soa) continue;
    if (prefix.rewritten && prefix.rewritten->equals(record.owner.wire())) record.owner = query.name;
    fits = writer.copy(is_answer ? Section::answer : Section::authority, upstream, record) || !is_answer;
  }
  if (!fits) writer.set_truncated();
  return writer.finish();
}

}  // namespace weft::dns
