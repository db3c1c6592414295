#include "dns/overrides.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/responder.h"
#include "dns/test_cluster.h"

namespace weft::dns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Name name(std::string_view text) { return *Name::parse(text); }

/// The cluster of TestCluster behind what a configuration says.
struct Asked {
  TestCluster cluster;
  std::shared_ptr<const Overrides> overrides;
  Answer answer;

  explicit Asked(const Config& config) : overrides(*Overrides::compile(config)) { answer.explain = true; }

  /// "NAME TYPE-NUMBER DATA", a line a record of the message that is sent.
  std::vector<std::string> ask(std::string_view asked, Type type = Type::a) {
    std::vector<uint8_t> query(512), out(kMaxMessage);
    Query like;
    like.type = type;
    query.resize(write_query(query, 7, name(asked), like));
    Query parsed;
    auto response = respond(cluster.zone, *overrides, query, Transport::tcp, out, 0, parsed, answer);
    if (response.outcome == Outcome::forward) return {"forward"};
    return records({out.data(), response.size}, asked);
  }

  static std::vector<std::string> records(std::span<const uint8_t> message, std::string_view asked) {
    ResponseHeader header;
    EXPECT_TRUE(read_header(message, header));
    std::vector<std::string> lines;
    if (header.rcode != Rcode::noerror)
      lines.push_back("rcode " + std::to_string(static_cast<int>(header.rcode)));
    size_t at = kHeaderSize;
    Name question;
    EXPECT_TRUE(read_name(message, at, question));
    EXPECT_EQ(question.str(), std::string(asked) + ".");
    at += 4;
    for (int i = 0; i < header.answers; ++i) {
      RecordView record;
      EXPECT_TRUE(read_record(message, at, record));
      size_t data_at = record.data_at;
      Name target;
      std::string data;
      if (record.type == Type::a) {
        std::array<uint8_t, 4> bytes;
        std::copy_n(message.begin() + static_cast<ptrdiff_t>(data_at), 4, bytes.begin());
        data = IpAddr::v4(bytes).str();
      } else if (record.type == Type::cname || record.type == Type::ptr) {
        EXPECT_TRUE(read_name(message, data_at, target));
        data = target.str();
      }
      lines.push_back(record.owner.str() + " " + std::to_string(static_cast<int>(record.type)) + " " + data);
    }
    return lines;
  }
};

Config with_rewrites(std::vector<Rewrite> rules) {
  Config config;
  config.rewrites = std::move(rules);
  return config;
}

Hosts two_hosts() {
  return {.entries = {{*IpAddr::parse("10.1.1.1"), {name("one.example"), name("uno.example")}},
                      {*IpAddr::parse("10.1.1.2"), {name("one.example")}},
                      {*IpAddr::parse("fd00::1"), {name("one.example")}},
                      {*IpAddr::parse("10.9.9.9"), {name("web.shop.svc.cluster.local")}}}};
}

TEST(DnsHosts, NamesAndAddressesBeforeTheZone) {
  Config config;
  config.hosts = two_hosts();
  Asked asked(config);
  EXPECT_THAT(asked.ask("One.example"), ElementsAre("One.example. 1 10.1.1.1", "One.example. 1 10.1.1.2"));
  EXPECT_THAT(asked.answer.why, ElementsAre(HasSubstr("hosts: One.example.")));
  EXPECT_EQ(asked.answer.answer[0].ttl, 3600);
  EXPECT_EQ(asked.ask("one.example", Type::aaaa).size(), 1);
  EXPECT_THAT(asked.ask("one.example", Type::txt), IsEmpty());
  EXPECT_THAT(asked.ask("web.shop.svc.cluster.local"), ElementsAre("web.shop.svc.cluster.local. 1 10.9.9.9"));
  EXPECT_THAT(asked.ask("1.1.1.10.in-addr.arpa", Type::ptr),
              ElementsAre("1.1.1.10.in-addr.arpa. 12 one.example."));
  EXPECT_THAT(
      asked.ask("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", Type::ptr).size(),
      1);
  EXPECT_THAT(asked.ask("two.example"), ElementsAre("forward"));
  EXPECT_THAT(asked.ask("dual.shop.svc.cluster.local"),
              ElementsAre("dual.shop.svc.cluster.local. 1 10.96.0.21"));
}

TEST(DnsHosts, WithoutFallthroughWhatIsNotThereDoesNotExist) {
  Config config;
  config.hosts = two_hosts();
  config.hosts.fall_through = false;
  config.hosts.zones = {name("example")};
  config.hosts.reverse = false;
  Asked asked(config);
  EXPECT_THAT(asked.ask("two.example"), ElementsAre("rcode 3"));
  EXPECT_THAT(asked.ask("two.org"), ElementsAre("forward"));
  EXPECT_THAT(asked.ask("1.1.1.10.in-addr.arpa", Type::ptr), ElementsAre("forward"));
}

