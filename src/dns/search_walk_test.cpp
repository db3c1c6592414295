#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>

#include "dns/pod_links.h"
#include "dns/server.h"
#include "dns/test_pods.h"

// A real server in a node's network namespace, asked by pods in theirs.
namespace weft::dns {
namespace {

using testing::HasSubstr;
using testing::Not;

void add_service(Zone& zone, const std::string& ns, const std::string& name, const std::string& address) {
  kube::Namespace space;
  space.metadata.name = ns;
  zone.apply(nullptr, &space);
  kube::Service service;
  service.metadata.namespace_ = ns;
  service.metadata.name = name;
  service.spec.clusterIP = address;
  service.spec.clusterIPs = {address};
  zone.apply(nullptr, &service);
}

std::unique_ptr<Server> serve(SharedZone& zone, const std::vector<std::string>& listen, const Config& config,
                              std::vector<Name> search = {}) {
  ServerOptions options;
  for (const auto& text : listen) options.listen.push_back(*SocketAddress::parse(text));
  options.config = std::make_shared<const Config>(config);
  options.node_search = std::move(search);
  auto server = Server::start(options, zone);
  if (!server) throw std::runtime_error(server.error().message);
  return std::move(*server);
}

/// Of what the upstream answers for example.com.
Config upstream_at(const SocketAddress& address) {
  Config config;
  Forward all;
  all.upstreams.push_back({.address = address});
  config.forwards.push_back(all);
  return config;
}

class SearchWalkTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    pods.emplace();
    pods->add("shop", 2, "weft-pod/1 shop");
    pods->add("other", 3, "weft-pod/2 other");
    pods->add("plain", 4, "");
    cluster.write([](Zone& zone) {
      add_service(zone, "shop", "web", "10.96.0.20");
      add_service(zone, "other", "api", "10.96.0.30");
      zone.set_synced();
    });
    outside.write([](Zone& zone) {
      add_service(zone, "shop", "www", "192.0.2.80");
      add_service(zone, "lan", "printer", "192.0.2.9");
      zone.set_synced();
    });
    upstream = serve(outside, {"127.0.0.1:0"}, {});
    start(upstream_at(upstream->addresses().front()));
  }
  void TearDown() override {
    server.reset();
    upstream.reset();
    pods.reset();
  }
  void start(const Config& config) {
    server.reset();
    server =
        serve(cluster, {"172.31.0.1:53", "[fd00:31::1]:53"}, config, {*Name::parse("lan.svc.example.com")});
  }
  std::string dig(const std::string& pod, const std::string& arguments,
                  const std::string& at = "172.31.0.1") {
    return TestPods::output(
        fmt::format("ip netns exec {} dig @{} +tries=1 +time=5 {}", pods->netns(pod), at, arguments));
  }
  uint64_t walked() const {
    uint64_t out = 0;
    for (const auto* counters : server->counters()) out += counters->search_path.get();
    return out;
  }

  std::optional<TestPods> pods;
  SharedZone cluster{{}};
  SharedZone outside{{.zone = *Name::parse("example.com")}};
  std::unique_ptr<Server> upstream, server;
};

TEST_F(SearchWalkTest, AServiceOfAnotherNamespaceInOneRoundTrip) {
  for (const char* transport : {"+notcp ", "+tcp "}) {
    for (const char* at : {"172.31.0.1", "fd00:31::1"}) {
      auto answer = dig("shop", std::string(transport) + "api.OTHER.shop.svc.cluster.local", at);
      EXPECT_THAT(answer, HasSubstr("status: NOERROR")) << transport << at;
      EXPECT_THAT(
          answer,
          testing::ContainsRegex(
              "api.OTHER.shop.svc.cluster.local.\\s+5\\s+IN\\s+CNAME\\s+api.OTHER.svc.cluster.local."));
      EXPECT_THAT(answer,
                  testing::ContainsRegex("api.OTHER.svc.cluster.local.\\s+5\\s+IN\\s+A\\s+10.96.0.30"));
    }
  }
  EXPECT_EQ(walked(), 4U);
}

