#include "policy/port_table.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <random>

namespace weft::policy {
namespace {

TEST(PortPrefixes, AreAlignedAndAsFewAsCanBe) {
  EXPECT_EQ(prefixes_of(0, 65535), (std::vector<PortPrefix>{{0, 0}}));
  EXPECT_EQ(prefixes_of(80, 80), (std::vector<PortPrefix>{{80, 16}}));
  EXPECT_EQ(prefixes_of(80, 81), (std::vector<PortPrefix>{{80, 15}}));
  EXPECT_EQ(prefixes_of(81, 82), (std::vector<PortPrefix>{{81, 16}, {82, 16}}));
  EXPECT_EQ(prefixes_of(32768, 65535), (std::vector<PortPrefix>{{32768, 1}}));
  EXPECT_EQ(prefixes_of(1, 65535).size(), 16U);
  EXPECT_EQ(prefixes_of(1, 65534).size(), 30U);
}

TEST(PortPrefixes, MakeUpTheRange) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    auto a = static_cast<uint16_t>(random()), b = static_cast<uint16_t>(random());
    auto [first, last] = std::minmax(a, b);
    uint32_t at = first;
    for (auto [port, bits] : prefixes_of(first, last)) {
      EXPECT_EQ(port, at);
      uint32_t size = 1U << (16 - bits);
      EXPECT_EQ(port % size, 0U);
      at += size;
    }
    EXPECT_EQ(at, last + 1U);
  }
}

/// A table for a peer, with and without another to fall back to, answers as was decided.
TEST(PortTable, AnswersAsDecided) {
  unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  ReasonTable reasons;
  std::vector<ReasonPtr> choices{nullptr};
  for (auto kind :
       {Reason::Kind::rules, Reason::Kind::accepted, Reason::Kind::denied, Reason::Kind::no_policy})
    choices.push_back(reasons.number({.kind = kind, .rules = {{"p", 1, {}}}, .policies = {}}));
  auto denied = reasons.number({.kind = Reason::Kind::isolation, .rules = {}, .policies = {"n/p"}});
  auto pick = [&] { return choices[random() % choices.size()]; };
  constexpr std::array<uint8_t, 5> kProtocols = {0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP};
  struct Said {
    Ports ports;
    ReasonPtr reason;
  };
  for (int round = 0; round < 300; ++round) {
    auto make = [&](const PortTable* fallback, std::vector<Said>& said, ReasonPtr rest) {
      std::vector<Ports> ranges;
      for (unsigned i = random() % 4; i > 0; --i) {
        auto a = static_cast<uint16_t>(random() % 300), b = static_cast<uint16_t>(random() % 300);
        Ports ports{kProtocols[1 + random() % 3], std::min(a, b), std::max(a, b)};
        if (random() % 5 == 0) ports = {ports.protocol, 0, 65535};
        ranges.push_back(ports);
        said.push_back({ports, pick()});
      }
      said.push_back({Ports{}, std::move(rest)});
      Decide decide = [&](uint8_t protocol, uint16_t port) -> ReasonPtr {
        for (const auto& one : said) {
          if (one.ports.covers(protocol, port)) return one.reason;
        }
        return nullptr;
      };
      return make_table(ranges, decide, fallback, denied);
    };
    std::vector<Said> of_all, of_peer;
    auto everyone = make(nullptr, of_all, pick());
    auto peer = make(&everyone, of_peer, pick());
    for (auto protocol : kProtocols) {
      for (uint32_t port = 0; port < 310; ++port) {
        auto at = static_cast<uint16_t>(port == 309 ? 65535 : port);
        const auto* entry = look_up(peer, protocol, at);
        if (!entry) entry = look_up(everyone, protocol, at);
        ReasonPtr wanted;
        for (const auto& one : of_peer) {
          if (one.ports.covers(protocol, at)) {
            wanted = one.reason;
            break;
          }
        }
        bool allowed = entry && entry->allows(), allow = wanted && wanted->reason.allows();
        ASSERT_EQ(allowed, allow) << "round " << round << " protocol " << int{protocol} << " port " << at;
        if (entry && wanted) ASSERT_EQ(entry->reason->reason.kind, wanted->reason.kind);
      }
    }
  }
}

}  // namespace
}  // namespace weft::policy
