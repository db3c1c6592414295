#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/config_file.h"
#include "dns/test_files.h"

namespace weft::dns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

Expected<ConfigFile> read(const std::string& text, const TestFiles& files = {}) {
  return read_config(text, "dns.yaml", files.access());
}

std::string error_of(const std::string& text) {
  auto config = read(text);
  return config ? "" : config.error().message;
}

Name name(std::string_view text) { return *Name::parse(text); }

TEST(DnsYaml, NothingSaidIsTheDefault) {
  for (const char* text : {"", "# only a comment\n", "kind: DNSConfiguration\napiVersion: weft.dev/v1\n"}) {
    auto file = read(text);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->config, Config{});
    EXPECT_FALSE(file->says_forwards);
    EXPECT_FALSE(file->zone || file->ttl || file->health || file->lame_duck);
  }
}

TEST(DnsYaml, EveryKeyArrives) {
  TestFiles files;
  files.files["/etc/up.conf"] = "search a\nnameserver 10.9.9.9\nnameserver fd00::9\n";
  files.files["/etc/more-hosts"] = "10.0.0.7 seven.example Seven # comment\nnonsense\n";
  auto file = read(R"(
zone: Cluster.Example
ttl: 30s
pods: Verified
listen: ["10.0.0.1", "[fd00::1]:5353"]
healthAddress: "[::]:8080"
readyAddress: 0.0.0.0:8181
metricsAddress: 127.0.0.1:9153
lameDuck: 5s
forwards:
- domain: .
  resolvConf: /etc/up.conf
  policy: Sequential
- domain: corp.example
  except: [vpn.corp.example]
  upstreams:
  - 10.1.0.1
  - 10.1.0.2:5353
  - tls://9.9.9.9
  - {address: "[fd00::53]:8853", tlsServerName: dns.corp.example, tlsCAFile: /ca.pem}
  policy: RoundRobin
  forceTCP: true
  timeout: 1500ms
  healthCheck: 0.25s
  maxFails: 3
  maxInFlight: 50
cache:
  positiveEntries: 100
  negativeEntries: 50
  positiveTTL: {min: 1s, max: 5m}
  negativeTTL: {max: 10s, min: 0s}
  prefetch: {hits: 3, within: 2m, percent: 20}
  serveStale: 1h
hosts:
  entries:
  - ip: 10.0.0.5
    hostnames: [five.example, alias.example]
  files: [/etc/more-hosts]
  ttl: 60s
  reverse: false
  fallthrough: false
  zones: [example]
rewrites:
- {from: old.example, to: new.example}
- {match: RegularExpression, from: '(.*)\.a', to: '{1}.b', within: a, stop: false, answerAuto: false}
rebind:
  refused: [10.96.0.0/16, "fd00:96::/112"]
  allowed: [internal.example]
searchPath: false
clientRate: 500
logQueries: true
)",
                   files);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*file->zone, name("cluster.example"));
  EXPECT_EQ(*file->ttl, 30);
  EXPECT_EQ(file->pods, "verified");
  EXPECT_THAT(file->listen,
              ElementsAre(*SocketAddress::parse("10.0.0.1:53"), *SocketAddress::parse("[fd00::1]:5353")));
  EXPECT_EQ(file->health->str(), "[::]:8080");
  EXPECT_EQ(file->ready->str(), "0.0.0.0:8181");
  EXPECT_EQ(file->metrics->str(), "127.0.0.1:9153");
  EXPECT_EQ(*file->lame_duck, 5s);
  EXPECT_TRUE(file->says_forwards);
  EXPECT_THAT(file->files, ElementsAre("/etc/up.conf", "/etc/more-hosts"));

  const Config& config = file->config;
  ASSERT_EQ(config.forwards.size(), 2);
  EXPECT_EQ(config.forwards[0].upstreams.size(), 2);
  EXPECT_EQ(config.forwards[0].policy, ForwardPolicy::sequential);
  const Forward& corp = config.forwards[1];
  EXPECT_EQ(corp.domain, name("corp.example"));
  EXPECT_THAT(corp.except, ElementsAre(name("vpn.corp.example")));
  EXPECT_THAT(corp.upstreams,
              ElementsAre(Upstream{*SocketAddress::parse("10.1.0.1"), "", ""},
                          Upstream{*SocketAddress::parse("10.1.0.2:5353"), "", ""},
                          Upstream{*SocketAddress::parse("9.9.9.9:853"), "9.9.9.9", ""},
                          Upstream{*SocketAddress::parse("[fd00::53]:8853"), "dns.corp.example", "/ca.pem"}));
  EXPECT_EQ(corp.policy, ForwardPolicy::round_robin);
  EXPECT_TRUE(corp.force_tcp);
  EXPECT_EQ(corp.timeout, 1500ms);
  EXPECT_EQ(corp.health_check, 250ms);
  EXPECT_EQ(corp.max_fails, 3);
  EXPECT_EQ(corp.max_in_flight, 50);
  EXPECT_EQ(config.cache, (CacheOptions{.positive = 100,
                                        .negative = 50,
                                        .positive_min = 1s,
                                        .positive_max = 300s,
                                        .negative_min = 0s,
                                        .negative_max = 10s,
                                        .prefetch_hits = 3,
                                        .prefetch_within = 120s,
                                        .prefetch_percent = 20,
                                        .serve_stale = 3600s}));
  EXPECT_EQ(config.hosts,
            (Hosts{.entries = {{*IpAddr::parse("10.0.0.5"), {name("five.example"), name("alias.example")}},
                               {*IpAddr::parse("10.0.0.7"), {name("seven.example"), name("seven")}}},
                   .ttl = 60,
                   .reverse = false,
                   .fall_through = false,
                   .zones = {name("example")}}));
  EXPECT_THAT(config.rewrites,
              ElementsAre(Rewrite{.from = "old.example", .to = "new.example"},
                          Rewrite{Rewrite::Match::regex, R"((.*)\.a)", "{1}.b", name("a"), false, false}));
  EXPECT_EQ(config.rebind_refused.size(), 2);
  EXPECT_THAT(config.rebind_allowed, ElementsAre(name("internal.example")));
  EXPECT_FALSE(config.search_path);
  EXPECT_EQ(config.client_rate, 500);
  EXPECT_TRUE(config.log_queries);
}