TEST(DnsRewrite, TheAnswerHasTheNameThatWasAsked) {
  Asked asked(with_rewrites(
      {{.from = "shop.example", .to = "web.shop.svc.cluster.local"},
       {.match = Rewrite::Match::suffix, .from = ".ext.example", .to = ".shop.svc.cluster.local"}}));
  EXPECT_THAT(asked.ask("Shop.Example"), ElementsAre("Shop.Example. 1 10.96.0.20"));
  EXPECT_THAT(asked.answer.why.at(0), HasSubstr("rewrite 1: answered as web.shop.svc.cluster.local."));
  EXPECT_THAT(asked.ask("none.ext.example"), ElementsAre("rcode 3"));
  // An ExternalName in the zone: the CNAME has the asked name, its target keeps its own.
  EXPECT_THAT(asked.ask("inside.ext.example"),
              ElementsAre("inside.ext.example. 5 web.shop.svc.cluster.local.",
                          "web.shop.svc.cluster.local. 1 10.96.0.20"));
}

TEST(DnsRewrite, WithoutAnswerAutoTheOtherNameIsSeen) {
  Asked asked(
      with_rewrites({{.from = "a.example", .to = "web.shop.svc.cluster.local", .answer_auto = false}}));
  EXPECT_THAT(asked.ask("a.example"), ElementsAre("web.shop.svc.cluster.local. 1 10.96.0.20"));
}

TEST(DnsRewrite, AHostsEntryOfTheOtherName) {
  auto config = with_rewrites({{.from = "a.example", .to = "one.example"}});
  config.hosts = two_hosts();
  Asked asked(config);
  EXPECT_THAT(asked.ask("a.example"), ElementsAre("a.example. 1 10.1.1.1", "a.example. 1 10.1.1.2"));
}

TEST(DnsRewrite, UpstreamsAnswersAreWrittenBack) {
  Asked asked(with_rewrites({{.from = "www.example", .to = "a-much-longer-name.other.example"}}));
  EXPECT_THAT(asked.ask("www.example"), ElementsAre("forward"));
  ASSERT_EQ(asked.answer.kind, Answer::Kind::chased);
  EXPECT_EQ(asked.answer.chase, name("a-much-longer-name.other.example"));
  // What an upstream says to that.
  std::vector<uint8_t> upstream(512), out(kMaxMessage);
  Query other, question;
  other.name = asked.answer.chase;
  other.has_question = true;
  Writer writer(upstream, 512, other);
  auto target = name("edge.cdn.example");
  writer.name(Section::answer, other.name.wire(), 60, Type::cname, target.wire());
  writer.address(Section::answer, target.wire(), 60, *IpAddr::parse("192.0.2.1"));
  upstream.resize(writer.finish());
  question.name = name("www.example");
  question.has_question = true;
  const size_t size = write_chased(question, asked.answer, upstream, Transport::tcp, out);
  EXPECT_THAT(Asked::records({out.data(), size}, "www.example"),
              ElementsAre("www.example. 5 edge.cdn.example.", "edge.cdn.example. 1 192.0.2.1"));
}

std::string rewritten(const std::vector<Rewrite>& rules, std::string_view from) {
  auto out = Rewriter::compile(rules)->apply(name(from));
  return out ? out->name.str() : "";
}

TEST(DnsRewrite, EachWayToMatch) {
  using Match = Rewrite::Match;
  EXPECT_EQ(rewritten({{.from = "A.b.", .to = "c.d."}}, "a.B"), "c.d.");
  EXPECT_EQ(rewritten({{.from = "a.b", .to = "c"}}, "x.a.b"), "");
  EXPECT_EQ(rewritten({{.match = Match::prefix, .from = "dev-", .to = "prod-"}}, "dev-a.b"), "prod-a.b.");
  EXPECT_EQ(rewritten({{.match = Match::suffix, .from = ".b.c", .to = ".d"}}, "a.b.c"), "a.d.");
  EXPECT_EQ(rewritten({{.match = Match::substring, .from = "xx", .to = "y"}}, "axxb.xx.c"), "ayb.y.c.");
  EXPECT_EQ(
      rewritten({{.match = Match::regex, .from = R"((.*)-(us|eu)\.a$)", .to = "{1}.{2}.b{9}"}}, "web-eu.a"),
      "web.eu.b.");
  // Written for CoreDNS, whose names end with a dot.
  EXPECT_EQ(rewritten({{.match = Match::regex, .from = R"(^(.*)\.a\.$)", .to = "{1}.b."}}, "web.a"),
            "web.b.");
}

TEST(DnsRewrite, RulesFollowEachOtherUntilOneStops) {
  std::vector<Rewrite> rules{
      {.from = "a", .to = "b", .stop = false}, {.from = "b", .to = "c"}, {.from = "c", .to = "d"}};
  EXPECT_EQ(rewritten(rules, "a"), "c.");
  EXPECT_EQ(rewritten(rules, "c"), "d.");
  EXPECT_EQ(rewritten({{.from = "a", .to = "b", .within = name("z")}}, "a"), "");
}

TEST(DnsRewrite, WhatIsNoNameIsNotMade) {
  EXPECT_EQ(rewritten({{.match = Rewrite::Match::prefix, .from = "a", .to = std::string(64, 'x')}}, "ab"),
            "");
  EXPECT_EQ(rewritten({{.match = Rewrite::Match::substring, .from = "a.", .to = "."}}, "a.b"), "");
  Name dotted;
  dotted.append("a.b");
  EXPECT_FALSE(Rewriter::compile({{.from = "a.b", .to = "c"}})->apply(dotted));
  EXPECT_FALSE(Rewriter::compile({{.from = "", .to = "c"}}));
}

}  // namespace
}  // namespace weft::dns
