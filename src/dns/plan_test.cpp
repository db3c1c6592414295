#include "dns/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/test_ask.h"
#include "dns/test_cluster.h"

namespace weft::dns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Zone, ServiceAddresses) {
  TestCluster cluster;
  expect_rows(
      cluster.zone,
      {
          {"web.shop.svc.cluster.local", Type::a, "NOERROR\nweb.shop.svc.cluster.local. A 10.96.0.20"},
          {"web.shop.svc.cluster.local", Type::aaaa, kNodata},
          {"WEB.Shop.SVC.cluster.LOCAL", Type::a, "NOERROR\nWEB.Shop.SVC.cluster.LOCAL. A 10.96.0.20"},
          {"dual.shop.svc.cluster.local", Type::a, "NOERROR\ndual.shop.svc.cluster.local. A 10.96.0.21"},
          {"dual.shop.svc.cluster.local", Type::aaaa,
           "NOERROR\ndual.shop.svc.cluster.local. AAAA fd00:96::21"},
          {"web.shop.svc.cluster.local", Type{65}, kNodata},
          {"web.shop.svc.cluster.local", Type::txt, kNodata},
          {"web.other.svc.cluster.local", Type::a, kNxdomain},
          {"none.shop.svc.cluster.local", Type::a, kNxdomain},
          {"web.nowhere.svc.cluster.local", Type::a, kNxdomain},
          {"*.shop.svc.cluster.local", Type::a, kNxdomain},
          {"web.*.svc.cluster.local", Type::a, kNxdomain},
          {"example.com.shop.svc.cluster.local", Type::a, kNxdomain},
          {"a.b.c.web.shop.svc.cluster.local", Type::a, kNxdomain},
          {"pending.shop.svc.cluster.local", Type::a, kNxdomain},
      });
}

TEST(Zone, NamesOnTheWay) {
  TestCluster cluster;
  expect_rows(cluster.zone,
              {
                  {"cluster.local", Type::a, kNodata},
                  {"cluster.local", Type::soa, "NOERROR\nSOA answer"},
                  {"cluster.local", Type::ns, "NOERROR\ncluster.local. NS ns.dns.cluster.local."},
                  {"svc.cluster.local", Type::a, kNodata},
                  {"svc.cluster.local", Type::ns, kNodata},
                  {"pod.cluster.local", Type::a, kNodata},
                  {"shop.svc.cluster.local", Type::a, kNodata},
                  {"empty.svc.cluster.local", Type::a, kNodata},
                  {"shop.pod.cluster.local", Type::a, kNodata},
                  {"nowhere.svc.cluster.local", Type::a, kNxdomain},
                  {"foo.cluster.local", Type::ns, kNxdomain},
                  {"ns.dns.cluster.local", Type::a, kNodata},
                  {"dns-version.cluster.local", Type::txt, "NOERROR\nTXT"},
                  {"dns-version.cluster.local", Type::a, kNodata},
                  {"xcluster.local", Type::a, "OUTSIDE"},
                  {"local", Type::a, "OUTSIDE"},
                  {".", Type::a, "OUTSIDE"},
                  {"web.shop.svc.cluster.local.example.com", Type::a, "OUTSIDE"},
              });
}

TEST(Zone, ServicePorts) {
  TestCluster cluster;
  expect_rows(
      cluster.zone,
      {
          {"_http._tcp.web.shop.svc.cluster.local", Type::srv,
           "NOERROR\n_http._tcp.web.shop.svc.cluster.local. SRV 0 100 80 web.shop.svc.cluster.local."
           "\n+ web.shop.svc.cluster.local. A 10.96.0.20"},
          {"_HTTP._TCP.web.shop.svc.cluster.local", Type::srv,
           "NOERROR\n_HTTP._TCP.web.shop.svc.cluster.local. SRV 0 100 80 web.shop.svc.cluster.local."
           "\n+ web.shop.svc.cluster.local. A 10.96.0.20"},
          {"_http._tcp.dual.shop.svc.cluster.local", Type::srv,
           "NOERROR\n_http._tcp.dual.shop.svc.cluster.local. SRV 0 50 80 dual.shop.svc.cluster.local."
           "\n+ dual.shop.svc.cluster.local. A 10.96.0.21\n+ dual.shop.svc.cluster.local. AAAA fd00:96::21"},
          {"web.shop.svc.cluster.local", Type::srv,
           "NOERROR\nweb.shop.svc.cluster.local. SRV 0 50 443 web.shop.svc.cluster.local."
           "\nweb.shop.svc.cluster.local. SRV 0 50 80 web.shop.svc.cluster.local."
           "\n+ web.shop.svc.cluster.local. A 10.96.0.20"},
          {"_http._udp.web.shop.svc.cluster.local", Type::srv, kNxdomain},
          {"_https._tcp.web.shop.svc.cluster.local", Type::srv, kNxdomain},
          {"http.tcp.web.shop.svc.cluster.local", Type::srv, kNxdomain},
          {"_http._tcp.web.shop.svc.cluster.local", Type::a, kNodata},
          {"_tcp.web.shop.svc.cluster.local", Type::srv, kNodata},
          {"_udp.web.shop.svc.cluster.local", Type::srv, kNxdomain},
          {"_.__.web.shop.svc.cluster.local", Type::srv, kNxdomain},
      });
}

