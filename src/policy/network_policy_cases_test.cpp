#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/test_world.h"

/// The cases of Kubernetes' own end-to-end tests of NetworkPolicy (test/e2e/network/netpol), in our words and
/// against the plan: three namespaces x, y, z with three pods a, b, c each, all with ports 80 and 81 of each
/// protocol, which have names.
namespace weft::policy {
namespace {

struct Expect {
  std::string from, to;  ///< "x/a", "x/*" or "*"
  bool allowed;
};

class NetworkPolicyCases : public testing::Test {
 protected:
  void SetUp() override {
    int address = 1;
    for (std::string space : {"x", "y", "z"}) {
      label(space);
      for (std::string name : {"a", "b", "c"}) {
        addresses_[space + "/" + name] = "10.0.0." + std::to_string(address++);
        relabel(space + "/" + name);
      }
    }
  }

  void label(const std::string& space, const std::string& more = "") {
    world_.namespace_(space, "{kubernetes.io/metadata.name: '" + space + "'" + more + "}");
  }
  void relabel(const std::string& key, const std::string& more = "") {
    static const std::string kPorts = [] {
      std::string out;
      for (auto [protocol, name] : {std::pair{"TCP", "tcp"}, {"UDP", "udp"}, {"SCTP", "sctp"}}) {
        for (std::string port : {"80", "81"})
          out += "{name: serve-" + port + "-" + name + ", containerPort: " + port +
                 ", protocol: " + protocol + "},";
      }
      return "spec: {containers: [{name: c, ports: [" + out + "]}]}";
    }();
    world_.pod(key, addresses_[key], "{pod: " + key.substr(2) + more + "}", kPorts);
  }

  /// Everything is allowed but what is said, the last word counting; a pod always reaches itself.
  void expect(int port, std::string_view protocol, const std::vector<Expect>& expectations) {
    auto fits = [](const std::string& pattern, const std::string& pod) {
      return pattern == "*" || pattern == pod || (pattern.ends_with("/*") && pattern[0] == pod[0]);
    };
    for (const auto& [from, unused] : addresses_) {
      for (const auto& [to, unused2] : addresses_) {
        bool wanted = true;
        for (const auto& said : expectations) {
          if (fits(said.from, from) && fits(said.to, to)) wanted = said.allowed;
        }
        auto got = world_.ask(from, to, port, protocol);
        EXPECT_EQ(got.allowed, wanted || from == to)
            << from << " to " << to << " " << protocol << " " << port << ": " << got.why;
      }
    }
  }
  void expect(const std::vector<Expect>& expectations) { expect(80, "TCP", expectations); }
  void ingress(const std::string& key, const std::string& pods, const std::string& rules) {
    world_.policy(key, "{podSelector: " + pods + ", policyTypes: [Ingress], ingress: " + rules + "}");
  }
  void egress(const std::string& key, const std::string& pods, const std::string& rules) {
    world_.policy(key, "{podSelector: " + pods + ", policyTypes: [Egress], egress: " + rules + "}");
  }