TEST(DnsYaml, NoForwardsIsNotTheSameAsNone) {
  auto none = read("forwards: []");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->says_forwards);
  EXPECT_TRUE(none->config.forwards.empty());
}

TEST(DnsYaml, WhatIsWrongIsToldWithItsLineAndAllOfIt) {
  auto error = error_of(
      "zone: a..b\nttl: 2h\n\ncache:\n  positiveEntrys: 5\n  negativeEntries: -1\nforwards:\n- upstreams: "
      "[ten]\n");
  EXPECT_THAT(error, HasSubstr("dns.yaml:1: zone: \"a..b\": no domain"));
  EXPECT_THAT(error, HasSubstr("dns.yaml:2: ttl: more than an hour"));
  EXPECT_THAT(
      error,
      HasSubstr(
          "dns.yaml:5: cache.positiveEntrys: there is no such key; here may be enabled, positiveEntries"));
  EXPECT_THAT(error, HasSubstr("dns.yaml:6: cache.negativeEntries: has to be a whole number"));
  EXPECT_THAT(error, HasSubstr("dns.yaml:8: forwards[0].domain: is missing"));
  EXPECT_THAT(error, HasSubstr("dns.yaml:8: forwards[0].upstreams[0]: \"ten\": no upstream"));
}

TEST(DnsYaml, SingleMistakes) {
  EXPECT_THAT(error_of("a: [\n"), HasSubstr("dns.yaml:"));
  EXPECT_THAT(error_of("- a\n"), HasSubstr("dns.yaml:1: has to be an object"));
  EXPECT_THAT(error_of("---\nttl: 5s\n---\nttl: 6s\n"), HasSubstr("a second document"));
  EXPECT_THAT(error_of("kind: ConfigMap\n"), HasSubstr("write DNSConfiguration"));
  EXPECT_THAT(error_of("ttl: 5\n"), HasSubstr("has to be a duration"));
  EXPECT_THAT(error_of("ttl: 500ms\n"), HasSubstr("whole seconds"));
  EXPECT_THAT(error_of("zone: .\n"), HasSubstr("no cluster's domain"));
  EXPECT_THAT(error_of("pods: verified\n"), HasSubstr("is not one of Disabled, Insecure, Verified"));
  EXPECT_THAT(error_of("searchPath: \"yes\"\n"), HasSubstr("true or false"));
  EXPECT_THAT(error_of("rewrites: [{match: RegularExpression, from: '(', to: a}]\n"),
              HasSubstr("no regular expression"));
  EXPECT_THAT(error_of("rewrites: [{from: a, to: 'b..c'}]\n"), HasSubstr("this is no name"));
  EXPECT_THAT(error_of("hosts: {entries: [{ip: 10.0.0.1}]}\n"), HasSubstr("has to name at least one"));
  EXPECT_THAT(error_of("hosts: {files: [/none]}\n"), HasSubstr("/none: no such file"));
  EXPECT_THAT(error_of("forwards: [{domain: a, upstreams: [1.1.1.1]}, {domain: A, upstreams: [1.0.0.1]}]\n"),
              HasSubstr("a. has a forward already"));
  EXPECT_THAT(error_of("forwards: [{domain: 10.0.0.0/9}]\n"), HasSubstr("multiple of 8"));
  EXPECT_THAT(error_of("cache: {positiveTTL: {min: 10s, max: 5s}}\n"), HasSubstr("longer than max"));
}

TEST(DnsValues, Durations) {
  EXPECT_EQ(parse_duration("0s"), 0ms);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("0.5s"), 500ms);
  EXPECT_EQ(parse_duration("1m1ms"), 60001ms);
  for (const char* bad : {"", "5", "s", "-1s", "1 s", "1d", "1e3s", "..s", "1.2.3s", "99999999h", "1s5"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(DnsValues, DomainsOfPrefixes) {
  EXPECT_EQ(parse_domain("10.0.0.0/8")->str(), "10.in-addr.arpa.");
  EXPECT_EQ(parse_domain("192.168.4.0/24")->str(), "4.168.192.in-addr.arpa.");
  EXPECT_EQ(parse_domain("fd00:96::/28")->str(), "9.0.0.0.0.d.f.ip6.arpa.");
  EXPECT_EQ(parse_domain("0.0.0.0/0")->str(), "in-addr.arpa.");
  EXPECT_FALSE(parse_domain("10.0.0.0/33"));
  EXPECT_FALSE(parse_domain("fd00::/63"));
  EXPECT_FALSE(parse_domain(""));
}

TEST(DnsValues, DomainsAndWhatIsBelow) {
  EXPECT_TRUE(is_under(name("a.b.c"), name("b.c")));
  EXPECT_TRUE(is_under(name("B.c"), name("b.C")));
  EXPECT_TRUE(is_under(name("a"), Name()));
  EXPECT_TRUE(is_under(Name(), Name()));
  EXPECT_FALSE(is_under(name("xb.c"), name("b.c")));
  EXPECT_FALSE(is_under(name("c"), name("b.c")));
}

}  // namespace
}  // namespace weft::dns
