#include "gateway/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/test_plan.h"

namespace weft::gateway {
namespace {

using test::World;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kListeners =
    "[{name: http, port: 80, protocol: HTTP}, "
    "{name: shop, port: 80, protocol: HTTP, hostname: '*.shop.example'}, "
    "{name: tls, port: 8443, protocol: TLS, hostname: '*.raw.example', tls: {mode: Passthrough}}]";

/// A Gateway with a few routes.
struct Decide : testing::Test {
  World world;
  void SetUp() override {
    world.gateway(kListeners);
    world.service("infra/web");
    world.service("infra/green", "10.0.0.2");
    world.route("a",
                "parentRefs: [{name: edge, sectionName: shop}], hostnames: [a.shop.example], rules: ["
                "{matches: [{path: {type: PathPrefix, value: /x}, headers: [{name: who, value: me}]}], "
                "backendRefs: [{name: green, port: 80}]}, "
                "{matches: [{path: {type: PathPrefix, value: /x}, method: POST}, "
                "{path: {type: Exact, value: /y}}], backendRefs: [{name: web, port: 80, weight: 3}, "
                "{name: nobody, port: 80}]}, "
                "{matches: [{path: {type: Exact, value: /old}}], "
                "filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301}}]}]");
    world.route("all",
                "parentRefs: [{name: edge}], rules: [{name: rest, backendRefs: [{name: web, port: 80}]}]");
    world.put(
        "{kind: TLSRoute, metadata: {name: raw, namespace: infra, generation: 1}, spec: {parentRefs: [{name: "
        "edge}], hostnames: [a.raw.example], rules: [{backendRefs: [{name: web, port: 80}]}]}}");
    world.settle();
  }