  test::World world_;
  std::map<std::string, std::string> addresses_;
};

const std::string kA = "{matchLabels: {pod: a}}";
const std::string kB = "{matchLabels: {pod: b}}";
const std::string kInY = "{matchLabels: {kubernetes.io/metadata.name: 'y'}}";
const std::string kNotInX =
    "{matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [x]}]}";

TEST_F(NetworkPolicyCases, DefaultDenyIngress) {
  ingress("x/deny", "{}", "[]");
  expect({{"*", "x/*", false}});
}

TEST_F(NetworkPolicyCases, DefaultDenyAll) {
  world_.policy("x/deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
  expect({{"*", "x/*", false}, {"x/*", "*", false}});
}

TEST_F(NetworkPolicyCases, FromPodsOfTheSameNamespaceByPodSelector) {
  ingress("x/p", kA, "[{from: [{podSelector: " + kB + "}]}]");
  expect({{"*", "x/a", false}, {"x/b", "x/a", true}});
}

TEST_F(NetworkPolicyCases, AllowToOneTargetBesidesADenyAll) {
  ingress("x/deny", "{}", "[]");
  ingress("x/allow", kA, "[{from: [{podSelector: {}, namespaceSelector: {}}]}]");
  expect({{"*", "x/*", false}, {"*", "x/a", true}});
}

TEST_F(NetworkPolicyCases, FromPodsOfAllNamespaces) {
  ingress("x/p", kA, "[{from: [{namespaceSelector: {matchLabels: {}}}]}]");
  expect({});
}

TEST_F(NetworkPolicyCases, FromAnotherNamespaceByNamespaceSelector) {
  ingress("x/p", kA, "[{from: [{namespaceSelector: " + kInY + "}]}]");
  expect({{"*", "x/a", false}, {"y/*", "x/a", true}});
}

TEST_F(NetworkPolicyCases, PodSelectorWithExpressions) {
  ingress("x/p", kA,
          "[{from: [{podSelector: {matchExpressions: [{key: pod, operator: In, values: [b]}]}}]}]");
  expect({{"*", "x/a", false}, {"x/b", "x/a", true}});
}

TEST_F(NetworkPolicyCases, NamespaceSelectorWithExpressions) {
  ingress("x/p", kA,
          "[{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, "
          "values: ['y']}]}}]}]");
  expect({{"*", "x/a", false}, {"y/*", "x/a", true}});
}

TEST_F(NetworkPolicyCases, PodSelectorOrNamespaceSelector) {
  ingress("x/p", kA, "[{from: [{namespaceSelector: " + kNotInX + "}, {podSelector: " + kB + "}]}]");
  expect({{"x/c", "x/a", false}});
}

TEST_F(NetworkPolicyCases, PodSelectorAndNamespaceSelector) {
  ingress("x/p", kA, "[{from: [{namespaceSelector: " + kNotInX + ", podSelector: " + kB + "}]}]");
  expect({{"*", "x/a", false}, {"y/b", "x/a", true}, {"z/b", "x/a", true}});
}

TEST_F(NetworkPolicyCases, SelectorsOfSeveralPodsAndNamespaces) {
  ingress("x/p", kA,
          "[{from: [{namespaceSelector: " + kNotInX +
              ", podSelector: {matchExpressions: [{key: pod, operator: In, values: [b, c]}]}}]}]");
  expect({{"x/*", "x/a", false}, {"y/a", "x/a", false}, {"z/a", "x/a", false}});
}

TEST_F(NetworkPolicyCases, AnyOfSeveralPodSelectors) {
  ingress("x/p", kA, "[{from: [{podSelector: " + kB + "}, {podSelector: {matchLabels: {pod: c}}}]}]");
  expect({{"*", "x/a", false}, {"x/b", "x/a", true}, {"x/c", "x/a", true}});
}

TEST_F(NetworkPolicyCases, FromOnePodOfAnotherNamespace) {
  ingress("x/p", kA, "[{from: [{namespaceSelector: " + kInY + ", podSelector: " + kA + "}]}]");
  for (auto protocol : {"TCP", "UDP", "SCTP"})
    expect(80, protocol, {{"*", "x/a", false}, {"y/a", "x/a", true}});
}

TEST_F(NetworkPolicyCases, Ports) {
  for (std::string protocol : {"TCP", "UDP", "SCTP"}) {
    ingress("x/p", kA,
            "[{from: [{namespaceSelector: " + kInY + "}], ports: [{port: 81, protocol: " + protocol + "}]}]");
    expect(81, protocol, {{"*", "x/a", false}, {"y/*", "x/a", true}});
    expect(80, protocol, {{"*", "x/a", false}});
  }
}

TEST_F(NetworkPolicyCases, StackedPolicies) {
  ingress("x/p81", kA, "[{from: [{namespaceSelector: " + kInY + "}], ports: [{port: 81, protocol: TCP}]}]");
  expect(81, "TCP", {{"*", "x/a", false}, {"y/*", "x/a", true}});
  expect(80, "TCP", {{"*", "x/a", false}});
  ingress("x/p80", kA, "[{from: [{namespaceSelector: " + kInY + "}], ports: [{port: 80, protocol: TCP}]}]");
  expect(80, "TCP", {{"*", "x/a", false}, {"y/*", "x/a", true}});
}

TEST_F(NetworkPolicyCases, AllowAll) {
  ingress("x/allow", "{}", "[{}]");
  expect(80, "TCP", {});
  expect(81, "TCP", {});
}

TEST_F(NetworkPolicyCases, IngressToANamedPort) {
  ingress("x/p", "{}", "[{ports: [{port: serve-81-tcp}]}]");
  expect(81, "TCP", {});
  expect(80, "TCP", {{"*", "x/*", false}});
}

TEST_F(NetworkPolicyCases, IngressFromANamespaceToANamedPort) {
  ingress("x/p", kA,
          "[{from: [{namespaceSelector: " + kInY + "}], ports: [{port: serve-80-tcp, protocol: TCP}]}]");
  expect(80, "TCP", {{"*", "x/a", false}, {"y/*", "x/a", true}});
  expect(81, "TCP", {{"*", "x/a", false}});
}

TEST_F(NetworkPolicyCases, EgressToANamedPort) {
  egress("x/p", "{}", "[{ports: [{port: serve-80-tcp}]}]");
  expect(80, "TCP", {});
  expect(81, "TCP", {{"x/*", "*", false}});
}

TEST_F(NetworkPolicyCases, UpdatedPolicy) {
  ingress("x/p", "{}", "[{}]");
  expect(81, "TCP", {});
  ingress("x/p", "{}", "[]");
  expect(81, "TCP", {{"*", "x/*", false}});
}

TEST_F(NetworkPolicyCases, UpdatedNamespace) {
  ingress("x/p", kA, "[{from: [{namespaceSelector: {matchLabels: {ns2: updated}}}]}]");
  expect({{"*", "x/a", false}});
  label("y", ", ns2: updated");
  expect({{"*", "x/a", false}, {"y/*", "x/a", true}});
}

TEST_F(NetworkPolicyCases, UpdatedPod) {
  ingress("x/p", kA, "[{from: [{podSelector: {matchLabels: {pod: b, pod2: updated}}}]}]");
  expect({{"*", "x/a", false}});
  relabel("x/b", ", pod2: updated");
  expect({{"*", "x/a", false}, {"x/b", "x/a", true}});
}

TEST_F(NetworkPolicyCases, NotFromOtherNamespaces) {
  ingress("x/p", "{}", "[{from: [{podSelector: {matchLabels: {}}}]}]");
  expect({{"y/*", "x/*", false}, {"z/*", "x/*", false}});
}

TEST_F(NetworkPolicyCases, NotToAnUpdatedPod) {
  ingress("x/p", "{matchLabels: {target: isolated}}", "[]");
  expect({});
  relabel("x/a", ", target: isolated");
  expect({{"*", "x/a", false}});
}

TEST_F(NetworkPolicyCases, DenyEgressOfOnePod) {
  egress("x/p", kA, "[]");
  expect({{"x/a", "*", false}});
}

TEST_F(NetworkPolicyCases, DenyEgressOfANamespace) {
  egress("x/p", "{}", "[]");
  expect({{"x/*", "*", false}});
}

TEST_F(NetworkPolicyCases, IngressAndEgressTogether) {
  world_.policy("x/p", "{podSelector: " + kA +
                           ", policyTypes: [Egress, Ingress], ingress: [{from: [{podSelector: " + kB +
                           "}]}], egress: [{ports: [{port: 80}]}]}");
  expect(80, "TCP", {{"*", "x/a", false}, {"x/b", "x/a", true}});
  expect(81, "TCP", {{"*", "x/a", false}, {"x/a", "*", false}, {"x/b", "x/a", true}});
}

TEST_F(NetworkPolicyCases, EgressDeniesThoughTheServerAllows) {
  egress("x/p", kA, "[{to: [{namespaceSelector: " + kInY + ", podSelector: " + kA + "}]}]");
  auto from_x_a =
      "[{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: x}}, podSelector: " + kA +
      "}]}]";
  ingress("y/a", kA, from_x_a);
  ingress("y/b", kB, from_x_a);
  expect({{"x/a", "*", false}, {"*", "y/a", false}, {"x/a", "y/a", true}, {"*", "y/b", false}});
}

TEST_F(NetworkPolicyCases, EgressToOnePodOfAnotherNamespace) {
  egress("x/p", kA, "[{to: [{namespaceSelector: " + kInY + ", podSelector: " + kA + "}]}]");
  expect({{"x/a", "*", false}, {"x/a", "y/a", true}});
}

TEST_F(NetworkPolicyCases, AnyPortOfOneProtocol) {
  ingress("x/p", kA, "[{ports: [{protocol: TCP}]}]");
  expect(80, "TCP", {});
  expect(80, "UDP", {{"*", "x/a", false}});
}

TEST_F(NetworkPolicyCases, IngressAllowAllBesidesANarrowPolicy) {
  ingress("x/p80", "{}", "[{ports: [{port: 80}]}]");
  expect(81, "TCP", {{"*", "x/*", false}});
  ingress("x/all", "{}", "[{}]");
  expect(81, "TCP", {});
}

TEST_F(NetworkPolicyCases, EgressAllowAllBesidesANarrowPolicy) {
  egress("x/p80", "{}", "[{ports: [{port: 80}]}]");
  expect(81, "TCP", {{"x/*", "*", false}});
  egress("x/all", "{}", "[{}]");
  expect(81, "TCP", {});
}

TEST_F(NetworkPolicyCases, DeletedPolicy) {
  world_.policy("x/deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
  expect({{"x/*", "*", false}, {"*", "x/*", false}});
  world_.erase_policy("x/deny");
  expect({});
  EXPECT_TRUE(world_.maps.verdicts().empty());
}

TEST_F(NetworkPolicyCases, EgressToANetwork) {
  egress("x/p", kA, "[{to: [{ipBlock: {cidr: " + addresses_["y/b"] + "/32}}]}]");
  expect({{"x/a", "*", false}, {"x/a", "y/b", true}});
}

TEST_F(NetworkPolicyCases, EgressToANetworkWithAnException) {
  egress("x/p", kA, "[{to: [{ipBlock: {cidr: 10.0.0.0/16, except: [" + addresses_["x/b"] + "/32]}}]}]");
  expect({{"x/a", "x/b", false}});
}

TEST_F(NetworkPolicyCases, ExceptionOfOnePolicyThatAnotherAllows) {
  egress("x/p", kA, "[{to: [{ipBlock: {cidr: 10.0.0.0/16, except: [" + addresses_["x/b"] + "/32]}}]}]");
  expect({{"x/a", "x/b", false}});
  egress("x/q", kA, "[{to: [{ipBlock: {cidr: " + addresses_["x/b"] + "/32}}]}]");
  expect({});
  world_.erase_policy("x/p");
  expect({{"x/a", "*", false}, {"x/a", "x/b", true}});
}

TEST_F(NetworkPolicyCases, DirectionsAreIndependent) {
  egress("x/e", kA, "[{}]");
  expect({});
  ingress("x/i", kA, "[]");
  expect({{"*", "x/a", false}});
}

TEST_F(NetworkPolicyCases, SctpIsNotTcp) {
  ingress("x/deny", "{}", "[]");
  ingress("x/p", kA, "[{ports: [{port: 81, protocol: SCTP}]}]");
  expect(81, "TCP", {{"*", "x/*", false}});
  expect(81, "SCTP", {{"*", "x/*", false}, {"*", "x/a", true}});
}

TEST_F(NetworkPolicyCases, APolicyForSctpIsolates) {
  ingress("x/p", kA, "[{ports: [{port: 80, protocol: SCTP}]}]");
  expect(81, "TCP", {{"*", "x/a", false}});
}

TEST_F(NetworkPolicyCases, UdpIsNotTcp) {
  ingress("x/p", kA, "[{ports: [{port: 81, protocol: UDP}]}]");
  expect(81, "TCP", {{"*", "x/a", false}});
  expect(81, "UDP", {});
}

TEST_F(NetworkPolicyCases, EgressToNamespacesByTheNameLabel) {
  egress("x/p", kA,
         "[{to: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, "
         "values: ['y']}]}}]}]");
  expect({{"x/a", "y/*", false}});
}

TEST_F(NetworkPolicyCases, DefaultDenyIngressOfUdpAndSctp) {
  ingress("x/deny", "{}", "[]");
  expect(80, "UDP", {{"*", "x/*", false}});
  expect(80, "SCTP", {{"*", "x/*", false}});
}

}  // namespace
}  // namespace weft::policy
