#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/test_findings.h"

namespace weft::check {
namespace {

using test::brief;
using test::findings_of;
using test::service;
using testing::HasSubstr;

/// Service shop/web at port 80, and a pod of `ns` whose spec begins at line 23; of its container nothing but
/// `fields` is said, at line 25.
std::string client(const std::string& fields, const std::string& spec = "", const std::string& ns = "shop") {
  return service("{selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}") +
         "---\napiVersion: v1\nkind: Pod\nmetadata: {name: client, namespace: " + ns + "}\nspec:\n" +
         (spec.empty() ? "" : "  " + spec + "\n") + "  containers:\n    - {name: main, image: x, " + fields +
         "}\n";
}

std::string env(const std::string& value) { return "env: [{name: TARGET, value: \"" + value + "\"}]"; }

TEST(CheckClients, PortsThatAServiceHas) {
  for (const char* value :
       {"http://web:80/x", "http://web", "web:80", "http://web.shop.svc.cluster.local.:80", "web", "8081",
        "http://elsewhere:81", "http://web.other:81", "https://user:pw@web:80/?x=http://a:1",
        "see web:81 for more", "http://$(WEB_SERVICE_HOST):81", "http://web.shop.example.com:81",
        "http://web:81x"})
    EXPECT_EQ(brief(findings_of(client(env(value)))), "") << value;
  EXPECT_EQ(brief(findings_of(client("env: [{name: WEB_IMAGE, value: \"web:81\"}]"))), "");
}

TEST(CheckClients, PortsThatItDoesNotHave) {
  for (const char* value : {"http://web:8080/x", "web:8080", "http://web.shop:8080",
                            "mongodb://u:p@elsewhere:1,web.shop.svc.cluster.local:8080/db"}) {
    auto found = findings_of(client(env(value)));
    EXPECT_EQ(brief(found), "26 warning WEFT0107\n") << value;
    ASSERT_EQ(found.size(), 1U);
    EXPECT_THAT(found[0].message, HasSubstr("has no port 8080: it has 80; 8080 is where its pods listen"));
  }
  EXPECT_EQ(brief(findings_of(client("args: [\"--to=http://web:81/\"]"))), "26 warning WEFT0107\n");
}

TEST(CheckClients, HeadlessServicesHaveNoPorts) {
  auto yaml = client(env("http://web:81"));
  yaml.replace(yaml.find("{selector: {app: web}, ports"), 23, "{clusterIP: None, selector: {app: web}, ");
  EXPECT_EQ(brief(findings_of(yaml)), "");
}

TEST(CheckClients, ShortNamesOfAnotherNamespace) {
  EXPECT_EQ(brief(findings_of(client(env("http://web.shop/"), "", "front"))), "");
  auto found = findings_of(client(env("http://web/"), "", "front"));
  EXPECT_EQ(brief(found), "26 warning WEFT0101\n");
  EXPECT_EQ(found[0].fix, "Ask for web.shop");
}

TEST(CheckClients, ConfigMaps) {
  auto map = [](const std::string& value) {
    return service("{selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}") +
           "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: shop}\ndata:\n  target: "
           "\"" +
           value + "\"\n";
  };
  EXPECT_EQ(brief(findings_of(map("http://web:80"))), "");
  EXPECT_EQ(brief(findings_of(map("web:81"))), "") << "it may be anything";
  EXPECT_EQ(brief(findings_of(map("http://web:81"))), "25 warning WEFT0107\n");
}

TEST(CheckClients, WhoAsksTheNodesNameServers) {
  EXPECT_EQ(brief(findings_of(client(env("http://web"), "hostNetwork: true"))), "25 warning WEFT0120\n");
  EXPECT_EQ(brief(findings_of(client(env("http://other"), "hostNetwork: true"))), "25 note WEFT0120\n");
  EXPECT_EQ(brief(findings_of(client(env("http://web"), "dnsPolicy: Default"))), "25 warning WEFT0120\n");
  EXPECT_EQ(brief(findings_of(client(env("http://other"), "dnsPolicy: Default"))), "");
  EXPECT_EQ(brief(findings_of(client(env("http://web"), "dnsPolicy: ClusterFirstWithHostNet"))), "");
}

}  // namespace
}  // namespace weft::check