TEST(Zone, HeadlessServices) {
  TestCluster cluster;
  const std::string db = "db.shop.svc.cluster.local.";
  expect_rows(
      cluster.zone,
      {
          {"db.shop.svc.cluster.local", Type::a,
           "NOERROR\n" + db + " A 10.244.0.1\n" + db + " A 10.244.0.2\n" + db + " A 10.244.0.3"},
          {"db.shop.svc.cluster.local", Type::aaaa, "NOERROR\n" + db + " AAAA fd00:244::1"},
          {"db-0.db.shop.svc.cluster.local", Type::a, "NOERROR\ndb-0." + db + " A 10.244.0.1"},
          {"DB-0.db.shop.svc.cluster.local", Type::a, "NOERROR\nDB-0." + db + " A 10.244.0.1"},
          {"db-0.db.shop.svc.cluster.local", Type::aaaa, "NOERROR\ndb-0." + db + " AAAA fd00:244::1"},
          {"twin.db.shop.svc.cluster.local", Type::a,
           "NOERROR\ntwin." + db + " A 10.244.0.2\ntwin." + db + " A 10.244.0.3"},
          // has a hostname: no dashed name beside it
          {"10-244-0-1.db.shop.svc.cluster.local", Type::a, kNxdomain},
          {"db-9.db.shop.svc.cluster.local", Type::a, kNxdomain},
          // not ready
          {"db-3.db.shop.svc.cluster.local", Type::a, kNxdomain},
          {"_sql._tcp.db.shop.svc.cluster.local", Type::srv,
           "NOERROR\n_sql._tcp." + db + " SRV 0 25 5432 db-0." + db + "\n_sql._tcp." + db +
               " SRV 0 25 5432 twin." + db + "\n+ db-0." + db + " A 10.244.0.1\n+ db-0." + db +
               " AAAA fd00:244::1\n+ twin." + db + " A 10.244.0.2\n+ twin." + db + " A 10.244.0.3"},
          {"_sql._udp.db.shop.svc.cluster.local", Type::srv, kNxdomain},
          {"_sql._tcp.db.shop.svc.cluster.local", Type::a, kNodata},
          {"_tcp.db.shop.svc.cluster.local", Type::a, kNodata},
          {"bare.shop.svc.cluster.local", Type::a, "NOERROR\nbare.shop.svc.cluster.local. A 10.244.0.9"},
          {"10-244-0-9.bare.shop.svc.cluster.local", Type::a,
           "NOERROR\n10-244-0-9.bare.shop.svc.cluster.local. A 10.244.0.9"},
          {"fd00-244--0.bare.shop.svc.cluster.local", Type::aaaa,
           "NOERROR\nfd00-244--0.bare.shop.svc.cluster.local. AAAA fd00:244::"},
          {"fd00-0244--0.bare.shop.svc.cluster.local", Type::aaaa, kNxdomain},
          {"bare.shop.svc.cluster.local", Type::srv, kNodata},
          {"unready.shop.svc.cluster.local", Type::a, kNxdomain},
          {"noslices.shop.svc.cluster.local", Type::a, kNxdomain},
          // endpoints of a ClusterIP Service have names too
          {"10-244-0-7.web.shop.svc.cluster.local", Type::a,
           "NOERROR\n10-244-0-7.web.shop.svc.cluster.local. A 10.244.0.7"},
      });
}

