#include "gateway/route/router.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "gateway/route/test_request.h"

namespace weft::gateway {
namespace {

using Given = std::vector<std::pair<std::string, std::string>>;

Match exact(std::string path) { return {.path_kind = PathKind::exact, .path = std::move(path)}; }
Match prefix(std::string path) { return {.path_kind = PathKind::prefix, .path = std::move(path)}; }
Match regex(std::string path) { return {.path_kind = PathKind::regex, .path = std::move(path)}; }
Match with(Match match, std::vector<ValueMatch> headers, std::vector<ValueMatch> query = {},
           std::string method = "") {
  match.headers = std::move(headers);
  match.query = std::move(query);
  match.method = std::move(method);
  return match;
}

std::shared_ptr<const Rule> rule(std::string name, std::vector<Match> matches) {
  return std::make_shared<const Rule>(
      Rule{.matches = std::move(matches), .why = {.kind = "HTTPRoute", .name = std::move(name)}});
}

std::shared_ptr<const VirtualHost> host(std::string hostname, std::vector<std::shared_ptr<const Rule>> rules,
                                        bool one_label = false) {
  return std::make_shared<const VirtualHost>(
      VirtualHost{.hostname = std::move(hostname), .one_label = one_label, .rules = std::move(rules)});
}

std::shared_ptr<const Listener> listener(std::string hostname,
                                         std::vector<std::shared_ptr<const VirtualHost>> hosts) {
  return std::make_shared<const Listener>(
      Listener{.hostname = std::move(hostname), .hosts = std::move(hosts)});
}

std::shared_ptr<const Port> port(std::vector<std::shared_ptr<const Listener>> listeners) {
  return std::make_shared<const Port>(Port{.gateway = "a/b", .port = 80, .listeners = std::move(listeners)});
}

struct World {
  RouteCompiler compiler;
  std::shared_ptr<const CompiledPort> compiled;

  explicit World(std::vector<std::shared_ptr<const Listener>> listeners)
      : compiled(compiler.compile(port(std::move(listeners)))) {}
  explicit World(std::vector<std::shared_ptr<const VirtualHost>> hosts)
      : World({listener("", std::move(hosts))}) {}
  explicit World(std::vector<std::shared_ptr<const Rule>> rules) : World({host("", std::move(rules))}) {}

