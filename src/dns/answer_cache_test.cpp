#include "dns/answer_cache.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <new>

#include "dns/test_upstream.h"

namespace {
thread_local size_t allocations = 0;
}  // namespace

// Counted for the whole program: the cache promises that a hit allocates nothing.
void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace weft::dns {
namespace {

using namespace std::chrono_literals;
using Found = AnswerCache::Found;

struct AnswerCacheTest : testing::Test {
  CacheOptions options{.positive = 4, .negative = 2, .positive_min = 1s, .negative_min = 1s};
  std::optional<AnswerCache> cache;
  AnswerCache::Clock::time_point now = AnswerCache::Clock::now();
  Bytes out = Bytes(kMaxMessage);

  void make() { cache.emplace(options); }
  static UpstreamQuestion question(std::string_view name) { return {.name = *Name::parse(name)}; }
  static Query query_of(const UpstreamQuestion& q) {
    Query query;
    query.has_question = true;
    query.name = q.name;
    query.type = q.type;
    return query;
  }
  StoredAnswer answer(const UpstreamQuestion& q, uint32_t ttl, size_t addresses = 1) const {
    std::vector<std::string> ips;
    for (size_t i = 0; i < addresses; ++i) ips.push_back(fmt::format("192.0.{}.{}", i / 250, i % 250));
    return *store_answer(q, test_answer(query_of(q), ips, ttl), &options);
  }
  StoredAnswer negative(const UpstreamQuestion& q, Rcode rcode, uint32_t minimum = 60) const {
    return *store_answer(q, test_negative(query_of(q), rcode, minimum), &options);
  }
  size_t put(std::string_view name, uint32_t ttl = 60, size_t addresses = 1) {
    return cache->put(question(name), answer(question(name), ttl, addresses), now);
  }
  AnswerCache::Lookup find(const UpstreamQuestion& q, bool take_expired = false) {
    return cache->find(q, query_of(q), {}, take_expired, now, out);
  }
  Found found(std::string_view name) { return find(question(name)).found; }
};

TEST_F(AnswerCacheTest, KeepsWhatIsAskedForAndNothingElse) {
  make();
  put("a.example");
  EXPECT_EQ(found("A.Example"), Found::fresh);
  auto other = question("a.example");
  other.type = Type::aaaa;
  EXPECT_EQ(find(other).found, Found::nothing);
  other = question("a.example");
  other.dnssec_ok = true;
  EXPECT_EQ(find(other).found, Found::nothing);
  other = question("a.example");
  other.checking_disabled = true;
  EXPECT_EQ(find(other).found, Found::nothing);
  EXPECT_EQ(found("b.example"), Found::nothing);
}

TEST_F(AnswerCacheTest, EndsWithItsTtl) {
  make();
  put("a.example", 10);
  now += 9'999ms;
  EXPECT_EQ(found("a.example"), Found::fresh);
  now += 1ms;
  EXPECT_EQ(found("a.example"), Found::nothing);
  EXPECT_EQ(find(question("a.example"), true).found, Found::nothing);
}

TEST_F(AnswerCacheTest, OldAnswersAreThereForAsLongAsTheyMayBeServed) {
  options.serve_stale = 60s;
  make();
  put("a.example", 10);
  now += 11s;
  auto lookup = find(question("a.example"));
  EXPECT_EQ(lookup.found, Found::expired);
  EXPECT_EQ(lookup.size, 0U);
  // An error does not take its place.
  cache->put(question("a.example"), negative(question("a.example"), Rcode::servfail), now);
  EXPECT_GT(find(question("a.example"), true).size, 0U);
  now += 60s;
  EXPECT_EQ(found("a.example"), Found::nothing);
  cache->put(question("a.example"), negative(question("a.example"), Rcode::servfail), now);
  EXPECT_EQ(found("a.example"), Found::fresh);
  now += 1s;
  EXPECT_EQ(found("a.example"), Found::nothing);  // an error is never served when it is old
}

TEST_F(AnswerCacheTest, WhatWasUsedLongestAgoMakesRoom) {
  make();
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_EQ(put(name), 0U);
  EXPECT_EQ(found("a"), Found::fresh);
  EXPECT_EQ(put("e"), 1U);
  EXPECT_EQ(found("b"), Found::nothing);
  EXPECT_EQ(found("a"), Found::fresh);
  EXPECT_EQ(cache->positive(), 4U);
  // Names that do not exist have room of their own.
  for (const char* name : {"x", "y", "z"})
    cache->put(question(name), negative(question(name), Rcode::nxdomain), now);
  EXPECT_EQ(cache->negative(), 2U);
  EXPECT_EQ(found("x"), Found::nothing);
  EXPECT_EQ(found("z"), Found::fresh);
  EXPECT_EQ(cache->positive(), 4U);
  // One that begins to exist changes sides.
  put("z");
  EXPECT_EQ(cache->negative(), 1U);
  EXPECT_EQ(cache->positive(), 4U);
}

TEST_F(AnswerCacheTest, HugeAnswersAreFewer) {
  options.positive = 16;
  make();
  for (int i = 0; i < 8; ++i) put(fmt::format("n{}", i), 60, 500);  // 8 KB each
  EXPECT_EQ(cache->positive(), 2U);
  EXPECT_EQ(found("n7"), Found::fresh);
}

TEST_F(AnswerCacheTest, WithoutRoomNothingIsKept) {
  options.negative = 0;
  make();
  cache->put(question("x"), negative(question("x"), Rcode::nxdomain), now);
  EXPECT_EQ(found("x"), Found::nothing);
}

TEST_F(AnswerCacheTest, AsksAnewForWhatIsWantedOften) {
  options.prefetch_hits = 3;
  options.prefetch_within = 5s;
  options.prefetch_percent = 20;
  make();
  put("a", 100);
  now += 79s;
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(find(question("a")).prefetch);  // too early
  now += 4s;
  EXPECT_TRUE(find(question("a")).prefetch);
  EXPECT_FALSE(find(question("a")).prefetch);  // once
  put("b", 100);
  now += 90s;
  EXPECT_FALSE(find(question("b")).prefetch);
  EXPECT_FALSE(find(question("b")).prefetch);
  now += 6s;  // a pause: it is not wanted that often
  EXPECT_FALSE(find(question("b")).prefetch);
  EXPECT_FALSE(find(question("b")).prefetch);
  EXPECT_TRUE(find(question("b")).prefetch);
}

TEST_F(AnswerCacheTest, AHitAllocatesNothing) {
  options.prefetch_hits = 1;
  make();
  put("www.example", 60, 20);
  const auto asked = question("www.example");
  const Query query = query_of(asked);
  const size_t before = allocations;
  for (int i = 0; i < 100; ++i) cache->find(asked, query, {}, false, now, out);
  EXPECT_EQ(allocations, before);
  put("other.example");
  EXPECT_GT(allocations, before);
}

}  // namespace
}  // namespace weft::dns