TEST(Zone, ReverseNames) {
  TestCluster cluster;
  expect_rows(
      cluster.zone,
      {
          {"20.0.96.10.in-addr.arpa", Type::ptr, "NOERROR\nPTR web.shop.svc.cluster.local."},
          {"20.0.96.10.IN-ADDR.ARPA", Type::a, kNodata},
          {"1.0.244.10.in-addr.arpa", Type::ptr, "NOERROR\nPTR db-0.db.shop.svc.cluster.local."},
          // a pod of two headless Services
          {"9.0.244.10.in-addr.arpa", Type::ptr,
           "NOERROR\nPTR 10-244-0-9.bare.shop.svc.cluster.local.\nPTR nine.second.shop.svc.cluster.local."},
          // behind a ClusterIP only
          {"7.0.244.10.in-addr.arpa", Type::ptr, "NOERROR\nPTR 10-244-0-7.web.shop.svc.cluster.local."},
          {"8.8.8.8.in-addr.arpa", Type::ptr, "OUTSIDE"},
          {"0.244.10.in-addr.arpa", Type::ptr, "OUTSIDE"},
          {"x.0.244.10.in-addr.arpa", Type::ptr, "OUTSIDE"},
          {"1.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa", Type::ptr,
           "NOERROR\nPTR dual.shop.svc.cluster.local."},
          {"6.9.0.0.0.0.d.f.ip6.arpa", Type::ptr, "OUTSIDE"},
      });
}

TEST(Zone, ExternalNames) {
  TestCluster cluster;
  expect_rows(cluster.zone,
              {
                  {"inside.shop.svc.cluster.local", Type::a,
                   "NOERROR\ninside.shop.svc.cluster.local. CNAME web.shop.svc.cluster.local."
                   "\nweb.shop.svc.cluster.local. A 10.96.0.20"},
                  {"inside.shop.svc.cluster.local", Type::aaaa,
                   "NOERROR\ninside.shop.svc.cluster.local. CNAME web.shop.svc.cluster.local.\nSOA"},
                  {"inside.shop.svc.cluster.local", Type::cname,
                   "NOERROR\ninside.shop.svc.cluster.local. CNAME web.shop.svc.cluster.local."},
                  {"away.shop.svc.cluster.local", Type::a,
                   "NOERROR\naway.shop.svc.cluster.local. CNAME db.example.com.\nthen db.example.com."},
                  {"away.shop.svc.cluster.local", Type::cname,
                   "NOERROR\naway.shop.svc.cluster.local. CNAME db.example.com."},
                  {"x.away.shop.svc.cluster.local", Type::cname, kNxdomain},
                  {"address.shop.svc.cluster.local", Type::a, kNxdomain},
                  {"lost.shop.svc.cluster.local", Type::a,
                   "NXDOMAIN\nlost.shop.svc.cluster.local. CNAME none.shop.svc.cluster.local.\nSOA"},
                  {"loop.shop.svc.cluster.local", Type::a, "SERVFAIL"},
              });
}

TEST(Zone, PodRecords) {
  TestCluster off;
  expect_rows(off.zone, {{"10-244-0-1.shop.pod.cluster.local", Type::a, kNxdomain}});
  TestCluster on({.pods = PodRecords::insecure});
  expect_rows(on.zone, {
                           {"10-244-0-1.shop.pod.cluster.local", Type::a,
                            "NOERROR\n10-244-0-1.shop.pod.cluster.local. A 10.244.0.1"},
                           {"10-244-0-1.shop.pod.cluster.local", Type::aaaa, kNodata},
                           {"fd00--1.shop.pod.cluster.local", Type::aaaa,
                            "NOERROR\nfd00--1.shop.pod.cluster.local. AAAA fd00::1"},
                           {"10-244-0-256.shop.pod.cluster.local", Type::a, kNxdomain},
                           {"10-244-0-1.nowhere.pod.cluster.local", Type::a, kNxdomain},
                           {"x.10-244-0-1.shop.pod.cluster.local", Type::a, kNxdomain},
                       });
}

TEST(Zone, ServfailUntilSynced) {
  Zone zone;
  EXPECT_EQ(ask(zone, "web.shop.svc.cluster.local", Type::a), "SERVFAIL");
  EXPECT_EQ(ask(zone, "1.0.96.10.in-addr.arpa", Type::ptr), "SERVFAIL");
  EXPECT_EQ(ask(zone, "example.com", Type::a), "OUTSIDE");
  zone.set_synced();
  EXPECT_EQ(ask(zone, "web.shop.svc.cluster.local", Type::a), kNxdomain);
}

