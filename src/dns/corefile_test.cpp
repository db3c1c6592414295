#include "dns/corefile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/test_files.h"

namespace weft::dns {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using namespace std::chrono_literals;

Expected<ConfigFile> read(const std::string& text, TestFiles files = {}) {
  files.files.emplace("/etc/hosts", "");
  files.files.emplace("/etc/resolv.conf", "nameserver 10.9.9.9\n");
  return read_config(text, "/etc/dns/Corefile", files.access());
}

std::string error_of(const std::string& text) {
  auto config = read(text);
  return config ? "" : config.error().message;
}

Name name(std::string_view text) { return *Name::parse(text); }

// What kubeadm installs.
constexpr auto kStock = R"(.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
)";

TEST(DnsCorefile, TheStockOneOfAClusterIsTaken) {
  auto text = std::string(kStock);
  text.replace(
      text.find("cache 30 {"),
      std::string(
          "cache 30 {\n       disable success cluster.local\n       disable denial cluster.local\n    }")
          .size(),
      "cache 30");
  auto file = read(text);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(file->warnings, IsEmpty());
  EXPECT_EQ(*file->zone, name("cluster.local"));
  EXPECT_EQ(*file->ttl, 30);
  EXPECT_EQ(file->pods, "insecure");
  EXPECT_EQ(file->health->str(), "[::]:8080");
  EXPECT_EQ(file->ready->str(), "[::]:8181");
  EXPECT_EQ(file->metrics->str(), "[::]:9153");
  EXPECT_EQ(*file->lame_duck, 5s);
  EXPECT_THAT(file->listen, IsEmpty());
  ASSERT_EQ(file->config.forwards.size(), 1);
  EXPECT_TRUE(file->config.forwards[0].domain.is_root());
  EXPECT_EQ(file->config.forwards[0].upstreams.at(0).address.str(), "10.9.9.9:53");
  EXPECT_EQ(file->config.cache, (CacheOptions{.positive_max = 30s, .negative_max = 30s}));
  EXPECT_THAT(file->files, ElementsAre("/etc/resolv.conf"));
}

TEST(DnsCorefile, CacheThatSparesTheClusterKeepsTheOthers) {
  auto file = read(kStock);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->config.cache, (CacheOptions{.positive_max = 30s, .negative_max = 30s}));
}

TEST(DnsCorefile, StubDomainsAreForwards) {
  auto file = read(R"(
corp.example:53, 10.0.0.0/8 {
  forward . 10.1.0.1 tls://10.1.0.2 {
    except vpn.corp.example
    tls_servername dns.corp.example
    policy round_robin
    force_tcp
    max_fails 0
    health_check 1s
    expire 30s
  }
  cache 60
}
. {
  kubernetes cluster.local
  forward deep.example 10.2.0.1
  forward . 9.9.9.9
  cache 60
})");
  ASSERT_TRUE(file) << file.error().message;
  const auto& forwards = file->config.forwards;
  ASSERT_EQ(forwards.size(), 4);
  EXPECT_EQ(forwards[0].domain, name("corp.example"));
  EXPECT_EQ(forwards[1].domain, name("10.in-addr.arpa"));
  EXPECT_EQ(forwards[2].domain, name("deep.example"));
  EXPECT_EQ(forwards[3].domain, Name());
  EXPECT_THAT(forwards[0].upstreams,
              ElementsAre(Upstream{*SocketAddress::parse("10.1.0.1"), "", ""},
                          Upstream{*SocketAddress::parse("10.1.0.2:853"), "dns.corp.example", ""}));
  EXPECT_THAT(forwards[0].except, ElementsAre(name("vpn.corp.example")));
  EXPECT_EQ(forwards[0].policy, ForwardPolicy::round_robin);
  EXPECT_TRUE(forwards[0].force_tcp);
  EXPECT_EQ(forwards[0].max_fails, 0);
  EXPECT_EQ(forwards[0].health_check, 1s);
  EXPECT_EQ(file->config.cache.positive_max, 60s);
  EXPECT_THAT(file->warnings, IsEmpty());
}

