#include "dns/stored_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/test_upstream.h"
#include "dns/upstream_order.h"

namespace weft::dns {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

const UpstreamQuestion kAsked{.name = *Name::parse("www.example")};

Query plain(const UpstreamQuestion& asked = kAsked) {
  Query query;
  query.has_question = true;
  query.name = asked.name;
  query.type = asked.type;
  return query;
}
Query edns() {
  Query query = plain();
  query.has_edns = true;
  query.edns_udp_size = 1232;
  return query;
}

/// Records of any kind, by the writer that clients get theirs from.
template <class Write>
Bytes message(const Query& query, Write write) {
  Bytes out(kMaxMessage);
  Writer writer(out, out.size(), query);
  write(writer);
  out.resize(writer.finish());
  return out;
}

std::vector<RecordView> records_of(std::span<const uint8_t> bytes) {
  ResponseHeader header;
  EXPECT_TRUE(read_header(bytes, header));
  size_t at = kHeaderSize;
  Name name;
  EXPECT_TRUE(read_name(bytes, at, name));
  at += 4;
  std::vector<RecordView> out(static_cast<size_t>(header.answers + header.authorities + header.additionals));
  for (auto& record : out) EXPECT_TRUE(read_record(bytes, at, record));
  EXPECT_EQ(at, bytes.size());
  return out;
}

Bytes written(const StoredAnswer& answer, const Query& query, const AnswerForm& form = {}) {
  Bytes out(kMaxMessage);
  out.resize(write_stored(answer, query, query.name, form, out));
  return out;
}

TEST(StoredAnswer, IsKeptByItsLeastTtlWithinTheBounds) {
  const CacheOptions bounds{.positive_min = 5s, .positive_max = 100s};
  auto keep = [&](uint32_t first, uint32_t second) {
    return store_answer(
               kAsked,
               message(plain(),
                       [&](Writer& w) {
                         w.address(Section::answer, kAsked.name.wire(), first, *IpAddr::parse("192.0.2.1"));
                         w.address(Section::answer, kAsked.name.wire(), second, *IpAddr::parse("192.0.2.2"));
                       }),
               &bounds)
        ->keep;
  };
  EXPECT_EQ(keep(60, 30), 30s);
  EXPECT_EQ(keep(0, 30), 5s);
  EXPECT_EQ(keep(500, 600), 100s);
  EXPECT_EQ(keep(0x80000001, 600), 5s);  // RFC 2181, 8
  auto answer = *store_answer(kAsked, test_answer(plain(), {"192.0.2.1"}, 3), &bounds);
  EXPECT_EQ(records_of(written(answer, plain())).at(0).ttl, 5U);
  EXPECT_EQ(records_of(written(answer, plain(), {.age = 2})).at(0).ttl, 3U);
  EXPECT_EQ(records_of(written(answer, plain(), {.age = 9})).at(0).ttl, 0U);
}

TEST(StoredAnswer, NegativeOnesGoByTheSoa) {
  const CacheOptions bounds{.negative_min = 1s, .negative_max = 1000s};
  auto store = [&](Rcode rcode, std::optional<uint32_t> minimum, uint32_t ttl) {
    return *store_answer(kAsked, test_negative(plain(), rcode, minimum, ttl), &bounds);
  };
  EXPECT_EQ(store(Rcode::nxdomain, 60, 300).keep, 60s);
  EXPECT_EQ(store(Rcode::nxdomain, 300, 60).keep, 60s);
  EXPECT_EQ(store(Rcode::noerror, 60, 300).keep, 60s);
  EXPECT_TRUE(store(Rcode::noerror, 60, 300).negative);
  EXPECT_EQ(records_of(written(store(Rcode::nxdomain, 60, 300), plain())).at(0).ttl, 60U);
  EXPECT_EQ(store(Rcode::nxdomain, {}, 0).keep, 0s);
  EXPECT_EQ(store(Rcode::noerror, {}, 0).keep, 0s);
  EXPECT_EQ(store(Rcode::servfail, {}, 0).keep, 1s);
  EXPECT_EQ(store(Rcode::refused, 60, 60).keep, 0s);
  EXPECT_EQ(store(Rcode::formerr, 60, 60).keep, 0s);
}

TEST(StoredAnswer, AChainWithoutItsEndIsNegative) {
  const CacheOptions bounds{.negative_min = 1s};
  const Name target = *Name::parse("other.example");
  auto answer = *store_answer(
      kAsked,
      message(plain(),
              [&](Writer& w) {
                w.name(Section::answer, kAsked.name.wire(), 20, Type::cname, target.wire());
                w.soa(Section::authority, Name().wire(), 90, {target.wire(), target.wire(), 1, 2, 3, 4, 50});
              }),
      &bounds);
  EXPECT_TRUE(answer.negative);
  EXPECT_EQ(answer.keep, 20s);
}

TEST(StoredAnswer, TruncatedOnesAreNotKept) {
  auto bytes = test_answer(plain(), {"192.0.2.1"});
  bytes[2] |= 2;
  const CacheOptions bounds;
  auto answer = store_answer(kAsked, bytes, &bounds);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->keep, 0s);
  EXPECT_EQ(written(*answer, plain())[2] & 2, 2);
}

