#include "kube/pod_dns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/codec.h"

namespace weft::kube {
namespace {

using testing::ElementsAre;

Pod pod_from(const char* text) { return *decode<Pod>(json::parse(text)); }

constexpr const char* kDnsPod = R"({"metadata":{"name":"p","namespace":"n"},"spec":{}})";

TEST(PodDns, EachPolicy) {
  ClusterDns cluster{{"10.96.0.10", "fd00:96::a"}, "cluster.local"};
  ResolvConf node =
      parse_resolv_conf("# x\nnameserver 1.1.1.1\ndomain old\nsearch example.com\noptions edns0 ndots:1\n");
  auto pod = pod_from(kDnsPod);
  EXPECT_EQ(write_resolv_conf(pod_dns(pod, cluster, node).conf),
            "search n.svc.cluster.local svc.cluster.local cluster.local example.com\n"
            "nameserver 10.96.0.10\nnameserver fd00:96::a\noptions ndots:5\n");
  pod.spec.hostNetwork = true;
  EXPECT_EQ(pod_dns(pod, cluster, node).conf, node);
  pod.spec.dnsPolicy = "ClusterFirstWithHostNet";
  EXPECT_EQ(pod_dns(pod, cluster, node).conf.nameservers.front(), "10.96.0.10");
  pod.spec.dnsPolicy = "Default";
  EXPECT_EQ(pod_dns(pod, cluster, node).conf, node);
  pod.spec.dnsPolicy = "None";
  EXPECT_EQ(pod_dns(pod, cluster, node).conf, ResolvConf{});
}

TEST(PodDns, ConfigIsMergedAndLimitsHold) {
  auto pod = pod_from(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"dnsConfig":{
    "nameservers":["10.96.0.10","9.9.9.9","8.8.8.8","7.7.7.7"],"searches":["a.b"],
    "options":[{"name":"ndots","value":"2"},{"name":"edns0"}]}}})");
  for (int i = 0; i < 40; ++i) pod.spec.dnsConfig->searches.push_back("s" + std::to_string(i));
  auto dns = pod_dns(pod, {{"10.96.0.10"}, "cluster.local"}, {});
  EXPECT_THAT(dns.conf.nameservers, ElementsAre("10.96.0.10", "9.9.9.9", "8.8.8.8"));
  EXPECT_EQ(dns.conf.searches.size(), 32U);
  EXPECT_THAT(dns.conf.options, ElementsAre("ndots:2", "edns0"));
  EXPECT_EQ(dns.warnings.size(), 2U);
  pod.spec.dnsConfig->searches.assign(10, std::string());
  for (size_t i = 0; i < 10; ++i)
    pod.spec.dnsConfig->searches[i] = std::string(250, static_cast<char>('a' + i));
  dns = pod_dns(pod, {{"10.96.0.10"}, "cluster.local"}, {});
  EXPECT_EQ(dns.conf.searches.size(), 10U) << "3 of the cluster and 7 more in 2048 characters";
}

TEST(PodName, HostnameSubdomainAndFqdn) {
  auto pod = pod_from(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"hostname":"h","subdomain":"s"}})");
  auto name = *pod_name(pod, "cluster.local");
  EXPECT_EQ(name.hostname, "h");
  EXPECT_EQ(name.fqdn, "h.s.n.svc.cluster.local");
  EXPECT_EQ(name.kernel, "h");
  pod.spec.setHostnameAsFQDN = true;
  EXPECT_EQ(pod_name(pod, "cluster.local")->kernel, "h.s.n.svc.cluster.local");
  pod.spec.hostname = std::string(60, 'x');
  EXPECT_FALSE(pod_name(pod, "cluster.local"));
  pod = pod_from(R"({"metadata":{"name":"","namespace":"n"}})");
  pod.metadata.name = std::string(62, 'x') + "-more";
  EXPECT_EQ(pod_name(pod, "d")->hostname, std::string(62, 'x')) << "cut to 63 characters, no dash at the end";
}

}  // namespace
}  // namespace weft::kube
