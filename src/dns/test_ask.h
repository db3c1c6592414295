#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "dns/plan.h"

/// For tests: questions to a Zone and its answers as text.
namespace weft::dns {

inline Name name_of(const Answer& answer, Answer::NameRef ref) {
  Name name;
  name.append(answer.name(ref));
  return name;
}

inline std::string text_of(const Answer& answer, const Answer::Record& record) {
  std::string owner = name_of(answer, record.owner).str();
  switch (record.type) {
    case Type::a:
      return owner + " A " + record.address.str();
    case Type::aaaa:
      return owner + " AAAA " + record.address.str();
    case Type::srv:
      return fmt::format("{} SRV 0 {} {} {}", owner, record.weight, record.port,
                         name_of(answer, record.target).str());
    case Type::cname:
      return owner + " CNAME " + name_of(answer, record.target).str();
    case Type::ptr:
      return "PTR " + name_of(answer, record.target).str();
    default:
      return owner + " NS " + name_of(answer, record.target).str();
  }
}

inline std::vector<std::string> texts_of(const Answer& answer, const std::vector<Answer::Record>& records) {
  std::vector<std::string> out;
  for (const auto& record : records) out.push_back(text_of(answer, record));
  std::ranges::sort(out);
  return out;
}

/// "NOERROR", then the answer's records in sorted order, then "+ " and each additional one, then "SOA".
inline std::string ask(const Zone& zone, std::string_view name, Type type) {
  Answer answer;
  zone.resolve(*Name::parse(name), type, answer);
  if (answer.kind == Answer::Kind::outside) return "OUTSIDE";
  std::string out = answer.rcode == Rcode::noerror    ? "NOERROR"
                    : answer.rcode == Rcode::nxdomain ? "NXDOMAIN"
                                                      : "SERVFAIL";
  for (const auto& text : texts_of(answer, answer.answer)) out += "\n" + text;
  for (const auto& text : texts_of(answer, answer.additional)) out += "\n+ " + text;
  if (answer.version_asked) out += "\nTXT";
  if (answer.any_asked) out += "\nHINFO";
  if (answer.soa_owner.size > 0) out += answer.soa_asked ? "\nSOA answer" : "\nSOA";
  if (answer.kind == Answer::Kind::chased) out += "\nthen " + answer.chase.str();
  return out;
}

struct Row {
  std::string name;
  Type type;
  std::string answer;
};

inline const std::string kNodata = "NOERROR\nSOA";
inline const std::string kNxdomain = "NXDOMAIN\nSOA";

inline void expect_rows(const Zone& zone, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    EXPECT_EQ(ask(zone, row.name, row.type), row.answer)
        << row.name << " type " << static_cast<int>(row.type);
  }
}

}  // namespace weft::dns