TEST(StoredAnswer, MalformedOnesAreNone) {
  auto bytes = test_answer(plain(), {"192.0.2.1"});
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(store_answer(kAsked, std::span(bytes).first(size), nullptr)) << size;
  EXPECT_FALSE(store_answer({.name = *Name::parse("other")}, bytes, nullptr));
}

TEST(StoredAnswer, GoesBackInTheAskersForm) {
  Query upstream = edns();
  upstream.name.lower();
  auto answer = *store_answer(kAsked, test_answer(upstream, {"192.0.2.1"}), nullptr);
  Query asked = plain();
  asked.id = 4711;
  asked.recursion_desired = true;
  asked.name = *Name::parse("WWW.example");
  auto bytes = written(answer, asked);
  EXPECT_EQ(bytes[0] << 8 | bytes[1], 4711);
  EXPECT_EQ(bytes[2], 0x81);
  EXPECT_EQ(bytes[3], 0x80);
  ASSERT_EQ(records_of(bytes).size(), 1U);  // no OPT, as none was asked
  EXPECT_EQ(records_of(bytes)[0].owner.str(), "WWW.example.");
  asked.has_edns = true;
  EXPECT_EQ(records_of(written(answer, asked)).back().type, Type::opt);
}

TEST(StoredAnswer, WhatDoesNotFitIsLeftOutFromTheEnd) {
  const Name ns = *Name::parse("ns.example");
  auto store = [&](int addresses) {
    return *store_answer(kAsked,
                         message(plain(),
                                 [&](Writer& w) {
                                   for (int i = 0; i < addresses; ++i)
                                     w.address(Section::answer, kAsked.name.wire(), 60,
                                               IpAddr::parse("192.0.2.0")->plus(static_cast<uint64_t>(i)));
                                   w.name(Section::authority, Name().wire(), 60, Type::ns, ns.wire());
                                   for (int i = 0; i < 10; ++i)
                                     w.address(Section::additional, ns.wire(), 60,
                                               *IpAddr::parse("192.0.2.99"));
                                 }),
                         nullptr);
  };
  for (const auto& [addresses, records, truncated] : std::vector<std::tuple<int, size_t, bool>>{
           {5, 16, false}, {20, 21, false}, {30, 30, false}, {40, 0, true}}) {
    auto bytes = written(store(addresses), plain(), {.limit = 512});
    EXPECT_LE(bytes.size(), 512U);
    EXPECT_EQ(records_of(bytes).size(), records) << addresses;
    EXPECT_EQ((bytes[2] & 2) != 0, truncated) << addresses;
  }
}

TEST(StoredAnswer, AddressesTakeTurns) {
  auto answer = *store_answer(kAsked, test_answer(plain(), {"192.0.2.1", "192.0.2.2", "192.0.2.3"}), nullptr);
  std::vector<int> first;
  for (uint32_t i = 0; i < 4; ++i) {
    auto bytes = written(answer, plain(), {.rotation = i});
    std::set<int> all;
    for (const auto& record : records_of(bytes)) all.insert(bytes[record.data_at + 3]);
    EXPECT_EQ(all.size(), 3U);
    first.push_back(bytes[records_of(bytes)[0].data_at + 3]);
  }
  EXPECT_THAT(first, ElementsAre(1, 2, 3, 1));
}