TEST(Zone, ChangesOfObjects) {
  TestCluster cluster;
  const std::string web = "web.shop.svc.cluster.local";
  cluster.service("web", R"({"clusterIP":"None","clusterIPs":["None"],"ports":[]})");
  EXPECT_EQ(ask(cluster.zone, web, Type::a), "NOERROR\n" + web + ". A 10.244.0.7");
  EXPECT_EQ(ask(cluster.zone, "20.0.96.10.in-addr.arpa", Type::ptr), "OUTSIDE");
  EXPECT_EQ(ask(cluster.zone, "7.0.244.10.in-addr.arpa", Type::ptr), "NOERROR\nPTR 10-244-0-7." + web + ".");
  // The slice moves to another Service.
  cluster.slice("web-1", "db", R"([{"addresses":["10.244.0.8"]}])");
  EXPECT_EQ(ask(cluster.zone, web, Type::a), kNxdomain);
  EXPECT_EQ(ask(cluster.zone, "10-244-0-8.db.shop.svc.cluster.local", Type::a),
            "NOERROR\n10-244-0-8.db.shop.svc.cluster.local. A 10.244.0.8");
  cluster.remove_slice("web-1");
  EXPECT_EQ(ask(cluster.zone, "8.0.244.10.in-addr.arpa", Type::ptr), "OUTSIDE");
  cluster.remove_service("web");
  EXPECT_EQ(ask(cluster.zone, web, Type::a), kNxdomain);
}

TEST(Zone, NothingStaysOfWhatIsGone) {
  TestCluster cluster;
  cluster.remove_all();
  EXPECT_EQ(ask(cluster.zone, "shop.svc.cluster.local", Type::a), kNxdomain);
  EXPECT_EQ(ask(cluster.zone, "20.0.96.10.in-addr.arpa", Type::ptr), "OUTSIDE");
  EXPECT_EQ(ask(cluster.zone, "1.0.244.10.in-addr.arpa", Type::ptr), "OUTSIDE");
}

TEST(Zone, AnEndpointInTwoSlicesIsOneRecord) {
  TestCluster cluster;
  cluster.slice("bare-2", "bare", R"([{"addresses":["10.244.0.9"]},{"addresses":["10.244.0.10"]}])");
  EXPECT_EQ(ask(cluster.zone, "bare.shop.svc.cluster.local", Type::a),
            "NOERROR\nbare.shop.svc.cluster.local. A 10.244.0.10\nbare.shop.svc.cluster.local. A 10.244.0.9");
  cluster.remove_slice("bare-2");
  EXPECT_EQ(ask(cluster.zone, "9.0.244.10.in-addr.arpa", Type::ptr),
            "NOERROR\nPTR 10-244-0-9.bare.shop.svc.cluster.local.\nPTR nine.second.shop.svc.cluster.local.");
}

TEST(Zone, SaysWhy) {
  TestCluster cluster;
  auto why = [&](std::string_view name, Type type) {
    Answer answer;
    answer.explain = true;
    cluster.zone.resolve(*Name::parse(name), type, answer);
    return answer.why;
  };
  EXPECT_THAT(why("web.shop.svc.cluster.local", Type::a), ElementsAre("Service shop/web: spec.clusterIPs"));
  EXPECT_THAT(why("db-0.db.shop.svc.cluster.local", Type::a),
              ElementsAre(HasSubstr("EndpointSlice shop/db-4"), HasSubstr("EndpointSlice shop/db-6")));
  EXPECT_THAT(why("web.nowhere.svc.cluster.local", Type::a), ElementsAre("no Namespace nowhere"));
  EXPECT_THAT(why("none.shop.svc.cluster.local", Type::a), ElementsAre("no Service shop/none"));
  EXPECT_THAT(why("unready.shop.svc.cluster.local", Type::a),
              ElementsAre("Service shop/unready: no ready endpoint"));
  EXPECT_THAT(why("inside.shop.svc.cluster.local", Type::a),
              ElementsAre("Service shop/inside: spec.externalName", "Service shop/web: spec.clusterIPs"));
}

TEST(Dashed, CanonicalBothWays) {
  const std::vector<std::pair<std::string, std::string>> rows = {{"10.1.2.3", "10-1-2-3"},
                                                                 {"fd00:1::", "fd00-1--0"},
                                                                 {"::1", "0--1"},
                                                                 {"::", "0--0"},
                                                                 {"1:2:3:4:5:6:7:8", "1-2-3-4-5-6-7-8"}};
  for (const auto& [ip, label] : rows) {
    EXPECT_EQ(dashed(*IpAddr::parse(ip)), label);
    EXPECT_EQ(parse_dashed(label), IpAddr::parse(ip)) << label;
  }
  for (auto bad : {"", "a", "10-1-2", "10-1-2-300", "-", "--", "web"}) EXPECT_FALSE(parse_dashed(bad)) << bad;
}

}  // namespace
}  // namespace weft::dns