TEST_F(SearchWalkTest, ANameOfTheOutside) {
  for (const char* transport : {"+notcp ", "+tcp "}) {
    auto answer = dig("shop", std::string(transport) + "www.shop.svc.example.com.shop.svc.cluster.local");
    EXPECT_THAT(answer, testing::ContainsRegex("CNAME\\s+www.shop.svc.example.com.")) << transport;
    EXPECT_THAT(answer, testing::ContainsRegex("www.shop.svc.example.com.\\s+5\\s+IN\\s+A\\s+192.0.2.80"));
    answer = dig("shop", std::string(transport) + "printer.shop.svc.cluster.local");
    EXPECT_THAT(answer, testing::ContainsRegex("printer.lan.svc.example.com.\\s+5\\s+IN\\s+A\\s+192.0.2.9"))
        << "by the node's own search list";
  }
}

TEST_F(SearchWalkTest, AnotherTypeOfWhatIsFoundIsNoData) {
  for (const char* name : {"api.other", "www.shop.svc.example.com"}) {
    auto answer = dig("shop", fmt::format("AAAA {}.shop.svc.cluster.local", name));
    EXPECT_THAT(answer, HasSubstr("status: NOERROR")) << name;
    EXPECT_THAT(answer, HasSubstr("SOA")) << name;
    EXPECT_THAT(answer, Not(testing::ContainsRegex("IN\\s+AAAA\\s+[0-9a-f]+:"))) << name;
  }
}

TEST_F(SearchWalkTest, NothingFoundIsTheAnswerThatItWas) {
  auto answer = dig("shop", "nope.shop.svc.example.com.shop.svc.cluster.local");
  EXPECT_THAT(answer, HasSubstr("status: NXDOMAIN"));
  EXPECT_THAT(answer, HasSubstr("hostmaster.cluster.local"));
  EXPECT_THAT(answer, Not(HasSubstr("CNAME")));
  // Nobody answers for the rest of this walk: the pod is told what is known.
  answer = dig("shop", "www.example.org.shop.svc.cluster.local");
  EXPECT_THAT(answer, HasSubstr("status: NXDOMAIN"));
  EXPECT_EQ(walked(), 0U);
}

TEST_F(SearchWalkTest, WithoutUpstreamsToo) {
  start({});
  EXPECT_THAT(dig("shop", "api.other.shop.svc.cluster.local"), HasSubstr("10.96.0.30"));
  EXPECT_THAT(dig("shop", "www.example.org.shop.svc.cluster.local"), HasSubstr("status: NXDOMAIN"));
}

TEST_F(SearchWalkTest, AnUpstreamThatIsSilentIsNotWaitedFor) {
  auto silent = open_udp(*SocketAddress::parse("127.0.0.1:0"), false);
  ASSERT_TRUE(silent);
  start(upstream_at(local_address(*silent)));
  for (const char* transport : {"+notcp", "+tcp"}) {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_THAT(dig("shop", fmt::format("nope.shop.svc.cluster.local {}", transport)),
                HasSubstr("status: NXDOMAIN"));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(1000)) << transport;
  }
  EXPECT_THAT(dig("shop", "api.other.shop.svc.cluster.local"), HasSubstr("10.96.0.30"));
  // When the pod is at that step itself, it waits as anybody does.
  EXPECT_THAT(dig("shop", "nope"), HasSubstr("status: SERVFAIL"));
  EXPECT_THAT(dig("shop", "nope2.shop.svc.cluster.local"),
              testing::ContainsRegex("Query time: [0-9]?[0-9] msec"))
      << "one that is known to be down is not asked at all";
}

TEST_F(SearchWalkTest, WhatExistsAndLaterStepsAreAsEver) {
  EXPECT_THAT(dig("shop", "web.shop.svc.cluster.local"), Not(HasSubstr("CNAME")));
  EXPECT_THAT(dig("shop", "AAAA web.shop.svc.cluster.local"), HasSubstr("status: NOERROR"));
  EXPECT_THAT(dig("shop", "www.shop.svc.example.com.svc.cluster.local"), HasSubstr("status: NXDOMAIN"));
  EXPECT_THAT(dig("shop", "www.shop.svc.example.com.cluster.local"), HasSubstr("status: NXDOMAIN"));
  EXPECT_EQ(walked(), 0U);
}

TEST_F(SearchWalkTest, OnlyForPodsOfTheNamespaceByTheirDevice) {
  const std::string first_step_of_shop = "api.other.shop.svc.cluster.local";
  for (const char* pod : {"other", "plain"})
    EXPECT_THAT(dig(pod, first_step_of_shop), HasSubstr("status: NXDOMAIN")) << pod;
  EXPECT_THAT(dig("node", first_step_of_shop), HasSubstr("status: NXDOMAIN"));
  EXPECT_THAT(dig("other", "web.shop.other.svc.cluster.local"), HasSubstr("10.96.0.20"));
  EXPECT_EQ(walked(), 1U);
}

