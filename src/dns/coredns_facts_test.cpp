#include <gtest/gtest.h>

#include <stdexcept>

#include "dns/test_ask.h"
#include "kube/codec.h"

// The facts of the test tables of CoreDNS's `kubernetes` plugin (handler, pods, reverse, ns, apex, case,
// parse, services) and of coredns/ci's test/kubernetes, row by row, under names of our own. Rows that say
// nothing about Weft:
//   - SOA beside SERVFAIL before the first sync: there is nothing to remember a failure by (RFC 2308, 7.1);
//   - reverse zones as zones of one's own with an SOA each: reverse names that are no address of the cluster
//   go
//     to an upstream, as with the `fallthrough in-addr.arpa ip6.arpa` of every installed Corefile;
//   - namespaces that are not exposed, fallthrough into a zone file, `ignore empty_service`,
//   `endpoint_pod_names`,
//     zonal names, multicluster zones, names for external addresses: features that Weft does not have;
//   - AXFR and IXFR of the zone (the transfer plugin): REFUSED, see codec_test;
//   - an ExternalName that the upstream truncated, new objects on the fly, metrics, reload: server_test and
//   the
//     dns scenario, with real sockets.
namespace weft::dns {
namespace {

class FactCluster {
 public:
  explicit FactCluster(ZoneOptions options = {}) : zone(std::move(options)) {
    for (const char* name : {"orders", "kube-system", "pods"}) {
      kube::Namespace object;
      object.metadata.name = name;
      zone.apply(nullptr, &object);
    }
    service("api", kClusterIp("10.0.0.1"));
    slice("api-1", "api", R"([{"addresses":["172.0.0.1"],"hostname":"one"}])");
    service("quiet", kClusterIp("10.0.0.2"));
    slice("quiet-1", "quiet", "[]");
    service("api6", kClusterIp("1234:abcd::1"));
    service("both", kClusterIp("10.0.0.3\",\"10::3"));
    service(
        "two",
        R"({"clusterIPs":["10.96.0.100"],"ports":[{"name":"http","port":80},{"name":"https","port":443}]})");
    slice("two-1", "two", R"([{"addresses":["172.17.0.253"],"hostname":"two"}])");
    store();
    service(
        "partner",
        R"({"type":"ExternalName","externalName":"ext.partner.test","ports":[{"name":"http","port":80}]})");
    service("alias", R"({"type":"ExternalName","externalName":"api.orders.svc.cluster.local."})");
    zone.set_synced();
  }

  void service(const std::string& name, std::string_view spec, std::string_view ns = "orders") {
    auto object = decode<kube::Service>(
        {{"metadata", {{"name", name}, {"namespace", ns}}}, {"spec", json::parse(spec)}});
    zone.apply(nullptr, &object);
  }
  void slice(const std::string& name, std::string_view service, std::string_view endpoints,
             std::string_view ports = kHttp, std::string_view family = "IPv4",
             std::string_view ns = "orders") {
    auto object = decode<kube::EndpointSlice>(
        {{"metadata",
          {{"name", name}, {"namespace", ns}, {"labels", {{"kubernetes.io/service-name", service}}}}},
         {"addressType", family},
         {"endpoints", json::parse(endpoints)},
         {"ports", json::parse(ports)}});
    zone.apply(nullptr, &object);
  }

  static constexpr std::string_view kHttp = R"([{"name":"http","port":80,"protocol":"TCP"}])";
  static constexpr std::string_view kHeadless = R"({"clusterIP":"None","clusterIPs":["None"]})";
  Zone zone;

