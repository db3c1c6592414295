#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include "check/test_findings.h"
#include "gateway/test_certificate.h"
#include "kube/base64.h"

namespace weft::check {
namespace {

using test::brief;
using test::findings_of;
using test::service;
using testing::HasSubstr;

/// A Gateway and a route at it, whose rules are from line 32 on.
std::string route(const std::string& rules) {
  return service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}") + R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: weft
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec: {parentRefs: [{name: edge}], rules: [
)" + rules +
         "]}\n";
}

constexpr const char* kTo = "backendRefs: [{name: web, port: 80}]}";

std::string rule(const std::string& match) { return "  {matches: [" + match + "], " + kTo + ",\n"; }

TEST(CheckShadows, RulesThatTakeRequests) {
  EXPECT_EQ(brief(findings_of(route(rule("{path: {value: /a}}") + rule("{path: {value: /}}") +
                                    rule("{path: {type: Exact, value: /a}}") +
                                    rule("{path: {value: /a}, method: GET}") +
                                    rule("{path: {value: /a}, headers: [{name: x, value: z}]}")))),
            "");
}

TEST(CheckShadows, RulesThatNeverDo) {
  auto found =
      findings_of(route(rule("{path: {value: /a}}") + rule("{path: {value: /b}}, {path: {value: /a/}}") +
                        rule("{path: {value: /a/}}")));
  EXPECT_EQ(brief(found), "34 warning WEFT0127\n") << "the second one has a match of its own";
  EXPECT_THAT(found[0].message, HasSubstr("HTTPRoute shop/web spec.rules[0] takes all of them before it"));
  EXPECT_EQ(brief(findings_of(
                route(rule("{path: {value: /a}}") + rule("{path: {type: RegularExpression, value: /.*}}")))),
            "32 warning WEFT0127\n")
      << "expressions come before prefixes";
}

TEST(CheckShadows, OfTwoRoutes) {
  auto both = route(rule("{path: {value: /a}}"));
  both += "---\n" + both.substr(both.rfind("apiVersion"));
  both.replace(both.rfind("name: web, namespace"), 9, "name: two");
  auto found = findings_of(both);
  ASSERT_EQ(found.size(), 1U) << brief(found);
  EXPECT_EQ(found[0].code, "WEFT0127");
  both.replace(both.rfind("spec: {"), 7, "spec: {hostnames: [a.example.com], ");
  EXPECT_EQ(brief(findings_of(both)), "") << "a host of its own";
}

TEST(CheckProtocols, OfBackendsAndPolicies) {
  auto udp = route(rule("{path: {value: /a}}"));
  udp.replace(udp.find("{port: 80, targetPort: http}"), 28, "{port: 80, protocol: UDP, targetPort: 1}");
  auto found = findings_of(udp);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found.back().code, "WEFT0106");
  EXPECT_THAT(found.back().message, HasSubstr("port 80 of Service shop/web is UDP, and TCP is sent there"));
  auto policy = [](const std::string& ports) {
    return service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}") +
           "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: "
           "shop}\nspec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [" +
           ports + "]}]}\n";
  };
  EXPECT_EQ(brief(findings_of(policy("{port: 8080}"))), "");
  EXPECT_EQ(brief(findings_of(policy("{port: 8080}, {port: 8080, protocol: UDP}"))), "");
  EXPECT_EQ(brief(findings_of(policy("{port: 8080, protocol: UDP}"))), "24 warning WEFT0106\n");
}

/// For these DNS names, valid from `begins` to `ends`, seconds from now.
gateway::test::TestCertificate certificate(const char* names, long begins, long ends) {
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
  X509_set_version(made.get(), 2);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), begins);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), ends);
  X509_set_pubkey(made.get(), key.get());
  auto* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names);
  X509_add_ext(made.get(), extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(made.get(), key.get(), EVP_sha256());
  using gateway::test::to_pem;
  return {to_pem([&](BIO* bio) { PEM_write_bio_X509(bio, made.get()); }), to_pem([&](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

constexpr long kDay = 24L * 3600;

std::string secret(const gateway::test::TestCertificate& pair) {
  return "---\napiVersion: v1\nkind: Secret\nmetadata: {name: cert}\ntype: kubernetes.io/tls\ndata: "
         "{tls.crt: " +
         kube::encode_base64(pair.certificate) + ", tls.key: " + kube::encode_base64(pair.key) + "}\n";
}

std::string listener(const std::string& hostname, const gateway::test::TestCertificate& pair) {
  return R"(apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: weft
  listeners:
    - {name: tls, port: 443, protocol: HTTPS, )" +
         hostname + "tls: {certificateRefs: [{name: cert}]}}\n" + secret(pair);
}

TEST(CheckCertificates, ThoseThatFit) {
  auto pair = certificate("DNS:*.Example.com,DNS:shop.example.org", -kDay, kDay);
  for (const char* host : {"", "hostname: www.example.com, ", "hostname: \"*.example.com\", ",
                           "hostname: shop.example.org, ", "hostname: \"*.example.org\", "})
    EXPECT_EQ(brief(findings_of(listener(host, pair))), "") << host;
}

TEST(CheckCertificates, OtherHosts) {
  auto pair = certificate("DNS:*.example.com", -kDay, kDay);
  for (const char* host :
       {"hostname: example.com, ", "hostname: a.b.example.com, ", "hostname: a.example.org, "})
    EXPECT_EQ(brief(findings_of(listener(host, pair))), "7 error WEFT0128\n") << host;
}

TEST(CheckCertificates, TheirTimesAndKeys) {
  auto over = findings_of(listener("", certificate("DNS:a", -2 * kDay, -kDay)));
  EXPECT_EQ(brief(over), "7 error WEFT0129\n");
  EXPECT_THAT(over[0].message, HasSubstr("was valid until"));
  EXPECT_EQ(brief(findings_of(listener("", certificate("DNS:a", kDay, 2 * kDay)))), "7 error WEFT0129\n");
  auto mixed = certificate("DNS:a", -kDay, kDay);
  mixed.key = certificate("DNS:a", -kDay, kDay).key;
  auto found = findings_of(listener("", mixed));
  EXPECT_EQ(brief(found), "7 error WEFT0125\n");
  EXPECT_THAT(found[0].message, HasSubstr("tls.key is not the key of the certificate"));
}

TEST(CheckCertificates, OfIngresses) {
  auto ingress = [](const std::string& host, const gateway::test::TestCertificate& pair) {
    return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec:\n  "
           "ingressClassName: "
           "weft\n  tls: [{hosts: [" +
           host + "], secretName: cert}]\n  defaultBackend: {service: {name: web, port: {number: 80}}}\n" +
           "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: ExternalName, "
           "externalName: example.com, ports: [{port: 80}]}\n" +
           secret(pair);
  };
  auto pair = certificate("DNS:a.example.com,DNS:b.example.com", -kDay, kDay);
  EXPECT_EQ(brief(findings_of(ingress("a.example.com, b.example.com", pair))), "");
  EXPECT_EQ(brief(findings_of(ingress("a.example.com, c.example.com", pair))), "6 error WEFT0128\n");
  pair.key = certificate("DNS:a", -kDay, kDay).key;
  EXPECT_EQ(brief(findings_of(ingress("a.example.com", pair))), "6 error WEFT0125\n");
}

}  // namespace
}  // namespace weft::check
