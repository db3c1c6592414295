#include "dns/pod_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/message_text.h"

namespace weft::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

kube::Pod pod_in(const char* ns) {
  kube::Pod pod;
  pod.metadata.namespace_ = ns;
  return pod;
}

std::vector<std::string> names(std::string_view name, const PodResolver& resolver) {
  std::vector<std::string> out;
  for (const auto& step : walk_of(name, resolver)) out.push_back(step.name.str());
  return out;
}

TEST(PodResolver, ClusterFirstWalksTheNamespaceFirst) {
  auto resolver = resolver_of(pod_in("shop"), "cluster.local");
  EXPECT_FALSE(resolver.of_node);
  EXPECT_THAT(names("web", resolver), ElementsAre("web.shop.svc.cluster.local.", "web.svc.cluster.local.",
                                                  "web.cluster.local.", "web."));
  EXPECT_THAT(names("a.b.c.d.e.f", resolver).front(), "a.b.c.d.e.f.");
  EXPECT_THAT(names("web.", resolver), ElementsAre("web."));
  EXPECT_THAT(names("a..b", resolver), IsEmpty());
}

TEST(PodResolver, DnsConfigAddsToAndOverrides) {
  auto pod = pod_in("shop");
  pod.spec.dnsConfig.emplace();
  pod.spec.dnsConfig->searches = {"corp.example", "svc.cluster.local"};
  pod.spec.dnsConfig->options = {{.name = "ndots", .value = "1"}};
  EXPECT_THAT(names("a.b", resolver_of(pod, "cluster.local")),
              ElementsAre("a.b.", "a.b.shop.svc.cluster.local.", "a.b.svc.cluster.local.",
                          "a.b.cluster.local.", "a.b.corp.example."));
  pod.spec.dnsPolicy = "None";
  EXPECT_THAT(resolver_of(pod, "cluster.local").searches, ElementsAre("corp.example", "svc.cluster.local"));
}

TEST(PodResolver, AsAResolvConfSays) {
  auto resolver =
      resolver_of(kube::parse_resolv_conf("search shop.svc.cluster.local corp.example\noptions ndots:2\n"));
  EXPECT_THAT(names("a.b", resolver),
              ElementsAre("a.b.shop.svc.cluster.local.", "a.b.corp.example.", "a.b."));
  EXPECT_THAT(names("a.b.c", resolver).front(), "a.b.c.");
}

TEST(PodResolver, OnTheHostsNetworkItIsTheNodes) {
  auto pod = pod_in("shop");
  pod.spec.hostNetwork = true;
  auto resolver = resolver_of(pod, "cluster.local");
  EXPECT_TRUE(resolver.of_node);
  EXPECT_THAT(resolver.searches, IsEmpty());
  pod.spec.dnsPolicy = "ClusterFirstWithHostNet";
  EXPECT_EQ(resolver_of(pod, "cluster.local").searches.size(), 3);
}

TEST(AnswerTexts, OfEachType) {
  std::vector<uint8_t> out(kMaxMessage);
  Query query;
  query.name = *Name::parse("a.example");
  query.has_question = true;
  Writer writer(out, kMaxMessage, query);
  auto owner = query.name.wire();
  auto target = *Name::parse("b.example");
  writer.address(Section::answer, owner, 7, *IpAddr::parse("192.0.2.1"));
  writer.address(Section::answer, owner, 7, *IpAddr::parse("2001:db8::1"));
  writer.name(Section::answer, owner, 7, Type::cname, target.wire());
  writer.srv(Section::answer, owner, 7, 1, 2, 3, target.wire());
  writer.txt(Section::answer, owner, 7, "x\"y");
  out.resize(writer.finish());
  auto text = read_answer_text(out);
  ASSERT_TRUE(text);
  EXPECT_THAT(text->records, ElementsAre("a.example. 7 A 192.0.2.1", "a.example. 7 AAAA 2001:db8::1",
                                         "a.example. 7 CNAME b.example.", "a.example. 7 SRV 1 2 3 b.example.",
                                         "a.example. 7 TXT \"x\\034y\""));
  EXPECT_EQ(text->essence().front(), "a.example. a 192.0.2.1");
  for (size_t size = 0; size < out.size(); ++size)
    EXPECT_FALSE(read_answer_text(std::span(out).first(size))) << size;
}

TEST(AnswerTexts, TypesByNameAndNumber) {
  EXPECT_EQ(parse_type("aaaa"), Type::aaaa);
  EXPECT_EQ(parse_type("TYPE64"), static_cast<Type>(64));
  EXPECT_EQ(parse_type("33"), Type::srv);
  EXPECT_FALSE(parse_type("other"));
  EXPECT_FALSE(parse_type("70000"));
  EXPECT_FALSE(parse_type(""));
}

}  // namespace
}  // namespace weft::dns