 private:
  static std::string kClusterIp(const std::string& ips) {
    return fmt::format(R"({{"clusterIPs":["{}"],"ports":[{{"name":"http","port":80,"protocol":"TCP"}}]}})",
                       ips);
  }
  template <class T>
  static T decode(json::object object) {
    auto decoded = kube::decode<T>(object);
    if (!decoded) throw std::runtime_error(decoded.error().message);
    return *decoded;
  }
  void store() {
    service("store", kHeadless);
    slice("store-4", "store",
          R"([{"addresses":["172.0.0.2"]},{"addresses":["172.0.0.3"]},
              {"addresses":["172.0.0.4"],"hostname":"twin"},{"addresses":["172.0.0.5"],"hostname":"twin"}])");
    slice("store-6", "store", R"([{"addresses":["5678:abcd::1"]},{"addresses":["5678:abcd::2"]}])", kHttp,
          "IPv6");
    service("portless", kHeadless);
    slice("portless-1", "portless", R"([{"addresses":["172.0.0.20"]}])", "[]");
    service("notready", kHeadless);
    slice("notready-1", "notready", R"([{"addresses":["172.0.0.30"],"conditions":{"ready":false}}])");
    service("absent", kHeadless);
  }
};

constexpr auto kSvc = ".orders.svc.cluster.local";

/// "NOERROR" and records of the name that was asked.
std::string found(const std::string& name, const std::vector<std::string>& data,
                  const std::string& more = {}) {
  std::string out = "NOERROR";
  for (const auto& text : data) out += "\n" + name + ". " + text;
  return out + more;
}

/// A row whose records all have the name that is asked.
Row row(const std::string& name, Type type, const std::vector<std::string>& data,
        const std::string& more = {}) {
  return {name, type, found(name, data, more)};
}

TEST(CorednsFacts, ClusterIps) {
  FactCluster cluster;
  const std::string svc = kSvc;
  const std::string api_srv = "SRV 0 100 80 api" + svc + ".", api_extra = "\n+ api" + svc + ". A 10.0.0.1";
  const std::string quiet_srv = "SRV 0 100 80 quiet" + svc + ".",
                    quiet_extra = "\n+ quiet" + svc + ". A 10.0.0.2";
  const std::string six_srv = "SRV 0 100 80 api6" + svc + ".",
                    six_extra = "\n+ api6" + svc + ". AAAA 1234:abcd::1";
  const std::string both_srv = "SRV 0 50 80 both" + svc + ".",
                    both_extra = "\n+ both" + svc + ". A 10.0.0.3\n+ both" + svc + ". AAAA 10::3";
  expect_rows(cluster.zone,
              {
                  row("api" + svc, Type::a, {"A 10.0.0.1"}),
                  row("quiet" + svc, Type::a, {"A 10.0.0.2"}),
                  row("api" + svc, Type::srv, {api_srv}, api_extra),
                  row("quiet" + svc, Type::srv, {quiet_srv}, quiet_extra),
                  row("api6" + svc, Type::srv, {six_srv}, six_extra),
                  row("_http._tcp.api" + svc, Type::srv, {api_srv}, api_extra),
                  row("_http._tcp.quiet" + svc, Type::srv, {quiet_srv}, quiet_extra),
                  row("_http._tcp.api6" + svc, Type::srv, {six_srv}, six_extra),
                  row("api6" + svc, Type::aaaa, {"AAAA 1234:abcd::1"}),
                  row("both" + svc, Type::a, {"A 10.0.0.3"}),
                  row("both" + svc, Type::aaaa, {"AAAA 10::3"}),
                  row("both" + svc, Type::srv, {both_srv}, both_extra),
                  row("_http._tcp.both" + svc, Type::srv, {both_srv}, both_extra),
                  row("one.api" + svc, Type::a, {"A 172.0.0.1"}),
                  row("two" + svc, Type::srv, {"SRV 0 50 443 two" + svc + ".", "SRV 0 50 80 two" + svc + "."},
                      "\n+ two" + svc + ". A 10.96.0.100"),
                  {"api" + svc, Type::aaaa, kNodata},
                  {"api" + svc, Type::txt, kNodata},
                  {"api" + svc, Type::soa, kNodata},
                  {"api" + svc, Type::ptr, kNodata},
                  {"none" + svc, Type::a, kNxdomain},
                  {"none" + svc, Type::aaaa, kNxdomain},
                  {"none.nowhere.svc.cluster.local", Type::a, kNxdomain},
                  {"none.nowhere.svc.cluster.local", Type::txt, kNxdomain},
                  {"ghost.none" + svc, Type::a, kNxdomain},
                  {"ghost.two" + svc, Type::a, kNxdomain},
              });
}

TEST(CorednsFacts, HeadlessServices) {
  FactCluster cluster;
  const std::string svc = kSvc, store = "store" + svc + ".";
  auto srv = [&](const std::string& label) { return "SRV 0 16 80 " + label + "." + store; };
  const std::vector<std::string> records = {srv("172-0-0-2"), srv("172-0-0-3"), srv("5678-abcd--1"),
                                            srv("5678-abcd--2"), srv("twin")};
  const std::string extra = "\n+ 172-0-0-2." + store + " A 172.0.0.2\n+ 172-0-0-3." + store +
                            " A 172.0.0.3\n+ 5678-abcd--1." + store + " AAAA 5678:abcd::1\n+ 5678-abcd--2." +
                            store + " AAAA 5678:abcd::2\n+ twin." + store + " A 172.0.0.4\n+ twin." + store +
                            " A 172.0.0.5";
  expect_rows(cluster.zone,
              {
                  row("store" + svc, Type::a, {"A 172.0.0.2", "A 172.0.0.3", "A 172.0.0.4", "A 172.0.0.5"}),
                  row("store" + svc, Type::aaaa, {"AAAA 5678:abcd::1", "AAAA 5678:abcd::2"}),
                  row("_http._tcp.store" + svc, Type::srv, records, extra),
                  row("portless" + svc, Type::a, {"A 172.0.0.20"}),
                  row("172-0-0-20.portless" + svc, Type::a, {"A 172.0.0.20"}),
                  row("172-0-0-2.store" + svc, Type::a, {"A 172.0.0.2"}),
                  row("172-0-0-3.store" + svc, Type::a, {"A 172.0.0.3"}),
                  row("5678-abcd--1.store" + svc, Type::aaaa, {"AAAA 5678:abcd::1"}),
                  row("5678-abcd--2.store" + svc, Type::aaaa, {"AAAA 5678:abcd::2"}),
                  row("twin.store" + svc, Type::a, {"A 172.0.0.4", "A 172.0.0.5"}),
                  {"ghost.store" + svc, Type::a, kNxdomain},
                  {"notready" + svc, Type::a, kNxdomain},
                  {"absent" + svc, Type::a, kNxdomain},
              });
}

TEST(CorednsFacts, ExternalNames) {
  FactCluster cluster;
  const std::string svc = kSvc, api = "api" + svc + ".";
  const std::string partner = "CNAME ext.partner.test.";
  expect_rows(cluster.zone, {
                                row("partner" + svc, Type::cname, {partner}),
                                row("partner" + svc, Type::a, {partner}, "\nthen ext.partner.test."),
                                {"alias" + svc, Type::a,
                                 "NOERROR\nalias" + svc + ". CNAME " + api + "\n" + api + " A 10.0.0.1"},
                                {"endpoint.partner" + svc, Type::cname, kNxdomain},
                                {"a.b.partner" + svc, Type::cname, kNxdomain},
                                {"_http._tcp.partner" + svc, Type::srv, kNxdomain},
                            });
}

TEST(CorednsFacts, NamesOfTheZoneItself) {
  FactCluster cluster({.own_addresses = {*IpAddr::parse("127.0.0.1")}});
  const std::string ns = "ns.dns.cluster.local";
  expect_rows(cluster.zone,
              {
                  {"dns-version.cluster.local", Type::txt, "NOERROR\nTXT"},
                  {"cluster.local", Type::soa, "NOERROR\nSOA answer"},
                  {"cluster.local", Type::hinfo, kNodata},
                  {"cluster.local", Type::a, kNodata},
                  {"cluster.local", Type::aaaa, kNodata},
                  {"cluster.local", Type::srv, kNodata},
                  row("cluster.local", Type::ns, {"NS " + ns + "."}, "\n+ " + ns + ". A 127.0.0.1"),
                  {"svc.cluster.local", Type::a, kNodata},
                  {"pod.cluster.local", Type::a, kNodata},
                  {"orders.svc.cluster.local", Type::a, kNodata},
                  {"svc.cluster.local", Type::ns, kNodata},
                  {"orders.svc.cluster.local", Type::ns, kNodata},
                  {"foo.cluster.local", Type::ns, kNxdomain},
                  {"foo.svc.cluster.local", Type::ns, kNxdomain},
                  {"api.orders.pood.cluster.local", Type::a, kNxdomain},
                  {"too.long.for.what.is.a.pod.cluster.local", Type::a, kNxdomain},
                  {"us-west-2a.pin._zone.api.orders.svc.cluster.local", Type::a, kNxdomain},
                  {"example.org.cluster.local", Type::ptr, kNxdomain},
                  {"100.0.0.10.cluster.local", Type::ptr, kNxdomain},
              });
}

TEST(CorednsFacts, NameServers) {
  const std::string ns = "ns.dns.cluster.local", dns = "kube-dns.kube-system.svc.cluster.local.";
  FactCluster none({.own_addresses = {*IpAddr::parse("1.2.3.4"), *IpAddr::parse("1:2::3:4")}});
  expect_rows(none.zone, {row(ns, Type::a, {"A 1.2.3.4"}), row(ns, Type::aaaa, {"AAAA 1:2::3:4"}),
                          row("cluster.local", Type::ns, {"NS " + ns + "."},
                              "\n+ " + ns + ". A 1.2.3.4\n+ " + ns + ". AAAA 1:2::3:4")});
  FactCluster four({.own_addresses = {*IpAddr::parse("1.2.3.4")}});
  expect_rows(four.zone, {{ns, Type::aaaa, kNodata}});
  FactCluster six({.own_addresses = {*IpAddr::parse("1:2::3:4")}});
  expect_rows(six.zone, {{ns, Type::a, kNodata}});

  // Services that lead here: one of each kind.
  FactCluster led({.own_addresses = {*IpAddr::parse("10.244.0.20")}});
  auto add = [&](const std::string& name, std::string_view spec) {
    led.service(name, spec, "kube-system");
    led.slice(name + "-1", name, R"([{"addresses":["10.244.0.20"]}])", "[]", "IPv4", "kube-system");
  };
  add("kube-dns", R"({"clusterIPs":["10.96.0.10"],"ports":[{"name":"dns","port":53,"protocol":"UDP"}]})");
  expect_rows(led.zone, {row("cluster.local", Type::ns, {"NS " + dns}, "\n+ " + dns + " A 10.96.0.10"),
                         row(ns, Type::a, {"A 10.96.0.10"})});
  add("dns6", R"({"clusterIPs":["10::111"]})");
  add("bare-dns", FactCluster::kHeadless);
  const std::string six_name = "dns6.kube-system.svc.cluster.local.",
                    bare = "10-244-0-20.bare-dns.kube-system.svc.cluster.local.";
  expect_rows(led.zone, {row("cluster.local", Type::ns, {"NS " + bare, "NS " + six_name, "NS " + dns},
                             "\n+ " + bare + " A 10.244.0.20\n+ " + six_name + " AAAA 10::111\n+ " + dns +
                                 " A 10.96.0.10")});
}

TEST(CorednsFacts, CaseOfTheQuestion) {
  FactCluster cluster;
  const std::string name = "_HtTp._TcP.aPi.OrDeRs.SvC.cLuStEr.LoCaL",
                    target = "api.orders.svc.cLuStEr.LoCaL.";
  expect_rows(cluster.zone,
              {row("ApI.OrDeRs.SvC.cLuStEr.LoCaL", Type::a, {"A 10.0.0.1"}),
               row(name, Type::srv, {"SRV 0 100 80 " + target}, "\n+ " + target + " A 10.0.0.1"),
               {"Cluster.local", Type::soa, "NOERROR\nSOA answer"},
               {"not-there.orders.svc.ClUsTeR.lOcAl", Type::a, kNxdomain}});
}

TEST(CorednsFacts, ReverseNames) {
  FactCluster cluster;
  // One endpoint in two slices of a Service, one of two Services, and addresses of IPv6.
  cluster.slice(
      "api-2", "api",
      R"([{"addresses":["10.0.0.100"],"hostname":"a"},{"addresses":["10.0.0.99"],"hostname":"b"}])");
  cluster.slice("api-3", "api", R"([{"addresses":["10.0.0.100"],"hostname":"a"}])");
  cluster.slice("two-2", "two", R"([{"addresses":["10.0.0.99"],"hostname":"b"}])");
  cluster.slice(
      "api-6", "api",
      R"([{"addresses":["1234:abcd::2"],"hostname":"c"},{"addresses":["fd00:77:30::a"],"hostname":"d"},
                    {"addresses":["fd00:77:30::2:9ba6"],"hostname":"e"}])",
      FactCluster::kHttp, "IPv6");
  const std::string svc = std::string(kSvc) + ".";
  auto ptr = [&](const std::string& name) { return "NOERROR\nPTR " + name + svc; };
  expect_rows(cluster.zone,
              {
                  {"100.0.0.10.in-addr.arpa", Type::ptr, ptr("a.api")},
                  {"100.0.96.10.in-addr.arpa", Type::ptr, ptr("two")},
                  {"253.0.17.172.in-addr.arpa", Type::ptr, ptr("two.two")},
                  {"99.0.0.10.in-addr.arpa", Type::ptr, "NOERROR\nPTR b.api" + svc + "\nPTR b.two" + svc},
                  {"2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa", Type::ptr,
                   ptr("c.api")},
                  {"a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.7.7.0.0.0.0.d.f.ip6.arpa", Type::ptr,
                   ptr("d.api")},
                  {"6.a.b.9.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.7.7.0.0.0.0.d.f.ip6.arpa", Type::ptr,
                   ptr("e.api")},
                  {"101.0.0.10.in-addr.arpa", Type::ptr, "OUTSIDE"},
                  {"api.orders.svc.0.10.in-addr.arpa", Type::a, "OUTSIDE"},
              });
}

