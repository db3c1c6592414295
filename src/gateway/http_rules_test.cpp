#include "gateway/http_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/test_plan.h"

namespace weft::gateway {
namespace {

using test::World;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

/// The rules of HTTPRoute infra/r with these.
std::vector<Ptr<Rule>> compiled(World& world, const std::string& rules) {
  world.gateway();
  world.service("infra/web");
  world.route("r", "parentRefs: [{name: edge}], rules: " + rules);
  return world.rules();
}

std::string with_filter(const std::string& filter) {
  return fmt::format("[{{filters: [{}], backendRefs: [{{name: web, port: 80}}]}}]", filter);
}

TEST(HttpRules, Matches) {
  World world;
  auto rules = compiled(world, R"([{name: first, matches: [
    {path: {type: Exact, value: /a}, method: GET},
    {path: {value: /b}, headers: [{name: X-One, value: V}, {name: x-one, value: ignored},
                                  {name: Two, type: RegularExpression, value: "a+"}],
     queryParams: [{name: Q, value: "1"}]},
    {path: {type: RegularExpression, value: "/c/[0-9]+"}},
    {method: POST}]}])");
  ASSERT_THAT(rules, SizeIs(1));
  EXPECT_EQ(rules[0]->why, (Why{"HTTPRoute", "infra", "r", "first", 0}));
  EXPECT_THAT(
      rules[0]->matches,
      ElementsAre(
          Match{PathKind::exact, "/a", "GET", {}, {}},
          Match{
              PathKind::prefix, "/b", "", {{"x-one", "V", false}, {"two", "a+", true}}, {{"Q", "1", false}}},
          Match{PathKind::regex, "/c/[0-9]+", "", {}, {}}, Match{PathKind::prefix, "/", "POST", {}, {}}));
}

TEST(HttpRules, Filters) {
  World world;
  auto rules = compiled(
      world, with_filter("{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: A, value: b}], "
                         "add: [{name: C, value: d}], remove: [E]}}, "
                         "{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [F]}}"));
  ASSERT_THAT(rules, SizeIs(1));
  EXPECT_EQ(rules[0]->filters.request, (HeaderEdit{{{"a", "b"}}, {{"c", "d"}}, {"e"}}));
  EXPECT_EQ(rules[0]->filters.response.remove, std::vector<std::string>{"f"});

  rules = compiled(
      world,
      "[{filters: [{type: RequestRedirect, requestRedirect: {scheme: https, port: 8443, statusCode: 308, "
      "hostname: h, path: {type: ReplacePrefixMatch, replacePrefixMatch: /x}}}]}]");
  EXPECT_EQ(rules[0]->filters.redirect, (Redirect{"https", "h", PathEdit{true, "/x"}, 8443, 308}));
  EXPECT_THAT(rules[0]->backends, IsEmpty());

  rules = compiled(
      world,
      with_filter("{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /y}}}"));
  EXPECT_EQ(rules[0]->filters.rewrite, (Rewrite{std::nullopt, PathEdit{false, "/y"}}));

  rules = compiled(
      world,
      with_filter("{type: RequestMirror, requestMirror: {percent: 20, backendRef: {name: web, port: 80}}}, "
                  "{type: RequestMirror, requestMirror: {fraction: {numerator: 1, denominator: 50}, "
                  "backendRef: {name: web, port: 80}}}, "
                  "{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}"));
  EXPECT_THAT(rules[0]->filters.mirrors,
              ElementsAre(Mirror{"infra/web:80", 20, 100}, Mirror{"infra/web:80", 1, 50},
                          Mirror{"infra/web:80", 1, 1}));

  rules = compiled(
      world,
      with_filter(
          "{type: CORS, cors: {allowOrigins: ['https://a.example'], allowMethods: [GET], allowHeaders: "
          "[X-Y], allowCredentials: true, maxAge: 10}}"));
  EXPECT_EQ(rules[0]->filters.cors, (Cors{{"https://a.example"}, true, {"GET"}, {"x-y"}, {}, 10}));
}