  std::vector<Decision> ask(std::string_view target, const std::string& method = "GET",
                            std::string_view header = "", const std::string& gateway = "") {
    auto question = Question::parse(target);
    if (!question) {
      ADD_FAILURE() << question.error().message;
      return {};
    }
    question->method = method;
    question->gateway = gateway;
    if (!header.empty()) EXPECT_TRUE(question->add_header(header));
    return decide(world.plan.snapshot(), *question);
  }
  /// "route: why not" of all that were looked at, at the first port.
  std::vector<std::string> reasons(std::string_view target, const std::string& method = "GET",
                                   std::string_view header = "") {
    std::vector<std::string> out;
    auto decisions = ask(target, method, header);
    if (decisions.empty()) return out;
    for (const auto& one : decisions.front().considered)
      out.push_back((one.why ? words_of(*one.why) : "-") + ": " + one.why_not);
    return out;
  }
};

TEST_F(Decide, TellsWhoTakesItAndWhyOthersDoNot) {
  EXPECT_THAT(reasons("http://A.shop.example/x/1"),
              ElementsAre("HTTPRoute infra/a rule 1: the method is GET, and has to be POST",
                          "HTTPRoute infra/a rule 0: header who is not there, and has to be \"me\"",
                          "HTTPRoute infra/all rule 0 \"rest\": "));
  EXPECT_THAT(reasons("http://a.shop.example/x/1", "POST"), ElementsAre("HTTPRoute infra/a rule 1: "));
  EXPECT_THAT(reasons("http://a.shop.example/x", "GET", "Who: me"),
              ElementsAre("HTTPRoute infra/a rule 1: the method is GET, and has to be POST",
                          "HTTPRoute infra/a rule 0: "));
  EXPECT_THAT(reasons("http://a.shop.example"),
              ElementsAre("-: no rule has a path that takes it", "HTTPRoute infra/all rule 0 \"rest\": "));
}

TEST_F(Decide, TheTakenOneIsARowOfTheTable) {
  auto decisions = ask("a.shop.example:80/y");
  ASSERT_THAT(decisions, SizeIs(1));
  EXPECT_EQ(words_of(*decisions[0].listener), "Gateway infra/edge listener \"shop\"");
  ASSERT_TRUE(decisions[0].taken);
  EXPECT_EQ(decisions[0].taken->hostname, "a.shop.example");
  EXPECT_EQ(decisions[0].taken->goes_to(), "3/4 infra/web:80 (1 endpoint), 1/4 500: not a valid backend");
  auto redirected = ask("http://a.shop.example/old");
  ASSERT_TRUE(redirected.at(0).taken);
  EXPECT_EQ(redirected[0].taken->goes_to(), "redirect 301");
}

TEST_F(Decide, ByServerNameOnPortsForTls) {
  auto decisions = ask("https://a.raw.example");
  ASSERT_THAT(decisions, SizeIs(1));
  EXPECT_EQ(decisions[0].port, 8443);
  ASSERT_TRUE(decisions[0].taken);
  EXPECT_EQ(decisions[0].taken->why.name, "raw");
  auto other = ask("https://b.raw.example");
  ASSERT_THAT(other, SizeIs(1));
  EXPECT_TRUE(other[0].listener);
  EXPECT_FALSE(other[0].taken);
}

TEST_F(Decide, NobodyListens) {
  EXPECT_THAT(ask("a.shop.example:81/"), IsEmpty());
  EXPECT_THAT(ask("a.shop.example", "GET", "", "infra/none"), IsEmpty());
  auto decisions = ask("https://www.other.example");
  ASSERT_THAT(decisions, SizeIs(1)) << "the port of the TLS listener";
  EXPECT_FALSE(decisions[0].listener);
  EXPECT_FALSE(decisions[0].taken);
}

TEST_F(Decide, TheTable) {
  std::vector<std::string> lines;
  for (const auto& row : table_of(world.plan.snapshot(), ""))
    lines.push_back(fmt::format("{} {} {} {} {} > {} < {}", row.gateway, row.port, row.listener.section,
                                hostname_of(row.hostname), row.matches.front(), row.goes_to(),
                                words_of(row.why)));
  EXPECT_THAT(
      lines,
      testing::UnorderedElementsAre(
          "infra/edge 80 http * prefix / > infra/web:80 (1 endpoint) < HTTPRoute infra/all rule 0 \"rest\"",
          "infra/edge 80 shop *.shop.example prefix / > infra/web:80 (1 endpoint) < HTTPRoute infra/all rule "
          "0 "
          "\"rest\"",
          "infra/edge 80 shop a.shop.example prefix /x header who=me > infra/green:80 (1 endpoint) < "
          "HTTPRoute "
          "infra/a rule 0",
          "infra/edge 80 shop a.shop.example prefix /x POST > 3/4 infra/web:80 (1 endpoint), 1/4 500: not a "
          "valid backend < HTTPRoute infra/a rule 1",
          "infra/edge 80 shop a.shop.example exact /old > redirect 301 < HTTPRoute infra/a rule 2",
          "infra/edge 8443 tls a.raw.example TLS, passed through > infra/web:80 (1 endpoint) < TLSRoute "
          "infra/raw "
          "rule 0"));
  EXPECT_THAT(table_of(world.plan.snapshot(), "infra/other"), IsEmpty());
}

TEST(Question, Parses) {
  auto question = Question::parse("HTTPS://Www.Example.com:8443/a/./b/%7e?x=1&y");
  ASSERT_TRUE(question) << question.error().message;
  EXPECT_EQ(question->scheme, "https");
  EXPECT_EQ(question->host, "www.example.com");
  EXPECT_EQ(question->port, 8443);
  EXPECT_EQ(question->path, "/a/b/~");
  EXPECT_EQ(question->query, "x=1&y");
  EXPECT_EQ(Question::parse("[fd00::1]:80/")->port, 80);
  EXPECT_EQ(Question::parse("a.example?x")->path, "/");
  EXPECT_EQ(Question::parse("a.example/b?u=http://c")->scheme, "");
}

TEST(Question, RefusesWhatIsNone) {
  for (const char* text : {"", "/path", "ftp://a.example/", "a b/", "a.example:0/", "a.example:99999/",
                           "a.example/..%2fup", "a.example/%zz"})
    EXPECT_FALSE(Question::parse(text)) << text;
  Question question;
  EXPECT_FALSE(question.add_header("no colon"));
  ASSERT_TRUE(question.add_header("X-A:  b c"));
  EXPECT_EQ(question.headers.at(0), std::pair(std::string("x-a"), std::string("b c")));
}

}  // namespace
}  // namespace weft::gateway