TEST(CorednsFacts, PodRecords) {
  const std::string pods = ".pods.pod.cluster.local", pod = "10-240-0-1" + pods, other = "172-0-0-2" + pods;
  FactCluster off;
  expect_rows(off.zone, {{pod, Type::a, kNxdomain}, {other, Type::a, kNxdomain}});

  FactCluster insecure({.pods = PodRecords::insecure});
  expect_rows(insecure.zone, {row(pod, Type::a, {"A 10.240.0.1"}),
                              row(other, Type::a, {"A 172.0.0.2"}),
                              {"blah" + pods, Type::a, kNxdomain},
                              {"blah" + pods, Type::aaaa, kNxdomain},
                              {"blah" + pods, Type::hinfo, kNxdomain},
                              {"blah.nowhere.pod.cluster.local", Type::a, kNxdomain},
                              {"10-20-0-101.nowhere.pod.cluster.local", Type::a, kNxdomain},
                              {"pods.pod.cluster.local", Type::a, kNodata}});

  FactCluster verified({.pods = PodRecords::verified});
  const PodAddresses object{"pods", {*IpAddr::parse("10.240.0.1"), *IpAddr::parse("fd00::1")}};
  verified.zone.apply(nullptr, &object);
  expect_rows(verified.zone, {row(pod, Type::a, {"A 10.240.0.1"}),
                              row("fd00--1" + pods, Type::aaaa, {"AAAA fd00::1"}),
                              {"pods.pod.cluster.local", Type::a, kNodata},
                              {"orders.svc.cluster.local", Type::a, kNodata},
                              {"nowhere.pod.cluster.local", Type::a, kNxdomain},
                              {other, Type::a, kNxdomain},
                              {"10-240-0-1.orders.pod.cluster.local", Type::a, kNxdomain}});
  // Two pods of the host network have one address; the name stays until the last is gone.
  verified.zone.apply(nullptr, &object);
  verified.zone.apply(&object, static_cast<const PodAddresses*>(nullptr));
  expect_rows(verified.zone, {row(pod, Type::a, {"A 10.240.0.1"})});
  verified.zone.apply(&object, static_cast<const PodAddresses*>(nullptr));
  expect_rows(verified.zone, {{pod, Type::a, kNxdomain}});
}

TEST(CorednsFacts, AnyIsMinimal) {
  FactCluster cluster;
  const std::string svc = kSvc;
  expect_rows(cluster.zone, {{"store" + svc, Type::any, "NOERROR\nHINFO"},
                             {"cluster.local", Type::any, "NOERROR\nHINFO"},
                             {"dns-version.cluster.local", Type::any, "NOERROR\nHINFO"},
                             {"100.0.96.10.in-addr.arpa", Type::any, "NOERROR\nHINFO"},
                             row("partner" + svc, Type::any, {"CNAME ext.partner.test."}),
                             {"none" + svc, Type::any, kNxdomain}});
}

}  // namespace
}  // namespace weft::dns