TEST(StoredAnswer, PointsIntoRanges) {
  const std::vector<IpPrefix> ranges{*IpPrefix::parse("10.96.0.0/16"), *IpPrefix::parse("fd00:96::/112")};
  auto points = [&](const std::string& ip) {
    return points_into(*store_answer(kAsked, test_answer(plain(), {"192.0.2.1", ip}), nullptr), ranges);
  };
  EXPECT_TRUE(points("10.96.255.1"));
  EXPECT_FALSE(points("10.97.0.1"));
  EXPECT_TRUE(points("fd00:96::1"));
  EXPECT_FALSE(points("fd00:97::1"));
  EXPECT_TRUE(points("::ffff:10.96.0.1"));
}

TEST(StoredAnswer, HintsOfServiceBindingsPointToo) {
  const std::vector<IpPrefix> ranges{*IpPrefix::parse("10.96.0.0/16"), *IpPrefix::parse("fd00:96::/112")};
  const UpstreamQuestion https{.name = kAsked.name, .type = Type{65}};
  auto points = [&](const Bytes& data) {
    auto bytes = message(plain(https), [](Writer&) {});
    Bytes record{0xc0, 12, 0, 65, 0, 1, 0, 0, 0, 60, 0, static_cast<uint8_t>(data.size())};
    record.insert(record.end(), data.begin(), data.end());
    bytes.insert(bytes.end(), record.begin(), record.end());
    bytes[7] = 1;
    return points_into(*store_answer(https, bytes, nullptr), ranges);
  };
  // Priority 1, target ".", alpn=h2, then ipv4hint.
  EXPECT_TRUE(points({0, 1, 0, 0, 1, 0, 3, 2, 'h', '2', 0, 4, 0, 8, 192, 0, 2, 1, 10, 96, 0, 9}));
  EXPECT_FALSE(points({0, 1, 0, 0, 1, 0, 3, 2, 'h', '2', 0, 4, 0, 4, 192, 0, 2, 1}));
  EXPECT_TRUE(points({0, 1, 1, 'x', 0, 0, 6, 0, 16, 0xfd, 0, 0, 0x96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}));
  EXPECT_FALSE(points({0, 1, 0, 0, 4, 0, 99, 10, 96, 0, 9}));  // its length is a lie
}

TEST(UpstreamOrder, WellOnesFirstByPolicy) {
  using enum UpstreamClient::Health;
  EXPECT_THAT(order_of_upstreams({well, well, well}, ForwardPolicy::sequential, 1), ElementsAre(0, 1, 2));
  EXPECT_THAT(order_of_upstreams({well, well, well}, ForwardPolicy::round_robin, 4), ElementsAre(1, 2, 0));
  EXPECT_THAT(order_of_upstreams({down, suspect, well}, ForwardPolicy::sequential, 0), ElementsAre(2, 1, 0));
  EXPECT_THAT(order_of_upstreams({well, down, well}, ForwardPolicy::random, 1), ElementsAre(2, 0, 1));
  EXPECT_THAT(order_of_upstreams({down, down}, ForwardPolicy::round_robin, 1), ElementsAre(1, 0));
  EXPECT_THAT(order_of_upstreams({}, ForwardPolicy::random, 7), ElementsAre());
}

TEST(UpstreamOrder, Under) {
  auto under = [](std::string_view name, std::string_view domain) {
    return is_under(*Name::parse(name), *Name::parse(domain));
  };
  EXPECT_TRUE(under("a.b", ""));
  EXPECT_TRUE(under("", ""));
  EXPECT_TRUE(under("a.B", "b"));
  EXPECT_TRUE(under("a.b", "A.b"));
  EXPECT_FALSE(under("b", "a.b"));
  EXPECT_FALSE(under("xb", "b"));
}

}  // namespace
}  // namespace weft::dns