TEST(HttpRules, TimesRetriesAndWeights) {
  World world;
  auto rules = compiled(
      world,
      "[{timeouts: {request: 1s, backendRequest: 500ms}, retry: {codes: [500, 503], attempts: 3, "
      "backoff: 10ms}, backendRefs: [{name: web, port: 80, weight: 0}, {name: web, port: 80, weight: 9, "
      "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [a]}}]}]}]");
  ASSERT_THAT(rules, SizeIs(1));
  EXPECT_EQ(rules[0]->request_timeout, 1000U);
  EXPECT_EQ(rules[0]->backend_timeout, 500U);
  EXPECT_EQ(rules[0]->retry, (Retry{{500, 503}, 3, 10}));
  EXPECT_EQ(rules[0]->backends[0].weight, 0U);
  EXPECT_EQ(rules[0]->backends[1].weight, 9U);
  EXPECT_THAT(rules[0]->backends[1].filters.request.remove, ElementsAre("a"));
}

TEST(HttpRules, WhatCannotBeDoneAnswersWithAnError) {
  World world;
  constexpr const char* kBad =
      "{matches: [{path: {value: /bad}}], filters: [{type: ExtensionRef, extensionRef: {group: g, kind: k, "
      "name: m}}], backendRefs: [{name: web, port: 80}]}";
  auto rules = compiled(world, fmt::format("[{}, {{backendRefs: [{{name: web, port: 80}}]}}]", kBad));
  ASSERT_THAT(rules, SizeIs(2));
  EXPECT_THAT(rules[0]->backends, IsEmpty());
  EXPECT_EQ(world.route_says("Accepted"), "True/Accepted");
  EXPECT_EQ(world.route_says("PartiallyInvalid"), "True/UnsupportedValue");

  EXPECT_THAT(compiled(world, fmt::format("[{}]", kBad)), IsEmpty());
  EXPECT_EQ(world.route_says("Accepted"), "False/UnsupportedValue");
  for (const auto* rule :
       {"matches: [{path: {type: RegularExpression, value: '('}}]", "timeouts: {request: 1d}",
        "filters: [{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}]"}) {
    compiled(world, fmt::format("[{{{}}}]", rule));
    EXPECT_EQ(world.route_says("Accepted"), "False/UnsupportedValue") << rule;
  }
}

TEST(GrpcRules, MethodsArePaths) {
  World world;
  world.gateway();
  world.service("infra/web");
  world.put(R"(
kind: GRPCRoute
metadata: {name: g, namespace: infra}
spec:
  parentRefs: [{name: edge}]
  rules:
  - matches:
    - method: {service: a.B, method: C}
    - method: {service: a.B}
    - method: {method: C.D}
    - method: {type: RegularExpression, service: "a.*", method: "C|D"}
    - headers: [{name: X, value: z}]
    backendRefs: [{name: web, port: 80}]
  - {}
)");
  auto rules = world.rules();
  ASSERT_THAT(rules, SizeIs(2));
  EXPECT_TRUE(rules[0]->grpc);
  EXPECT_THAT(rules[0]->matches, ElementsAre(Match{PathKind::exact, "/a.B/C", "", {}, {}},
                                             Match{PathKind::prefix, "/a.B", "", {}, {}},
                                             Match{PathKind::regex, R"(/[^/]+/C\.D)", "", {}, {}},
                                             Match{PathKind::regex, "/(?:a.*)/(?:C|D)", "", {}, {}},
                                             Match{PathKind::prefix, "/", "", {{"x", "z", false}}, {}}));
  EXPECT_EQ(rules[0]->backends[0].backend, "infra/web:80+grpc");
  EXPECT_EQ(world.plan.snapshot().backends->at("infra/web:80+grpc")->protocol, BackendProtocol::h2c);
  EXPECT_THAT(rules[1]->matches, ElementsAre(Match{}));
  EXPECT_EQ(world.route_says("Accepted", "infra/g", "GRPCRoute"), "True/Accepted");
}

}  // namespace
}  // namespace weft::gateway