  /// The name of the rule that takes the request, or "404".
  std::string get(std::string_view authority, std::string_view target, const Given& fields = {},
                  std::string_view method = "GET") const {
    TestRequest request(method, authority, target, fields);
    const CompiledListener* found = compiled->listener(host_of(authority));
    if (!found) return "no listener";
    Candidate candidate = found->find(request.head, request.arena);
    return candidate.rule ? candidate.rule->rule->why.name : "404";
  }
};

TEST(Router, PrefixesAreWholeElements) {
  World world(
      {rule("foo", {prefix("/foo/")}), rule("foobar", {prefix("/foo/bar")}), rule("x", {prefix("/x")})});
  EXPECT_EQ(world.get("a", "/foo"), "foo");
  EXPECT_EQ(world.get("a", "/foo/"), "foo");
  EXPECT_EQ(world.get("a", "/foo/ba"), "foo");
  EXPECT_EQ(world.get("a", "/foo/bar"), "foobar");
  EXPECT_EQ(world.get("a", "/foo/bar/"), "foobar");
  EXPECT_EQ(world.get("a", "/foo/bar/baz/deeper"), "foobar");
  EXPECT_EQ(world.get("a", "/foo/barbaz"), "foo");
  EXPECT_EQ(world.get("a", "/foobar"), "404");
  EXPECT_EQ(world.get("a", "/"), "404");
  EXPECT_EQ(world.get("a", "/Foo"), "404");
}

TEST(Router, ExactPaths) {
  World world({rule("one", {exact("/one")}), rule("slash", {exact("/two/")}), rule("root", {exact("/")})});
  EXPECT_EQ(world.get("a", "/one"), "one");
  EXPECT_EQ(world.get("a", "/one/"), "404");
  EXPECT_EQ(world.get("a", "/two/"), "slash");
  EXPECT_EQ(world.get("a", "/two"), "404");
  EXPECT_EQ(world.get("a", "/"), "root");
}

TEST(Router, PathsOfRulesAreNormalised) {
  World world({rule("tilde", {exact("/%7euser")}), rule("cafe", {prefix("/caf%c3%a9")})});
  EXPECT_EQ(world.get("a", "/~user"), "tilde");
  EXPECT_EQ(world.get("a", "/caf%C3%A9/x"), "cafe");
}

TEST(Router, OrderOfPaths) {
  World world({rule("all", {prefix("/")}), rule("match", {prefix("/match")}),
               rule("one", {exact("/match/one")}), rule("expr", {regex("/match/[a-z]+")}),
               rule("longer", {regex("/match/[a-z0-9]+")})});
  EXPECT_EQ(world.get("a", "/match/one"), "one");
  EXPECT_EQ(world.get("a", "/match/two"), "longer") << "the longer expression first";
  EXPECT_EQ(world.get("a", "/match/two/"), "match") << "the whole path has to match";
  EXPECT_EQ(world.get("a", "/match"), "match");
  EXPECT_EQ(world.get("a", "/other"), "all");
}

TEST(Router, OrderOfTheRest) {
  const ValueMatch red{"color", "red"}, big{"size", "big"};
  World world({rule("first", {prefix("/")}), rule("second", {prefix("/")}),
               rule("query", {with(prefix("/"), {}, {red})}),
               rule("queries", {with(prefix("/"), {}, {red, big})}),
               rule("header", {with(prefix("/"), {red})}), rule("headers", {with(prefix("/"), {red, big})}),
               rule("method", {with(prefix("/"), {}, {}, "PUT")})});
  EXPECT_EQ(world.get("a", "/"), "first");
  EXPECT_EQ(world.get("a", "/?color=red"), "query");
  EXPECT_EQ(world.get("a", "/?size=big&color=red"), "queries");
  EXPECT_EQ(world.get("a", "/?size=big&color=red", {{"color", "red"}}), "header");
  EXPECT_EQ(world.get("a", "/?size=big&color=red", {{"color", "red"}, {"size", "big"}}), "headers");
  EXPECT_EQ(world.get("a", "/?color=red", {{"color", "red"}, {"size", "big"}}, "PUT"), "method");
}

TEST(Router, GoesOnToLessSpecificPaths) {
  const ValueMatch v2{"version", "2"};
  World world({rule("all", {prefix("/")}), rule("api", {with(prefix("/a/b"), {v2})}),
               rule("exact", {with(exact("/a/b"), {}, {}, "POST")})});
  EXPECT_EQ(world.get("a", "/a/b", {}, "POST"), "exact");
  EXPECT_EQ(world.get("a", "/a/b", {{"version", "2"}}), "api");
  EXPECT_EQ(world.get("a", "/a/b"), "all");
}

TEST(Router, AnyOfARulesMatches) {
  World world({rule("r", {exact("/a"), with(prefix("/b"), {{"x", "1"}})})});
  EXPECT_EQ(world.get("h", "/a"), "r");
  EXPECT_EQ(world.get("h", "/b/c", {{"x", "1"}}), "r");
  EXPECT_EQ(world.get("h", "/b/c"), "404");
}

TEST(Router, Headers) {
  World world({rule("exact", {with(prefix("/"), {{"X-Color", "a, b"}})}),
               rule("regex", {with(prefix("/"), {{"x-size", "[0-9]+", true}})}),
               rule("twice", {with(prefix("/"), {{"X-Twice", "1"}, {"x-twice", "2"}})}),
               rule("host", {with(prefix("/"), {{"Host", "me.example:81"}})})});
  EXPECT_EQ(world.get("a", "/", {{"x-color", "a"}, {"x-color", "b"}}), "exact") << "joined";
  EXPECT_EQ(world.get("a", "/", {{"x-color", "a"}}), "404");
  EXPECT_EQ(world.get("a", "/", {{"x-size", "12"}}), "regex");
  EXPECT_EQ(world.get("a", "/", {{"x-size", "12x"}}), "404");
  EXPECT_EQ(world.get("a", "/", {{"x-twice", "1"}}), "twice") << "only the first of a name counts";
  EXPECT_EQ(world.get("me.example:81", "/"), "host");
}

TEST(Router, QueryParameters) {
  World world({rule("whale", {with(prefix("/"), {}, {{"animal", "blue whale"}})}),
               rule("number", {with(prefix("/"), {}, {{"n", "[0-9]*", true}})}),
               rule("name", {with(prefix("/"), {}, {{"a b", "c&d"}})})});
  EXPECT_EQ(world.get("a", "/?animal=blue+whale"), "whale");
  EXPECT_EQ(world.get("a", "/?x&animal=blue%20whale&animal=other"), "whale");
  EXPECT_EQ(world.get("a", "/?animal=other&animal=blue+whale"), "404") << "the first counts";
  EXPECT_EQ(world.get("a", "/?Animal=blue+whale"), "404");
  EXPECT_EQ(world.get("a", "/?n=12"), "number");
  EXPECT_EQ(world.get("a", "/?n"), "number") << "there, and empty";
  EXPECT_EQ(world.get("a", "/?a+b=c%26d"), "name");
  EXPECT_EQ(world.get("a", "/?"), "404");
}

TEST(Router, Hosts) {
  auto all = [](std::string name) { return std::vector{rule(std::move(name), {prefix("/")})}; };
  World world({host("", all("any")), host("*.example.com", all("wild")),
               host("*.foo.example.com", all("wildfoo")), host("abc.foo.example.com", all("abc"))});
  EXPECT_EQ(world.get("abc.foo.example.com", "/"), "abc");
  EXPECT_EQ(world.get("abc.foo.example.com.:8080", "/"), "abc");
  EXPECT_EQ(world.get("x.foo.example.com", "/"), "wildfoo");
  EXPECT_EQ(world.get("y.x.foo.example.com", "/"), "wildfoo");
  EXPECT_EQ(world.get("foo.example.com", "/"), "wild");
  EXPECT_EQ(world.get("example.com", "/"), "any");
  EXPECT_EQ(world.get("[fd00::1]:80", "/"), "any");
  EXPECT_EQ(world.get("", "/"), "any");
  EXPECT_EQ(world.get(std::string(2000, '.'), "/"), "any");
}

TEST(Router, GoesOnToLessSpecificHostsOfTheListener) {
  World world({host("*.example.com", {rule("wild", {prefix("/")})}),
               host("a.example.com", {rule("exact", {prefix("/only")})})});
  EXPECT_EQ(world.get("a.example.com", "/only"), "exact");
  EXPECT_EQ(world.get("a.example.com", "/else"), "wild");
}

TEST(Router, WildcardOfIngressIsOneLabel) {
  World world(
      {host("*.foo.com", {rule("one", {prefix("/")})}, true), host("", {rule("any", {prefix("/")})})});
  EXPECT_EQ(world.get("bar.foo.com", "/"), "one");
  EXPECT_EQ(world.get("baz.bar.foo.com", "/"), "any");
  EXPECT_EQ(world.get("foo.com", "/"), "any");
}

TEST(Router, ListenersAreIsolated) {
  auto all = [](std::string name) { return std::vector{host("", {rule(name, {prefix("/" + name)})})}; };
  World world({listener("", all("empty")), listener("*.example.com", all("wild")),
               listener("abc.example.com", all("abc"))});
  EXPECT_EQ(world.get("abc.example.com", "/abc"), "abc");
  EXPECT_EQ(world.get("abc.example.com", "/wild"), "404");
  EXPECT_EQ(world.get("abc.example.com", "/empty"), "404");
  EXPECT_EQ(world.get("x.example.com", "/wild"), "wild");
  EXPECT_EQ(world.get("x.example.com", "/empty"), "404");
  EXPECT_EQ(world.get("bar.com", "/empty"), "empty");
  EXPECT_EQ(World({listener("a.b", {})}).get("c.d", "/"), "no listener");
}

TEST(Router, ManyExpressions) {
  std::vector<std::shared_ptr<const Rule>> rules{rule("all", {prefix("/")})};
  for (int i = 0; i < 500; ++i)
    rules.push_back(rule(fmt::format("r{}", i), {regex(fmt::format("/{}/[0-9]+", i))}));
  rules.push_back(rule("longest", {with(regex("/(4|5|6)/[0-9]{1,4}"), {{"x", "1"}})}));
  World world(rules);
  EXPECT_EQ(world.get("a", "/4/12"), "r4");
  EXPECT_EQ(world.get("a", "/4/12", {{"x", "1"}}), "longest");
  EXPECT_EQ(world.get("a", "/499/1"), "r499");
  EXPECT_EQ(world.get("a", "/500/1"), "all");
}

TEST(Router, ManyPrefixesAndHosts) {
  std::vector<std::shared_ptr<const Rule>> rules;
  for (int i = 0; i < 5000; ++i)
    rules.push_back(rule(fmt::format("r{}", i), {prefix(fmt::format("/a/{}/b", i))}));
  std::vector<std::shared_ptr<const VirtualHost>> hosts{host("", std::move(rules))};
  for (int i = 0; i < 5000; ++i)
    hosts.push_back(host(fmt::format("h{}.example", i), {rule(fmt::format("h{}", i), {prefix("/")})}));
  World world(hosts);
  for (int i = 0; i < 5000; i += 7) {
    EXPECT_EQ(world.get("x", fmt::format("/a/{}/b/c", i)), fmt::format("r{}", i));
    EXPECT_EQ(world.get(fmt::format("h{}.example", i), "/x"), fmt::format("h{}", i));
  }
  EXPECT_EQ(world.get("x", "/a/5000/b"), "404");
}

TEST(Router, WhatDidNotChangeIsNotCompiledAgain) {
  RouteCompiler compiler;
  auto kept = host("a", {rule("kept", {prefix("/")})});
  auto shared = rule("shared", {prefix("/s")});
  auto find = [](const CompiledPort& in, std::string_view authority, std::string_view path) {
    TestRequest request("GET", authority, path);
    return in.listener(authority)->find(request.head, request.arena);
  };
  auto before = compiler.compile(port({listener("", {kept, host("b", {shared})})}));
  auto after =
      compiler.compile(port({listener("", {kept, host("b", {shared, rule("new", {prefix("/n")})})})}));
  EXPECT_EQ(find(*before, "a", "/").match, find(*after, "a", "/").match) << "not the same host";
  EXPECT_EQ(find(*before, "b", "/s").rule, find(*after, "b", "/s").rule) << "not the same rule";
  EXPECT_EQ(find(*before, "b", "/n").rule, nullptr);
  EXPECT_EQ(find(*after, "b", "/n").rule->rule->why.name, "new");
}

// Hosts come, go and change, a few at a time and now and then many; every few steps by another listener of
// that name.
TEST(Router, ChangesComeToTheSameAsAllFromNothing) {
  std::minstd_rand random(7);
  std::map<std::string, std::shared_ptr<const VirtualHost>> hosts;
  auto change = [&](int step) {
    auto number = random() % 300;
    auto name = number % 10 == 0 ? fmt::format("*.h{}.example", number) : fmt::format("h{}.example", number);
    if (random() % 3 == 0)
      hosts.erase(name);
    else
      hosts[name] = host(name, {rule(fmt::format("{} of {}", name, step), {prefix("/")})}, number % 20 == 0);
  };
  auto answers = [](const CompiledPort& in) {
    std::vector<std::string> out;
    for (int i = 0; i < 300; ++i) {
      for (auto name : {fmt::format("h{}.example", i), fmt::format("a.h{}.example", i),
                        fmt::format("a.b.h{}.example", i)}) {
        TestRequest request("GET", name, "/");
        auto found = in.listener(name)->find(request.head, request.arena);
        out.push_back(found.rule ? found.rule->rule->why.name : "404");
      }
    }
    return out;
  };
  RouteCompiler compiler;
  std::shared_ptr<const CompiledPort> before;
  std::vector<std::string> before_answers;
  for (int step = 0; step < 200; ++step) {
    for (auto count = step % 50 == 49 ? 200 : random() % 4; count > 0; --count) change(step);
    if (step % 70 == 69) hosts.clear();
    std::vector<std::shared_ptr<const VirtualHost>> sorted;
    for (const auto& [name, one] : hosts) sorted.push_back(one);
    auto now = compiler.compile(port({listener("", sorted)}));
    auto expected = answers(*RouteCompiler().compile(port({listener("", sorted)})));
    ASSERT_EQ(answers(*now), expected) << "step " << step;
    if (before) ASSERT_EQ(answers(*before), before_answers) << "what was compiled before step " << step;
    before = now;
    before_answers = expected;
  }
}

// An object at the address of one that is gone is another object.
TEST(Router, NothingOldIsFoundAtTheSameAddress) {
  RouteCompiler compiler;
  for (int i = 0; i < 3000; ++i) {
    std::string name = fmt::format("r{}", i);
    auto compiled = compiler.compile(port({listener("", {host("", {rule(name, {prefix("/")})})})}));
    TestRequest request("GET", "a", "/");
    ASSERT_EQ(compiled->listener("a")->find(request.head, request.arena).rule->rule->why.name, name);
  }
}

TEST(Router, Streams) {
  auto stream = [](std::string name, std::vector<std::string> hostnames) {
    return std::make_shared<const StreamRoute>(
        StreamRoute{.hostnames = std::move(hostnames), .why = {.name = std::move(name)}});
  };
  auto made = std::make_shared<const Listener>(
      Listener{.protocol = Protocol::tls,
               .streams = {stream("exact", {"a.b.c", "x.y"}), stream("wild", {"*.b.c", "a.b.c"})}});
  auto with_any = std::make_shared<const Listener>(Listener{
      .hostname = "t", .protocol = Protocol::tcp, .streams = {stream("first", {}), stream("second", {})}});
  RouteCompiler compiler;
  auto compiled = compiler.compile(port({made, with_any}));
  auto name = [&](std::string_view listener, std::string_view server_name) {
    const CompiledStream* found = compiled->listener(listener)->stream(server_name);
    return found ? found->route->why.name : "none";
  };
  EXPECT_EQ(name("", "a.b.c"), "exact");
  EXPECT_EQ(name("", "x.y"), "exact");
  EXPECT_EQ(name("", "z.b.c"), "wild");
  EXPECT_EQ(name("", "b.c"), "none");
  EXPECT_EQ(name("", ""), "none");
  EXPECT_EQ(name("t", ""), "first");
}

TEST(Router, Explains) {
  World world({host("*.example.com", {rule("wild", {with(prefix("/"), {}, {}, "POST")})}),
               host("a.example.com", {rule("header", {with(prefix("/a"), {{"x", "1"}})}),
                                      rule("query", {with(prefix("/a"), {}, {{"q", "[0-9]", true}})})}),
               host("", {rule("any", {prefix("/")})})});
  TestRequest request("GET", "a.example.com", "/a/b?q=x");
  Explanation explanation;
  auto found = world.compiled->listener("a.example.com")->find(request.head, request.arena, &explanation);
  std::vector<std::string> lines;
  for (const auto& step : explanation.steps)
    lines.push_back(
        fmt::format("{} {}: {}", step.hostname, step.rule ? step.rule->why.name : "-", step.why_not));
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "a.example.com header: header x is not there, and has to be \"1\"",
                       "a.example.com query: query parameter q is \"x\", and has to match \"[0-9]\"",
                       "*.example.com wild: the method is GET, and has to be POST", " any: "}));
  EXPECT_EQ(found.rule->rule->why.name, "any");

  explanation.steps.clear();
  TestRequest other("GET", "a.example.com", "/b");
  world.compiled->listener("")->find(other.head, other.arena, &explanation);
  ASSERT_EQ(explanation.steps.size(), 3);
  EXPECT_EQ(explanation.steps[0].rule, nullptr);
  EXPECT_EQ(explanation.steps[0].why_not, "no rule has a path that takes it");
}

