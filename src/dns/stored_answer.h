#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "dns/codec.h"
#include "dns/config.h"

/// What an upstream answered, as it is kept and given to those who asked. Bytes in, bytes out: no sockets.
namespace weft::dns {

/// What an upstream is asked. Questions that are equal (their names without case) have one answer.
struct UpstreamQuestion {
  Name name;
  Type type = Type::a;
  bool dnssec_ok = false;
  bool checking_disabled = false;
  bool operator==(const UpstreamQuestion&) const = default;
};
/// Without case; different with each `seed`.
uint64_t hash_of(const UpstreamQuestion& question, uint64_t seed);

/// Writes it with that id, recursion wanted; `edns`: with an OPT record of our size. Its size; `out` holds at
/// least kMinUdpSize.
size_t write_upstream_query(std::span<uint8_t> out, uint16_t id, const UpstreamQuestion& question,
                            bool edns = true);

/// Whether `message` is a response with that id to that question (RFC 5452, 9); `same_case`: its name has the
/// very bytes that were asked.
bool is_answer_to(const UpstreamQuestion& question, uint16_t id, std::span<const uint8_t> message,
                  bool& same_case);

/// An answer without its OPT record. TTLs are within the cache's bounds.
struct StoredAnswer {
  std::vector<uint8_t> message;  ///< question and records, names compressed anew
  std::vector<uint16_t> ttls;    ///< where they stand in `message`
  /// Where sections end and what they count: an answer that is too large goes without the later ones.
  uint16_t answer_end = 0, authority_end = 0;
  uint16_t answers = 0, authorities = 0, additionals = 0;
  /// Addresses at the end of the answer that may change places: the first of `ttls`, and how many.
  uint16_t turning_from = 0, turning = 0;
  Rcode rcode = Rcode::noerror;
  bool truncated = false;
  bool authenticated = false;    ///< the upstream says that it has verified it (AD)
  bool negative = false;         ///< the name, or the type at it, does not exist (RFC 2308)
  std::chrono::seconds keep{0};  ///< for which it may be given to others; 0: not
};

/// Nothing when the message is malformed. `bounds`: of TTLs; null: they stay as they are and nothing is kept.
/// A negative answer is kept by its SOA record (RFC 2308, 5), a SERVFAIL for a second (RFC 9520, 3.2), what
/// is truncated, has no SOA or another error not at all.
std::optional<StoredAnswer> store_answer(const UpstreamQuestion& question, std::span<const uint8_t> message,
                                         const CacheOptions* bounds);
/// The answer of a name that is not to be told of.
StoredAnswer refused_answer(const UpstreamQuestion& question, std::chrono::seconds keep);

/// Whether one of its addresses (of A, AAAA, and the hints of SVCB and HTTPS) is within one of the ranges; a
/// v4-mapped one counts as the IPv4 address.
bool points_into(const StoredAnswer& answer, const std::vector<IpPrefix>& ranges);

struct AnswerForm {
  size_t limit = kMaxMessage;  ///< bytes that the asker takes
  uint32_t age = 0;            ///< seconds, by which TTLs are less
  uint32_t rotation = 0;       ///< which address comes first
  bool stale = false;          ///< TTLs are 30 s (RFC 8767, 4), and the asker is told (RFC 8914, 4.4)
};
/// Writes the answer for who asked; `name` is the question's, in the asker's case. Without allocation. `out`
/// holds `limit` bytes and at least kMinUdpSize.
size_t write_stored(const StoredAnswer& answer, const Query& query, const Name& name, const AnswerForm& form,
                    std::span<uint8_t> out);

}  // namespace weft::dns