TEST_F(SearchWalkTest, ASourceAddressThatIsNotItsOwnGainsNothing) {
  // The pod of `other` says that it is the one of `shop`; the answer goes to that one.
  Fd shop, liar;
  auto bound = *SocketAddress::parse("10.0.0.2:5555");
  auto open = [&](const std::string& pod) {
    auto inside = InNetns::enter(netns_path(pods->netns(pod)));
    auto fd = open_udp(bound, false);
    EXPECT_TRUE(fd) << fd.error().message;
    return std::move(*fd);
  };
  TestPods::shell("ip -n " + pods->netns("other") + " addr add 10.0.0.2/32 dev eth0");
  shop = open("shop");
  liar = open("other");
  auto ask = [&](const Fd& from) {
    std::array<uint8_t, 512> message;
    auto size = write_query(message, 77, *Name::parse("api.other.shop.svc.cluster.local"), Query{});
    sockaddr_storage to;
    auto length = SocketAddress::parse("172.31.0.1:53")->to(to);
    EXPECT_GT(::sendto(from.get(), message.data(), size, 0, reinterpret_cast<sockaddr*>(&to), length), 0);
    pollfd ready{.fd = shop.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&ready, 1, 5000), 1);
    ssize_t got = ::recv(shop.get(), message.data(), message.size(), 0);
    ResponseHeader header;
    EXPECT_TRUE(got > 0 && read_header({message.data(), static_cast<size_t>(got)}, header));
    return header;
  };
  auto honest = ask(shop);
  EXPECT_EQ(honest.rcode, Rcode::noerror);
  EXPECT_EQ(honest.answers, 2);
  auto lied = ask(liar);
  EXPECT_EQ(lied.rcode, Rcode::nxdomain);
  EXPECT_EQ(lied.answers, 0);
}

TEST_F(SearchWalkTest, OffByASwitchAndForgottenWithThePod) {
  auto config = upstream_at(upstream->addresses().front());
  config.search_path = false;
  server->configure(std::make_shared<const Config>(config));
  EXPECT_THAT(dig("shop", "api.other.shop.svc.cluster.local"), HasSubstr("status: NXDOMAIN"));
  config.search_path = true;
  server->configure(std::make_shared<const Config>(config));
  EXPECT_THAT(dig("shop", "api.other.shop.svc.cluster.local"), HasSubstr("10.96.0.30"));
}

TEST(PodLinks, FollowsWhatIsWrittenOnThem) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  TestPods pods;
  pods.add("first", 2, "weft-pod/1 shop");
  pods.add("stranger", 3, "of somebody else");
  auto links = PodLinks::open();
  ASSERT_TRUE(links) << links.error().message;
  auto index = [](const char* name) { return static_cast<int>(::if_nametoindex(name)); };
  EXPECT_EQ((*links)->namespace_of(index("first")), "shop");
  EXPECT_FALSE((*links)->is_pod(index("stranger")));
  EXPECT_FALSE((*links)->is_pod(index("lo")));
  auto wait_for = [&](auto what) {
    for (int i = 0; i < 200 && !what(); ++i) {
      pollfd ready{.fd = (*links)->fd(), .events = POLLIN, .revents = 0};
      ::poll(&ready, 1, 50);
      (*links)->on_ready(0);
    }
    return what();
  };
  pods.add("second", 4, "weft-pod/2 other");
  int second = index("second");
  EXPECT_TRUE(wait_for([&] { return (*links)->namespace_of(second) == "other"; }));
  pods.add("old", 5, "weft-pod/3");
  int old = index("old");
  EXPECT_TRUE(wait_for([&] { return (*links)->is_pod(old); }));
  EXPECT_EQ((*links)->namespace_of(old), "");
  pods.remove("second");
  EXPECT_TRUE(wait_for([&] { return !(*links)->is_pod(second); }));
  // More at once than the socket holds notices of.
  for (int i = 0; i < 3; ++i)
    TestPods::shell(
        "for i in $(seq 2000); do echo link set first txqueuelen $((1000 + i)); done | ip -batch -");
  pods.add("last", 6, "weft-pod/4 shop");
  int last = index("last");
  EXPECT_TRUE(wait_for([&] { return (*links)->namespace_of(last) == "shop"; }));
  EXPECT_EQ((*links)->namespace_of(index("first")), "shop");
}

}  // namespace
}  // namespace weft::dns
