#include "dns/link_answers.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace weft::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

kube::Service service(const std::string& name, const std::string& address) {
  kube::Service out;
  out.metadata.name = name;
  out.metadata.namespace_ = "shop";
  out.spec.clusterIP = address;
  out.spec.clusterIPs = {address};
  return out;
}

datapath::RawMap made(bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = type == BPF_MAP_TYPE_HASH ? BPF_F_NO_PREALLOC : 0U);
  Fd fd(bpf_map_create(type, "test", key, value, entries, &options));
  return datapath::RawMap::duplicate(fd.get()).value();
}

/// With room for so many names.
datapath::DnsMaps maps(uint32_t names = 100) {
  using Names = datapath::HashMap<weft_dns_name, weft_dns_record>;
  datapath::DnsMaps out;
  out.names =
      Names::of(made(BPF_MAP_TYPE_HASH, sizeof(weft_dns_name), sizeof(weft_dns_record), names)).value();
  out.server =
      datapath::ArrayMap<weft_dns_server>::of(made(BPF_MAP_TYPE_ARRAY, 4, sizeof(weft_dns_server), 1))
          .value();
  out.counters = made(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, WEFT_DNS_COUNTERS);
  return out;
}

class LinkAnswersTest : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& address) {
    auto next = service(name, address);
    auto was = services_.find(name);
    answers_.service_changed(was == services_.end() ? nullptr : &was->second, &next);
    services_[name] = next;
  }
  void remove(const std::string& name) {
    answers_.service_changed(&services_.at(name), nullptr);
    services_.erase(name);
  }
  /// What the map has: "NAME ADDRESS" with the name's labels.
  std::vector<std::string> known() const {
    std::vector<std::string> out;
    const auto entries = maps_.names.read_all().value();
    for (const auto& [name, record] : entries) {
      std::string text;
      for (size_t at = 0; name.wire[at] != 0; at += name.wire[at] + 1U)
        text += std::string(reinterpret_cast<const char*>(&name.wire[at + 1]), name.wire[at]) + ".";
      out.push_back(fmt::format("{} {}.{}", text, record.v4[0], record.v4[3]));
    }
    std::ranges::sort(out);
    return out;
  }
  bool answers() const { return server().until_ns > 0; }
  weft_dns_server server() const { return maps_.server.get().value(); }
  bool say(const std::string& zone,
           std::vector<domain_feed::Serving::At> at = {{*IpAddr::parse("172.30.0.2"), 53}}) {
    const domain_feed::Serving serving{.ttl = 5, .serial = 7, .zone = zone, .at = std::move(at)};
    return answers_.serving(&serving);
  }

  std::map<std::string, kube::Service> services_;
  datapath::DnsMaps maps_ = maps(3);
  LinkAnswers answers_{maps_,
                       {*IpAddr::parse("172.30.0.2"), *IpAddr::parse("fd00:172::2")},
                       [this](const std::function<void(const kube::Service&)>& each) {
                         for (const auto& [name, one] : services_) each(one);
                       }};
};

TEST_F(LinkAnswersTest, NothingIsKnownBeforeAServerSpeaks) {
  put("web", "10.96.0.1");
  EXPECT_THAT(known(), IsEmpty());
  EXPECT_FALSE(answers());
  EXPECT_TRUE(say("cluster.local"));
  EXPECT_THAT(known(), ElementsAre("web.shop.svc.cluster.local. 10.1"));
  EXPECT_TRUE(answers());
  EXPECT_EQ(server().zone_size, 15U);
  EXPECT_EQ(server().ttl, 5U);
  EXPECT_EQ(server().serial, 7U);
}

TEST_F(LinkAnswersTest, FollowsServices) {
  say("cluster.local");
  put("web", "10.96.0.1");
  put("web", "10.96.0.2");
  EXPECT_THAT(known(), ElementsAre("web.shop.svc.cluster.local. 10.2"));
  put("web", "None");
  EXPECT_THAT(known(), IsEmpty());
  put("web", "10.96.0.3");
  remove("web");
  EXPECT_THAT(known(), IsEmpty());
}

TEST_F(LinkAnswersTest, WhatFindsNoRoomIsNotAnswered) {
  say("cluster.local");
  for (int n = 1; n <= 4; ++n) put(fmt::format("s{}", n), fmt::format("10.96.0.{}", n));
  EXPECT_EQ(known().size(), 3U);
  EXPECT_TRUE(answers());
  put("s1", "10.96.0.9");
  EXPECT_THAT(known(), testing::Contains("s1.shop.svc.cluster.local. 10.9"));
}

TEST_F(LinkAnswersTest, AServerIsAtTheNodesAddresses) {
  const IpAddr v4 = *IpAddr::parse("172.30.0.2"), v6 = *IpAddr::parse("fd00:172::2");
  EXPECT_FALSE(say("cluster.local", {{*IpAddr::parse("127.0.0.1"), 5300}}));
  EXPECT_FALSE(answers());
  EXPECT_TRUE(say("cluster.local", {{v6, 53}}));
  EXPECT_EQ(server().port4, 0);
  EXPECT_EQ(server().port6, htons(53));
  EXPECT_TRUE(say("cluster.local", {{*IpAddr::parse("0.0.0.0"), 5353}}));
  EXPECT_EQ(server().port4, htons(5353));
  EXPECT_TRUE(std::ranges::equal(server().addr4, v4.mapped()));
  EXPECT_EQ(server().port6, 0);
}

TEST_F(LinkAnswersTest, AServerThatGoesIsAnsweredForNoMore) {
  say("cluster.local");
  EXPECT_FALSE(answers_.serving(nullptr));
  EXPECT_EQ(server().until_ns, 0U);
  EXPECT_EQ(server().zone_size, 15U) << "for a program that is at work";
  put("web", "10.96.0.1");
  say("cluster.local");
  EXPECT_THAT(known(), ElementsAre("web.shop.svc.cluster.local. 10.1")) << "Services are followed on";
}

TEST_F(LinkAnswersTest, AnotherZoneIsTakenNowAndThen) {
  put("web", "10.96.0.1");
  say("cluster.local");
  EXPECT_TRUE(say("example"));
  EXPECT_FALSE(answers()) << "it has just been another one";
  EXPECT_THAT(known(), ElementsAre("web.shop.svc.cluster.local. 10.1"));
  say("CLUSTER.local");
  EXPECT_TRUE(answers()) << "whose names are still there";
}

}  // namespace
}  // namespace weft::dns