TEST(CompiledRule, MirrorsOfTheRuleAndOfTheBackend) {
  RegexCache regexes;
  CompiledRule rule(
      std::make_shared<const Rule>(Rule{
          .filters = {.mirrors = {{.backend = "all"}, {.backend = "half", .numerator = 1, .denominator = 2}}},
          .backends = {{.backend = "a"}, {.backend = "b", .filters = {.mirrors = {{.backend = "b's"}}}}}}),
      regexes);
  std::map<std::string, int> count;
  for (int i = 0; i < 100; ++i)
    for (std::string_view to : rule.mirrored_to(i % 2)) ++count[std::string(to)];
  EXPECT_EQ(count["all"], 100);
  EXPECT_NEAR(count["half"], 50, 3);
  EXPECT_EQ(count["b's"], 50);
}

TEST(CheckRegex, RefusesWhatRe2Refuses) {
  EXPECT_TRUE(check_regex("/a/[0-9]+"));
  auto refused = check_regex("/a/[0-9");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "\"/a/[0-9\" is not a regular expression that RE2 takes: missing ]: [0-9");
  EXPECT_FALSE(check_regex("(a)\\1")) << "no back references";
  EXPECT_FALSE(check_regex("((a{100}){100}){100}")) << "too large";
}

}  // namespace
}  // namespace weft::gateway
