#pragma once

#include <span>
#include <string>
#include <vector>

#include "dns/codec.h"

/// What messages say, for people.
namespace weft::dns {

/// An answer as read from its bytes.
struct AnswerText {
  Rcode rcode = Rcode::noerror;
  /// "web.shop.svc.cluster.local. 5 A 10.96.0.20", of the answer section, in its order.
  std::vector<std::string> records;
  /// The same without times to live and without case, sorted: what two answers are compared by.
  std::vector<std::string> essence() const;
};
/// Nothing when the bytes are no whole answer.
std::optional<AnswerText> read_answer_text(std::span<const uint8_t> message);

/// "A", "srv", "TYPE64" or "64".
std::optional<Type> parse_type(std::string_view text);
/// "NXDOMAIN"; a number for what has no name.
std::string rcode_name(Rcode rcode);

}  // namespace weft::dns
