#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/ip.h"
#include "dns/name.h"

/// The DNS wire format (RFC 1035, 2181, 2782, 3596, 6891): bytes in, questions out; records in, bytes out. No
/// sockets, no allocation, no exceptions. All numbers in host order.
namespace weft::dns {

/// Resource record types and the query types that mean something to the server; any other value is legal too.
enum class Type : uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  hinfo = 13,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
  opt = 41,
  ixfr = 251,
  axfr = 252,
  any = 255,
};

enum class Rcode : uint16_t {
  noerror = 0,
  formerr = 1,
  servfail = 2,
  nxdomain = 3,
  notimp = 4,
  refused = 5,
  badvers = 16,  ///< needs an OPT record for its upper bits
};

inline constexpr uint16_t kClassIn = 1;
inline constexpr size_t kHeaderSize = 12;
inline constexpr size_t kMinUdpSize = 512;   ///< without EDNS (RFC 1035, 4.2.1)
inline constexpr size_t kMaxUdpSize = 1232;  ///< what never fragments (DNS flag day 2020)
inline constexpr size_t kMaxMessage = 65535;

inline constexpr size_t kClientCookieSize = 8;

/// One question as it was asked.
struct Query {
  /// Whose it is: set before it is parsed, and stays. Cookies are made for this address.
  IpAddr client;
  uint16_t id = 0;
  uint8_t opcode = 0;
  bool recursion_desired = false;
  bool checking_disabled = false;
  bool has_question = false;  ///< name, type and class below are set
  Name name;                  ///< case as asked
  Type type = Type::a;
  uint16_t klass = kClassIn;
  bool has_edns = false;
  uint8_t edns_version = 0;
  uint16_t edns_udp_size = 0;
  bool dnssec_ok = false;
  /// With a cookie in the question there is one in the answer (RFC 7873).
  bool has_cookie = false;
  std::array<uint8_t, kClientCookieSize> client_cookie{};

  /// The largest UDP answer the asker takes, by RFC 6891 and our own upper bound.
  size_t udp_limit() const;
};

/// What is to be done with a message.
enum class Verdict {
  drop,    ///< too short for an answer, or a response: never answered
  answer,  ///< a well-formed query of class IN for the data to answer
  error,   ///< to be answered with `rcode` and no data
};
struct Parsed {
  Verdict verdict = Verdict::drop;
  Rcode rcode = Rcode::noerror;
};

/// Reads a query strictly. Opcodes other than QUERY are NOTIMP; anything but one question, records in the
/// answer or authority section, two OPT records, an OPT that is not at the root, names that loop or run out,
/// or bytes behind the end are FORMERR, as are EDNS options that run out and cookies of an impossible size;
/// an EDNS version other than 0 is BADVERS; classes other than IN and zone transfers are REFUSED. No question
/// but a cookie asks for a cookie (RFC 7873, 5.4): NOERROR. `query` holds all that could be read even when
/// the verdict is an error.
Parsed parse_query(std::span<const uint8_t> message, Query& query);

/// Reads a name that may be compressed; `at` moves behind it. Pointers must go backwards, so loops cannot be.
bool read_name(std::span<const uint8_t> message, size_t& at, Name& name);

/// Fields of a response's header that the forwarder needs.
struct ResponseHeader {
  uint16_t id = 0;
  bool response = false;
  bool truncated = false;
  Rcode rcode = Rcode::noerror;
  uint16_t questions = 0, answers = 0, authorities = 0, additionals = 0;
};
bool read_header(std::span<const uint8_t> message, ResponseHeader& header);

/// A record of a message; `data` points into the message and may hold compressed names.
struct RecordView {
  Name owner;
  Type type;
  uint16_t klass;
  uint32_t ttl;
  size_t data_at;
  uint16_t data_size;
};
bool read_record(std::span<const uint8_t> message, size_t& at, RecordView& record);

/// Writes a query for `name` with the type, flags and EDNS size of `like`; its size. `out` holds at least 512
/// bytes.
size_t write_query(std::span<uint8_t> out, uint16_t id, const Name& name, const Query& like);

enum class Section : uint8_t { answer = 0, authority = 1, additional = 2 };

/// Writes one response into a caller's buffer. A record that does not fit is left out whole and the method
/// returns false; room for the OPT record is kept from the start. Names are compressed against all names
/// written before, except in SRV (RFC 2782). Sections must be written in order.
class Writer {
 public:
  /// `limit`: the size the asker takes; `out` must be at least that large and at least 12 bytes + question +
  /// OPT.
  Writer(std::span<uint8_t> out, size_t limit, const Query& query);

  void set_authoritative(bool on) { authoritative_ = on; }
  void set_truncated() { truncated_ = true; }
  void set_rcode(Rcode rcode) { rcode_ = rcode; }

  using WireName = std::span<const uint8_t>;
  bool address(Section section, WireName owner, uint32_t ttl, const IpAddr& ip);
  /// A record whose data is one name: CNAME, NS, PTR.
  bool name(Section section, WireName owner, uint32_t ttl, Type type, WireName target);
  bool srv(Section section, WireName owner, uint32_t ttl, uint16_t priority, uint16_t weight, uint16_t port,
           WireName target);
  bool txt(Section section, WireName owner, uint32_t ttl, std::string_view text);
  bool hinfo(Section section, WireName owner, uint32_t ttl, std::string_view cpu, std::string_view os);
  struct Soa {
    WireName primary, mailbox;
    uint32_t serial, refresh, retry, expire, minimum;
  };
  bool soa(Section section, WireName owner, uint32_t ttl, const Soa& soa);
  /// Copies a record of another message, its names written out (RFC 3597: only the types of RFC 1035 hold
  /// compressed ones).
  bool copy(Section section, std::span<const uint8_t> message, const RecordView& record);

  /// Writes header and OPT; the message's size.
  size_t finish();

 private:
  bool begin(Section section, WireName owner, Type type, uint16_t klass, uint32_t ttl);
  /// Completes the record, or takes a half written one back with the names that later ones could have pointed
  /// to.
  bool commit(bool complete);
  bool bytes(std::span<const uint8_t> data);
  bool character_string(std::string_view text);
  size_t opt_size() const;
  void write_opt(uint16_t rcode);
  bool u16(uint16_t value);
  bool u32(uint32_t value);
  bool put_name(WireName name, bool compress);
  bool matches_at(size_t offset, WireName name) const;

  std::span<uint8_t> out_;
  size_t limit_;  ///< without the OPT record's room
  size_t at_ = kHeaderSize;
  const Query& query_;
  bool authoritative_ = false;
  bool truncated_ = false;
  Rcode rcode_ = Rcode::noerror;
  std::array<uint16_t, 3> counts_{};
  size_t record_start_ = 0, data_start_ = 0;
  size_t saved_targets_ = 0;
  Section section_ = Section::answer;
  std::array<uint16_t, 48> targets_;  ///< offsets of labels that later names may point to
  size_t target_count_ = 0;
};

}  // namespace weft::dns