TEST(DnsCorefile, CacheOptionsInFull) {
  auto file = read(R"(. {
  kubernetes cluster.local
  forward . 9.9.9.9
  cache {
    success 5000 600 10
    denial 2500 60
    prefetch 10 2m 20%
    serve_stale 30m
  }
})");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->config.cache, (CacheOptions{.positive = 5000,
                                              .negative = 2500,
                                              .positive_min = 10s,
                                              .positive_max = 600s,
                                              .negative_min = 5s,
                                              .negative_max = 60s,
                                              .prefetch_hits = 10,
                                              .prefetch_within = 120s,
                                              .prefetch_percent = 20,
                                              .serve_stale = 1800s}));
}

TEST(DnsCorefile, WithoutTheCachePluginNothingIsCached) {
  auto file = read(". {\n kubernetes cluster.local\n forward . 9.9.9.9\n}\n");
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->config.cache.enabled);
}

TEST(DnsCorefile, HostsOfABlockAreForItsZones) {
  TestFiles files;
  files.files["/etc/hosts"] = "127.0.0.1 localhost\n10.0.0.1 one.corp.example other.example\n";
  auto file = read(R"(corp.example {
  hosts {
    10.0.0.2 two.corp.example
    ttl 60
    no_reverse
  }
}
. {
  kubernetes cluster.local
  forward . 9.9.9.9
})",
                   files);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->config.hosts, (Hosts{.entries = {{*IpAddr::parse("10.0.0.1"), {name("one.corp.example")}},
                                                   {*IpAddr::parse("10.0.0.2"), {name("two.corp.example")}}},
                                       .ttl = 60,
                                       .reverse = false,
                                       .fall_through = false,
                                       .zones = {name("corp.example")}}));
}

TEST(DnsCorefile, HostsThatFallThrough) {
  auto file =
      read(". {\n hosts /etc/hosts {\n 10.0.0.2 two.example\n fallthrough\n }\n forward . 9.9.9.9\n}\n");
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->config.hosts.fall_through);
  EXPECT_EQ(file->config.hosts.entries.size(), 1);
}

TEST(DnsCorefile, Rewrites) {
  using Match = Rewrite::Match;
  auto file = read(R"(. {
  kubernetes cluster.local
  rewrite name old.example new.example
  rewrite continue name suffix .a.example .b.example answer auto
  rewrite stop {
    name regex (.*)\.in\.example {1}.default.svc.cluster.local
    answer name (.*)\.default\.svc\.cluster\.local {1}.in.example
  }
  rewrite name prefix "x y" z
})");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(file->config.rewrites,
              ElementsAre(Rewrite{Match::exact, "old.example", "new.example", Name(), true, true},
                          Rewrite{Match::suffix, ".a.example", ".b.example", Name(), false, true},
                          Rewrite{Match::regex, R"((.*)\.in\.example)", "{1}.default.svc.cluster.local",
                                  Name(), true, true},
                          Rewrite{Match::prefix, "x y", "z", Name(), true, false}));
  EXPECT_THAT(file->warnings,
              ElementsAre(HasSubstr("Corefile:9: the answer has another name than was asked")));
}

TEST(DnsCorefile, VariablesQuotesAndComments) {
  TestFiles files;
  files.variables = {{"ZONE", "cluster.example"}, {"UP", "10.3.0.1"}};
  auto file = read(
      "# first\n. { # a block\n kubernetes {$ZONE} # the zone\n forward . \"{%UP%}\":53 {\n}\n}\n", files);
  EXPECT_FALSE(file);  // a quote ends a word
  file = read(
      "# first\n. { # a block\n kubernetes {$ZONE} # the zone\n forward . \"{%UP%}\" {$NONE} 10.3.0.2#x\n}\n",
      files);
  EXPECT_FALSE(file);
  file = read(
      "# first\n. { # a block\n kubernetes {$ZONE} # the zone\n forward . \"{%UP%}\" 10.3.0.2:{$P}53 # "
      "x\n}\n",
      files);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*file->zone, name("cluster.example"));
  ASSERT_EQ(file->config.forwards.at(0).upstreams.size(), 2);
  EXPECT_EQ(file->config.forwards[0].upstreams[0].address.str(), "10.3.0.1:53");
}

