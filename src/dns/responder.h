#pragma once

#include "dns/codec.h"
#include "dns/overrides.h"
#include "dns/plan.h"

namespace weft::dns {

enum class Transport { udp, tcp };

/// What became of one message.
enum class Outcome {
  drop,     ///< nothing is sent back
  reply,    ///< `size` bytes of the buffer
  forward,  ///< an upstream must be asked: for the question itself, or for `answer.chase`
};
struct Response {
  Outcome outcome = Outcome::drop;
  size_t size = 0;
};

/// From the bytes of a query to the bytes of its answer. `out` holds at least 1232 bytes (UDP) or 65535
/// (TCP). `query` and `answer` are the caller's to reuse; after `forward` they hold what was asked.
/// `rotation` moves the address that comes first, so that clients that take the first spread out.
/// `overrides`: what is in front of the zone.
Response respond(const Zone& zone, const Overrides& overrides, std::span<const uint8_t> message,
                 Transport transport, std::span<uint8_t> out, uint32_t rotation, Query& query,
                 Answer& answer);

/// What `answer` holds, as the answer to `query`: its size. At most `limit` bytes, which `out` must have.
size_t write_answer(const Zone& zone, const Query& query, const Answer& answer, size_t limit,
                    uint32_t rotation, std::span<uint8_t> out);

/// An answer without data.
size_t write_error(const Query& query, Rcode rcode, std::span<uint8_t> out);

/// The largest answer that `query` may get over `transport`.
size_t size_limit(const Query& query, Transport transport);

/// Joins the CNAMEs of an ExternalName with what an upstream said about their end: the question of `query`,
/// the records of `prefix`, then the upstream's answer and authority. A malformed `upstream` gives SERVFAIL.
size_t write_chased(const Query& query, const Answer& prefix, std::span<const uint8_t> upstream,
                    Transport transport, std::span<uint8_t> out);

}  // namespace weft::dns
