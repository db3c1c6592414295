#include "dns/codec.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::dns {
namespace {

using Bytes = std::vector<uint8_t>;

/// A query message: header, questions and further bytes as given.
struct Builder {
  Bytes bytes = Bytes(kHeaderSize);
  Builder() { bytes[0] = 0x12, bytes[1] = 0x34, bytes[2] = 0x01; }
  Builder& count(int section, uint16_t n) {
    bytes[4 + 2 * section] = static_cast<uint8_t>(n >> 8);
    bytes[5 + 2 * section] = static_cast<uint8_t>(n);
    return *this;
  }
  Builder& raw(std::initializer_list<int> more) {
    for (int b : more) bytes.push_back(static_cast<uint8_t>(b));
    return *this;
  }
  Builder& question(std::string_view name, uint16_t type = 1, uint16_t klass = 1) {
    auto parsed = Name::parse(name).value();
    auto wire = parsed.wire();
    bytes.insert(bytes.end(), wire.begin(), wire.end());
    return raw({type >> 8, type & 0xff, klass >> 8, klass & 0xff}).count(0, 1);
  }
  Builder& opt(uint16_t size, int version = 0, int owner = 0) {
    return raw({owner, 0, 41, size >> 8, size & 0xff, 0, version, 0x80, 0, 0, 0}).count(3, 1);
  }
  /// An OPT record with option `code` of `size` bytes of 7, and `more` behind it.
  Builder& option(int code, int size, std::initializer_list<int> more = {}) {
    const int all = 4 + size + static_cast<int>(more.size());
    raw({0, 0, 41, 4, 0xd0, 0, 0, 0, 0, all >> 8, all & 0xff, 0, code, 0, size});
    bytes.insert(bytes.end(), static_cast<size_t>(size), 7);
    return raw(more).count(3, 1);
  }
};

struct Case {
  std::string what;
  Bytes message;
  Verdict verdict;
  Rcode rcode;
};

TEST(ParseQuery, DefinedAnswerForEveryMessage) {
  Builder response, opcode, no_question, two_questions;
  response.question("a.b");
  response.bytes[2] |= 0x80;
  opcode.question("a.b");
  opcode.bytes[2] |= 4 << 3;
  Builder update;
  update.question("a.b");
  update.bytes[2] |= 5 << 3;
  two_questions.question("a.b").question("c.d").count(0, 2);
  Builder loop;
  loop.count(0, 1).raw({0xc0, 12, 0, 1, 0, 1});
  const std::vector<Case> cases = {
      {"good", Builder().question("a.b").bytes, Verdict::answer, Rcode::noerror},
      {"root", Builder().question(".").bytes, Verdict::answer, Rcode::noerror},
      {"empty", {}, Verdict::drop, Rcode::noerror},
      {"short", Bytes(11), Verdict::drop, Rcode::noerror},
      {"response", response.bytes, Verdict::drop, Rcode::noerror},
      {"notify", opcode.bytes, Verdict::error, Rcode::notimp},
      {"update", update.bytes, Verdict::error, Rcode::notimp},
      {"no question", no_question.bytes, Verdict::error, Rcode::formerr},
      {"two questions", two_questions.bytes, Verdict::error, Rcode::formerr},
      {"pointer to itself", loop.bytes, Verdict::error, Rcode::formerr},
      {"pointer ahead", Builder().count(0, 1).raw({0xc0, 14, 1, 'a', 0, 0, 1, 0, 1}).bytes, Verdict::error,
       Rcode::formerr},
      {"pointer into the header", Builder().count(0, 1).raw({0xc0, 4, 0, 1, 0, 1}).bytes, Verdict::error,
       Rcode::formerr},
      {"label type 01", Builder().count(0, 1).raw({0x41, 0, 0, 1, 0, 1}).bytes, Verdict::error,
       Rcode::formerr},
      {"name cut", Builder().count(0, 1).raw({5, 'a', 'b'}).bytes, Verdict::error, Rcode::formerr},
      {"no class", Builder().count(0, 1).raw({1, 'a', 0, 0, 1}).bytes, Verdict::error, Rcode::formerr},
      {"an answer in it", Builder().question("a.b").count(1, 1).bytes, Verdict::error, Rcode::formerr},
      {"bytes behind", Builder().question("a.b").raw({0}).bytes, Verdict::error, Rcode::formerr},
      {"class CH", Builder().question("version.bind", 16, 3).bytes, Verdict::error, Rcode::refused},
      {"class ANY", Builder().question("a.b", 1, 255).bytes, Verdict::error, Rcode::refused},
      {"AXFR", Builder().question("a.b", 252).bytes, Verdict::error, Rcode::refused},
      {"IXFR", Builder().question("a.b", 251).count(2, 1).bytes, Verdict::error, Rcode::refused},
      {"EDNS", Builder().question("a.b").opt(4096).bytes, Verdict::answer, Rcode::noerror},
      {"EDNS 1", Builder().question("a.b").opt(4096, 1).bytes, Verdict::error, Rcode::badvers},
      {"two OPT", Builder().question("a.b").opt(4096).opt(4096).count(3, 2).bytes, Verdict::error,
       Rcode::formerr},
      {"OPT not at the root",
       Builder().question("a.b").raw({1, 'x', 0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0}).count(3, 1).bytes,
       Verdict::error, Rcode::formerr},
      {"OPT cut", Builder().question("a.b").raw({0, 0, 41, 4}).count(3, 1).bytes, Verdict::error,
       Rcode::formerr},
  };
  for (const Case& c : cases) {
    Query query;
    Parsed parsed = parse_query(c.message, query);
    EXPECT_EQ(parsed.verdict, c.verdict) << c.what;
    EXPECT_EQ(parsed.rcode, c.rcode) << c.what;
  }
}

TEST(ParseQuery, EdnsOptions) {
  constexpr int kCookie = 10, kPadding = 12, kUnknown = 99;
  const std::vector<Case> cases = {
      {"unknown", Builder().question("a.b").option(kUnknown, 3).bytes, Verdict::answer, Rcode::noerror},
      {"padding", Builder().question("a.b").option(kPadding, 100).bytes, Verdict::answer, Rcode::noerror},
      {"runs out", Builder().question("a.b").option(kUnknown, 2, {0, 99, 0, 1}).bytes, Verdict::error,
       Rcode::formerr},
      {"half an option", Builder().question("a.b").option(kUnknown, 2, {0, 99}).bytes, Verdict::error,
       Rcode::formerr},
      {"cookie of a client", Builder().question("a.b").option(kCookie, 8).bytes, Verdict::answer,
       Rcode::noerror},
      {"both cookies", Builder().question("a.b").option(kCookie, 24).bytes, Verdict::answer, Rcode::noerror},
      {"the largest", Builder().question("a.b").option(kCookie, 40).bytes, Verdict::answer, Rcode::noerror},
      {"no cookie", Builder().question("a.b").option(kCookie, 0).bytes, Verdict::error, Rcode::formerr},
      {"short", Builder().question("a.b").option(kCookie, 7).bytes, Verdict::error, Rcode::formerr},
      {"between", Builder().question("a.b").option(kCookie, 9).bytes, Verdict::error, Rcode::formerr},
      {"short server", Builder().question("a.b").option(kCookie, 15).bytes, Verdict::error, Rcode::formerr},
      {"long", Builder().question("a.b").option(kCookie, 41).bytes, Verdict::error, Rcode::formerr},
      {"a second, bad one", Builder().question("a.b").option(kCookie, 8, {0, kCookie, 0, 1, 0}).bytes,
       Verdict::answer, Rcode::noerror},
      {"only a cookie", Builder().option(kCookie, 8).bytes, Verdict::error, Rcode::noerror},
      {"only padding", Builder().option(kPadding, 8).bytes, Verdict::error, Rcode::formerr},
  };
  for (const Case& c : cases) {
    Query query;
    query.client = *IpAddr::parse("192.0.2.1");
    Parsed parsed = parse_query(c.message, query);
    EXPECT_EQ(parsed.verdict, c.verdict) << c.what;
    EXPECT_EQ(parsed.rcode, c.rcode) << c.what;
    EXPECT_EQ(query.client.str(), "192.0.2.1") << c.what;
  }
}

TEST(ParseQuery, NameOf255BytesAndNoMore) {
  std::string label(62, 'x');
  // 4 × 63 + 1 = 253; one byte label more makes 255.
  std::string longest = label + "." + label + "." + label + "." + label + ".y";
  ASSERT_TRUE(Name::parse(longest));
  EXPECT_EQ(Name::parse(longest)->size(), 255U);
  EXPECT_FALSE(Name::parse(longest + "y"));
  Query query;
  EXPECT_EQ(parse_query(Builder().question(longest).bytes, query).verdict, Verdict::answer);
  Builder too_long;
  too_long.question(longest);
  too_long.bytes.insert(too_long.bytes.begin() + kHeaderSize, {1, 'z'});
  EXPECT_EQ(parse_query(too_long.bytes, query).rcode, Rcode::formerr);
}

TEST(ParseQuery, SizesAndFlags) {
  Query query;
  parse_query(Builder().question("A.b").bytes, query);
  EXPECT_EQ(query.udp_limit(), 512U);
  EXPECT_EQ(query.id, 0x1234);
  EXPECT_TRUE(query.recursion_desired);
  EXPECT_EQ(query.name.str(), "A.b.");
  parse_query(Builder().question("a").opt(100).bytes, query);
  EXPECT_EQ(query.udp_limit(), 512U);
  EXPECT_TRUE(query.dnssec_ok);
  parse_query(Builder().question("a").opt(800).bytes, query);
  EXPECT_EQ(query.udp_limit(), 800U);
  parse_query(Builder().question("a").opt(65000).bytes, query);
  EXPECT_EQ(query.udp_limit(), 1232U);
}

Query ask(std::string_view name, Type type, bool edns = false) {
  Query query;
  query.id = 7;
  query.has_question = true;
  query.name = *Name::parse(name);
  query.type = type;
  query.has_edns = edns;
  query.edns_udp_size = 1232;
  return query;
}

TEST(Writer, CompressesAgainstTheQuestionAndKeepsItsCase) {
  Query query = ask("WWW.Example.com", Type::cname);
  std::array<uint8_t, 512> out;
  Writer writer(out, 512, query);
  ASSERT_TRUE(writer.name(Section::answer, Name::parse("www.example.com")->wire(), 5, Type::cname,
                          Name::parse("a.a.example.com")->wire()));
  size_t size = writer.finish();
  // header, question, pointer + type + class + ttl + length, then 1a 1a and a pointer to Example.com
  EXPECT_EQ(size, kHeaderSize + 17 + 4 + 12 + 6);
  size_t at = kHeaderSize;
  Name name;
  ASSERT_TRUE(read_name({out.data(), size}, at, name));
  EXPECT_EQ(name.str(), "WWW.Example.com.");
  at += 4;
  RecordView record;
  ASSERT_TRUE(read_record({out.data(), size}, at, record));
  EXPECT_EQ(record.owner.str(), "WWW.Example.com.");
  EXPECT_EQ(at, size);
  at = record.data_at;
  ASSERT_TRUE(read_name({out.data(), size}, at, name));
  EXPECT_EQ(name.str(), "a.a.Example.com.");
}

TEST(Writer, ServiceTargetsAreNotCompressed) {
  Query query = ask("x.test", Type::srv);
  std::array<uint8_t, 512> out;
  Writer writer(out, 512, query);
  ASSERT_TRUE(writer.srv(Section::answer, query.name.wire(), 5, 0, 100, 80, Name::parse("x.test")->wire()));
  EXPECT_EQ(writer.finish(), kHeaderSize + 8 + 4 + 12 + 6 + 8U);
}

TEST(Writer, LeavesOutWhatDoesNotFitButNeverTheOpt) {
  for (bool edns : {false, true}) {
    Query query = ask("many.test", Type::a, edns);
    const size_t limit = 512;
    std::array<uint8_t, 1232> out;
    Writer writer(out, limit, query);
    int fitted = 0;
    while (writer.address(Section::answer, query.name.wire(), 5, *IpAddr::parse("10.0.0.1"))) ++fitted;
    writer.set_truncated();
    size_t size = writer.finish();
    EXPECT_LE(size, limit);
    EXPECT_GT(size + 16, limit);
    ResponseHeader header;
    ASSERT_TRUE(read_header({out.data(), size}, header));
    EXPECT_TRUE(header.truncated);
    EXPECT_EQ(header.answers, fitted);
    EXPECT_EQ(header.additionals, edns ? 1 : 0);
  }
}

TEST(Writer, ACookieComesBackWithOurs) {
  auto cookie_for = [](const char* client) {
    Query query = ask("a.test", Type::a, true);
    query.client = *IpAddr::parse(client);
    query.has_cookie = true;
    query.client_cookie.fill(9);
    std::array<uint8_t, 512> out;
    Writer writer(out, 512, query);
    while (writer.address(Section::answer, query.name.wire(), 5, *IpAddr::parse("10.0.0.1"))) continue;
    const size_t size = writer.finish();
    EXPECT_LE(size, 512U) << "there is room for it from the start";
    return Bytes(out.begin() + static_cast<ptrdiff_t>(size) - 28, out.begin() + static_cast<ptrdiff_t>(size));
  };
  const Bytes option = cookie_for("192.0.2.1");
  EXPECT_EQ(Bytes(option.begin(), option.begin() + 13), Bytes({0, 10, 0, 24, 9, 9, 9, 9, 9, 9, 9, 9, 1}));
  const Bytes other = cookie_for("192.0.2.2");
  EXPECT_NE(Bytes(option.end() - 8, option.end()), Bytes(other.end() - 8, other.end()));
}

TEST(Writer, BadVersionNeedsTheOptForItsUpperBits) {
  Query query = ask("a.test", Type::a, true);
  std::array<uint8_t, 512> out;
  Writer writer(out, 512, query);
  writer.set_rcode(Rcode::badvers);
  size_t size = writer.finish();
  EXPECT_EQ(out[3] & 0xf, 0);
  EXPECT_EQ(out[size - 6], 1);  // OPT's TTL: extended rcode
}

TEST(Writer, CopiesRecordsWithTheirNamesWrittenOut) {
  // A response with an MX whose name is compressed against its question.
  Query first = ask("mail.example.org", Type::mx);
  std::array<uint8_t, 512> buffer;
  Writer writer(buffer, 512, first);
  ASSERT_TRUE(
      writer.name(Section::answer, first.name.wire(), 60, Type::cname, Name::parse("b.example.org")->wire()));
  size_t size = writer.finish();
  std::span<const uint8_t> message(buffer.data(), size);
  size_t at = kHeaderSize + first.name.size() + 4;
  RecordView record;
  ASSERT_TRUE(read_record(message, at, record));

  Query second = ask("other.test", Type::a);
  std::array<uint8_t, 512> out;
  Writer copier(out, 512, second);
  ASSERT_TRUE(copier.copy(Section::answer, message, record));
  size = copier.finish();
  at = kHeaderSize + second.name.size() + 4;
  ASSERT_TRUE(read_record({out.data(), size}, at, record));
  EXPECT_EQ(record.owner.str(), "mail.example.org.");
  EXPECT_EQ(record.ttl, 60U);
  at = record.data_at;
  Name target;
  ASSERT_TRUE(read_name({out.data(), size}, at, target));
  EXPECT_EQ(target.str(), "b.example.org.");
}

TEST(Name, TextAndBack) {
  EXPECT_EQ(Name::parse("a.b.")->str(), "a.b.");
  EXPECT_EQ(Name::parse("")->str(), ".");
  EXPECT_FALSE(Name::parse("a..b"));
  EXPECT_FALSE(Name::parse(".a"));
  EXPECT_FALSE(Name::parse(std::string(64, 'x')));
  Name odd;
  odd.append("a.b\x01");
  EXPECT_EQ(odd.str(), "a\\046b\\001.");
  EXPECT_EQ(*Name::parse("AbC.dE"), *Name::parse("aBc.De"));
}

}  // namespace
}  // namespace weft::dns