TEST(DnsCorefile, SnippetsAndFilesAreImported) {
  TestFiles files;
  files.files = {{"/etc/dns/custom/a.override", "log\n"},
                 {"/etc/dns/custom/b.override", "rewrite name a.example b.example\n"},
                 {"/etc/dns/stubs.server", "stub.example {\n forward . 10.4.0.1\n}\n"}};
  auto file = read(R"((common) {
  forward . {args[0]} {args.1}
  errors
}
. {
  kubernetes cluster.local
  import common 10.3.0.1 10.3.0.2
  import custom/*.override
}
import stubs.server
import none/*.server
)",
                   files);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->config.forwards.size(), 2);
  EXPECT_EQ(file->config.forwards[0].upstreams.size(), 2);
  EXPECT_EQ(file->config.forwards[1].domain, name("stub.example"));
  EXPECT_TRUE(file->config.log_queries);
  EXPECT_EQ(file->config.rewrites.size(), 1);
  EXPECT_THAT(file->files, ElementsAre("/etc/dns/custom/a.override", "/etc/dns/custom/b.override",
                                       "/etc/dns/stubs.server"));
}

TEST(DnsCorefile, MistakesInAnImportedFileNameIt) {
  TestFiles files;
  files.files = {{"/etc/dns/x.conf", "\nnosuch\n"}};
  auto file = read(". {\n import x.conf\n}\n", files);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("/etc/dns/x.conf:2: plugin nosuch is not known"));
}

TEST(DnsCorefile, ImportsThatLeadBackAreRefused) {
  TestFiles files;
  files.files = {{"/etc/dns/x.conf", "import x.conf\n"}};
  EXPECT_THAT(read(". {\n import x.conf\n}\n", files).error().message, HasSubstr("lead back to itself"));
  EXPECT_THAT(read("import x.conf\n", files).error().message, HasSubstr("lead back to itself"));
  std::string growing = "(s0) {\n errors\n}\n";
  for (int i = 1; i < 15; ++i)
    growing += "(s" + std::to_string(i) + ") {\n" + [&] {
      std::string body;
      for (int k = 0; k < 20; ++k) body += " import s" + std::to_string(i - 1) + "\n";
      return body;
    }() + "}\n";
  EXPECT_THAT(error_of(growing + ". {\n import s14\n}\n"), HasSubstr("more than 200000 words"));
}

TEST(DnsCorefile, PluginsThatWeftHasNot) {
  auto file = read(". {\n kubernetes cluster.local\n pprof\n debug\n nsid x {\n y\n }\n}\n");
  ASSERT_TRUE(file);
  EXPECT_THAT(file->warnings,
              ElementsAre(HasSubstr("/etc/dns/Corefile:3: plugin pprof is left out"),
                          HasSubstr("Corefile:4: plugin debug"), HasSubstr("Corefile:5: plugin nsid")));
  auto error = error_of(
      ". {\n kubernetes cluster.local\n template IN A {\n answer \"x 60 IN A 1.2.3.4\"\n }\n kubernets\n}\n");
  EXPECT_THAT(error, HasSubstr("Corefile:3: plugin template: Weft has none, and answers would be others"));
  EXPECT_THAT(error, HasSubstr("Corefile:6: plugin kubernets is not known"));
}

TEST(DnsCorefile, WhatIsWrongIsToldWithItsLine) {
  auto has = [](const std::string& text, const std::string& what) {
    EXPECT_THAT(error_of(text), HasSubstr(what)) << text;
  };
  has("", "no server block");
  has(". \n", "the file ends before the \"{\"");
  has(".\nerrors\nlog\n", "Corefile:1: a server block without \"{\"");
  has(". {\n errors\n", "Corefile:1: a block that is not closed");
  has("{\n errors\n}\n", "a block without a name");
  has(". {\n {\n }\n}\n", "Corefile:2: a \"{\" with nothing before it");
  has("(s) {\n errors\n", "a block that is not closed");
  has(". {\n forward . \"x\n}\n", "Corefile:2: a quote that is not closed");
  has(". {\n import nothing\n}\n", "Corefile:2: import nothing: neither a snippet above nor a file");
  has("a {\n}\nA {\n}\n", "Corefile:3: a. has a block already");
  has("a:53 {\n}\nb:54 {\n}\n", "Corefile:3: port 54 here and 53 above");
  has("tls://. {\n}\n", "UDP and TCP only");
  has(".:99999 {\n}\n", "whole number from 0 to 65535");
  has("a..b {\n}\n", "no domain");
  has(". {\n kubernetes\n}\n", "expected: kubernetes ZONE");
  has(". {\n kubernetes a b\n}\n", "expected: kubernetes ZONE");
  has("a {\n kubernetes a\n}\nb {\n kubernetes b\n}\n", "zone b. here and a. above");
  has(". {\n kubernetes a {\n ttl 4000\n }\n}\n",
      "Corefile:3: \"4000\": expected a whole number from 0 to 3600");
  has(". {\n kubernetes a {\n pods maybe\n }\n}\n", "expected disabled, insecure or verified");
  has(". {\n kubernetes a {\n namespaces x\n }\n}\n", "kubernetes namespaces: Weft has no such option");
  has(". {\n forward .\n}\n", "expected: forward FROM TO");
  has(". {\n forward . grpc://1.2.3.4\n}\n", "Weft asks over UDP, TCP and TLS");
  has(". {\n forward . /none\n}\n", "neither an address nor a file");
  has(". {\n forward . 0.0.0.0\n}\n", "nobody can be asked there");
  has(". {\n forward . 1.1.1.1 {\n policy best\n }\n}\n", "expected random, round_robin or sequential");
  has(". {\n forward . 1.1.1.1 {\n next NXDOMAIN\n }\n}\n", "forward next: Weft has no such option");
  has(". {\n forward . 1.1.1.1\n forward . 1.0.0.1\n}\n", "Corefile:3: . has a forward already");
  has(". {\n cache {\n success many\n }\n}\n", "expected a whole number");
  has(". {\n hosts {\n nonsense\n }\n}\n", "hosts nonsense: neither an option nor");
  has(". {\n rewrite type ANY A\n}\n", "rewrite type: Weft rewrites names only");
  has(". {\n rewrite name regex ( a\n}\n", "no regular expression");
  has(". {\n rewrite name a\n}\n", "expected: rewrite");
  has(". {\n health nowhere\n}\n", "expected ADDRESS:PORT");
  has(". {\n bind eth0\n}\n", "expected an address");
  has(". {\n loadbalance weighted f\n}\n", "round_robin only");
}

TEST(DnsCorefile, BindAndPortsSayWhereToListen) {
  auto file = read(".:5353 {\n bind 10.0.0.1 fd00::1\n kubernetes cluster.local\n}\n");
  ASSERT_TRUE(file);
  EXPECT_THAT(file->listen,
              ElementsAre(*SocketAddress::parse("10.0.0.1:5353"), *SocketAddress::parse("[fd00::1]:5353")));
  file = read(".:5353 {\n kubernetes cluster.local\n}\n");
  EXPECT_THAT(file->listen,
              ElementsAre(*SocketAddress::parse("0.0.0.0:5353"), *SocketAddress::parse("[::]:5353")));
}

TEST(DnsCorefile, OneCacheForAllBlocksIsTold) {
  auto file = read(
      "a {\n forward . 1.1.1.1\n cache 10\n}\nb {\n forward . 1.1.1.1\n}\n. {\n kubernetes cluster.local\n "
      "forward . 1.1.1.1\n cache 20\n}\n");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->config.cache.positive_max, 20s);
  EXPECT_THAT(file->warnings, Contains(HasSubstr("what b is told by upstreams is cached too")));
  EXPECT_THAT(file->warnings, Contains(HasSubstr("one cache for all blocks")));
}

TEST(DnsConfigFile, TheKindIsToldByNameOrText) {
  TestFiles files;
  files.files["/etc/hosts"] = "";
  const std::string yaml = "ttl: 7s\n", corefile = "# c\n.:53 {\n kubernetes a {\n ttl 9\n }\n}\n";
  auto ttl = [&](const std::string& text, const std::string& file) {
    auto config = read_config(text, file, files.access());
    return config && config->ttl ? static_cast<int>(*config->ttl) : -1;
  };
  EXPECT_EQ(ttl(yaml, "config"), 7);
  EXPECT_EQ(ttl(corefile, "config"), 9);
  EXPECT_EQ(ttl(corefile, "Corefile"), 9);
  EXPECT_EQ(ttl(corefile, "a.yaml"), -1);
  EXPECT_EQ(ttl(yaml, "Corefile"), -1);
  EXPECT_EQ(ttl("(s) {\n}\n" + corefile, "config"), 9);
  EXPECT_EQ(ttl("{\"ttl\": \"8s\"}", "config"), 8);
}

}  // namespace
}  // namespace weft::dns
