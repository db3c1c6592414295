#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/test_plan.h"

namespace weft::gateway {
namespace {

using test::World;
using testing::ElementsAre;

TEST(Attachment, ParentRefsAndListeners) {
  struct Case {
    const char* listeners;
    const char* route;
    std::string accepted;
    int attached;  ///< to the first listener
  };
  constexpr const char* kOne = "[{name: a, port: 80, protocol: HTTP}]";
  constexpr const char* kTwo = "[{name: a, port: 80, protocol: HTTP}, {name: b, port: 8080, protocol: HTTP}]";
  constexpr const char* kHost = R"([{name: a, port: 80, protocol: HTTP, hostname: "*.x.example"}])";
  for (const auto& [listeners, route, accepted, attached] : std::vector<Case>{
           {kOne, "parentRefs: [{name: edge}]", "True/Accepted", 1},
           {kOne, "parentRefs: [{name: edge, namespace: infra}]", "True/Accepted", 1},
           {kOne, "parentRefs: [{name: nobody}]", "no parent", 0},
           {kOne, "parentRefs: [{name: edge, kind: Secret, group: ''}]", "no parent", 0},
           {kTwo, "parentRefs: [{name: edge, sectionName: a}]", "True/Accepted", 1},
           {kTwo, "parentRefs: [{name: edge, sectionName: b}]", "True/Accepted", 0},
           {kTwo, "parentRefs: [{name: edge, sectionName: c}]", "False/NoMatchingParent", 0},
           {kTwo, "parentRefs: [{name: edge, port: 80}]", "True/Accepted", 1},
           {kTwo, "parentRefs: [{name: edge, port: 81}]", "False/NoMatchingParent", 0},
           {kTwo, "parentRefs: [{name: edge, sectionName: a, port: 8080}]", "False/NoMatchingParent", 0},
           {kHost, "parentRefs: [{name: edge}], hostnames: [a.x.example]", "True/Accepted", 1},
           {kHost, "parentRefs: [{name: edge}], hostnames: [a.y.example]", "False/NoMatchingListenerHostname",
            0},
           {"[{name: a, port: 80, protocol: TCP}]", "parentRefs: [{name: edge}]",
            "False/NotAllowedByListeners", 0},
           {"[{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}]",
            "parentRefs: [{name: edge}]", "False/NotAllowedByListeners", 0},
       }) {
    World world;
    world.gateway(listeners);
    world.route("r", route);
    EXPECT_EQ(world.route_says("Accepted"), accepted) << listeners << route;
    EXPECT_EQ(world.listener("a")->attachedRoutes, attached) << listeners << route;
  }
}

TEST(Attachment, Namespaces) {
  struct Case {
    const char* namespaces;
    std::string accepted;
  };
  for (const auto& [namespaces, accepted] : std::vector<Case>{
           {"{from: Same}", "False/NotAllowedByListeners"},
           {"{from: All}", "True/Accepted"},
           {"{from: Selector, selector: {matchLabels: {team: a}}}", "True/Accepted"},
           {"{from: Selector, selector: {matchLabels: {team: b}}}", "False/NotAllowedByListeners"},
       }) {
    World world;
    world.gateway(fmt::format("[{{name: a, port: 80, protocol: HTTP, allowedRoutes: {{namespaces: {}}}}}]",
                              namespaces));
    world.put(
        "{kind: HTTPRoute, metadata: {name: r, namespace: other}, "
        "spec: {parentRefs: [{name: edge, namespace: infra}]}}");
    EXPECT_EQ(world.route_says("Accepted", "other/r"), accepted) << namespaces;
  }
}

TEST(Attachment, ANamespacesLabelsMayChange) {
  World world;
  world.gateway(
      "[{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: "
      "{matchLabels: {team: b}}}}}]");
  world.put(
      "{kind: HTTPRoute, metadata: {name: r, namespace: other}, "
      "spec: {parentRefs: [{name: edge, namespace: infra}]}}");
  EXPECT_EQ(world.route_says("Accepted", "other/r"), "False/NotAllowedByListeners");
  world.put("{kind: Namespace, metadata: {name: other, labels: {team: b}}}");
  EXPECT_EQ(world.route_says("Accepted", "other/r"), "True/Accepted");
}

TEST(Attachment, HostnamesAreWhatListenerAndRouteHaveInCommon) {
  World world;
  world.gateway(R"([{name: a, port: 80, protocol: HTTP, hostname: "*.x.example"}])");
  world.route("r", R"(parentRefs: [{name: edge}], hostnames: [a.x.example, "*.b.x.example", c.example])");
  std::vector<std::string> hosts;
  for (const auto& host : world.port(80)->listeners[0]->hosts) hosts.push_back(host->hostname);
  EXPECT_THAT(hosts, ElementsAre("*.b.x.example", "a.x.example"));
}

TEST(Attachment, EachParentHasAnEntryWithDefaultsAndGeneration) {
  World world;
  world.gateway("[{name: a, port: 80, protocol: HTTP}, {name: b, port: 8080, protocol: HTTP}]");
  world.route("r", "parentRefs: [{name: edge, sectionName: a}, {name: edge, sectionName: x}, {name: nobody}]",
              "labels: {}");
  world.settle();
  auto parents = world.plan.route_parents("HTTPRoute", "infra/r");
  ASSERT_EQ(parents.size(), 2U);
  EXPECT_EQ(parents[0].parentRef.group, "gateway.networking.k8s.io");
  EXPECT_EQ(parents[0].parentRef.kind, "Gateway");
  EXPECT_EQ(parents[0].controllerName, "weft.dev/gateway-controller");
  EXPECT_EQ(parents[0].conditions[0].observedGeneration, 1);
  EXPECT_EQ(World::told(parents[0].conditions, "Accepted"), "True/Accepted");
  EXPECT_EQ(World::told(parents[1].conditions, "Accepted"), "False/NoMatchingParent");
}

TEST(Attachment, OfPortsTheOldestRouteHasThem) {
  World world;
  world.gateway("[{name: t, port: 9000, protocol: TCP}, {name: u, port: 53, protocol: UDP}]");
  world.service("infra/web");
  auto route = [&](const char* kind, const char* name, const char* created, const char* section) {
    world.put(fmt::format(R"({{kind: {}, metadata: {{name: {}, namespace: infra, creationTimestamp: "{}"}}, )"
                          "spec: {{parentRefs: [{{name: edge, sectionName: {}}}], rules: "
                          "[{{backendRefs: [{{name: web, port: 80}}]}}]}}}}",
                          kind, name, created, section));
  };
  route("TCPRoute", "young", "2026-01-02T00:00:00Z", "t");
  route("TCPRoute", "old", "2026-01-01T00:00:00Z", "t");
  route("UDPRoute", "udp", "2026-01-01T00:00:00Z", "u");
  EXPECT_EQ(world.listener("t")->attachedRoutes, 2);
  EXPECT_EQ(world.route_says("Accepted", "infra/young", "TCPRoute"), "True/Accepted");
  const auto& streams = world.port(9000)->listeners[0]->streams;
  ASSERT_EQ(streams.size(), 1U);
  EXPECT_EQ(streams[0]->why.name, "old");
  EXPECT_EQ(streams[0]->backends[0].backend, "infra/web:80+raw");
  EXPECT_EQ(world.route_says("ResolvedRefs", "infra/udp", "UDPRoute"), "False/BackendNotFound");
  EXPECT_TRUE(world.port(53)->udp);
}

TEST(Attachment, ListenerSets) {
  World world;
  world.gateway("[{name: a, port: 80, protocol: HTTP, hostname: a.example}]",
                "allowedListeners: {namespaces: {from: Selector, selector: {matchLabels: {team: a}}}}");
  auto set = [&](const char* ns, const char* name, const char* listeners) {
    world.put(
        fmt::format("{{kind: ListenerSet, metadata: {{name: {}, namespace: {}}}, spec: "
                    "{{parentRef: {{name: edge, namespace: infra}}, listeners: {}}}}}",
                    name, ns, listeners));
  };
  set("infra", "denied", "[{name: x, port: 80, protocol: HTTP}]");
  set("other", "some",
      "[{name: x, port: 80, protocol: HTTP, hostname: b.example}, "
      "{name: z, port: 80, protocol: HTTP, hostname: a.example}]");
  set("other", "zero", "[{name: x, port: 80, protocol: TCP}]");
  world.settle();
  auto says = [&](const char* key, std::string_view type) {
    return World::told(world.plan.set_status(key)->conditions, type);
  };
  EXPECT_EQ(says("infra/denied", "Accepted"), "False/NotAllowed");
  EXPECT_EQ(says("infra/denied", "Programmed"), "False/NotAllowed");
  EXPECT_EQ(says("other/some", "Accepted"), "True/ListenersNotValid");
  EXPECT_EQ(says("other/some", "Programmed"), "True/Programmed");
  EXPECT_EQ(says("other/zero", "Accepted"), "False/ListenersNotValid");
  EXPECT_EQ(says("other/zero", "Programmed"), "False/ListenersNotValid");
  const auto& listeners = world.plan.set_status("other/some")->listeners;
  EXPECT_EQ(World::told(listeners[0].conditions, "Accepted"), "True/Accepted");
  EXPECT_EQ(World::told(listeners[1].conditions, "Accepted"), "False/HostnameConflict");
  EXPECT_EQ(World::told(listeners[1].conditions, "Programmed"), "False/HostnameConflict");
  EXPECT_EQ(World::told(listeners[1].conditions, "Conflicted"), "True/HostnameConflict");
  EXPECT_EQ(World::told(world.plan.set_status("other/zero")->listeners[0].conditions, "Conflicted"),
            "True/ProtocolConflict");
  EXPECT_EQ(world.plan.gateway_status("infra/edge")->attachedListenerSets, 1);
  EXPECT_EQ(world.gateway_says("Accepted"), "True/Accepted");

  // A route at the Gateway is at its own listeners alone, one at the set at the set's.
  world.put(
      "{kind: HTTPRoute, metadata: {name: s, namespace: other}, spec: {parentRefs: "
      "[{kind: ListenerSet, name: some, sectionName: x}]}}");
  world.route("g", "parentRefs: [{name: edge}]");
  world.settle();
  EXPECT_EQ(world.route_says("Accepted", "other/s"), "True/Accepted");
  EXPECT_EQ(world.plan.set_status("other/some")->listeners[0].attachedRoutes, 1);
  EXPECT_EQ(world.listener("a")->attachedRoutes, 1);
  world.put(
      "{kind: HTTPRoute, metadata: {name: m, namespace: infra}, spec: {parentRefs: "
      "[{kind: ListenerSet, name: denied}]}}");
  EXPECT_EQ(world.route_says("Accepted", "infra/m"), "False/NoMatchingParent");
}

TEST(Attachment, AListenerSetGoesOverToAnotherGateway) {
  World world;
  constexpr const char* kAll = "allowedListeners: {namespaces: {from: All}}";
  world.gateway("[{name: a, port: 80, protocol: HTTP}]", kAll);
  world.put(
      fmt::format("{{kind: Gateway, metadata: {{name: alpha, namespace: infra}}, spec: {{gatewayClassName: "
                  "weft, listeners: [{{name: a, port: 80, protocol: HTTP}}], {}}}}}",
                  kAll));
  world.address("infra/alpha", "192.0.2.2");
  // Whichever of the two comes first by name.
  for (const auto* parent : {"edge", "alpha", "edge"}) {
    world.put(fmt::format(
        "{{kind: ListenerSet, metadata: {{name: l, namespace: infra}}, spec: {{parentRef: {{name: "
        "{}}}, listeners: [{{name: x, port: 8080, protocol: HTTP}}]}}}}",
        parent));
    world.settle();
    ASSERT_TRUE(world.plan.set_status("infra/l")) << parent;
    EXPECT_EQ(world.plan.gateway_status("infra/edge")->attachedListenerSets, parent == std::string("edge"));
    EXPECT_EQ(world.plan.gateway_status("infra/alpha")->attachedListenerSets, parent == std::string("alpha"));
  }
  world.erase<kube::ListenerSet>("infra/l");
  EXPECT_TRUE(world.settle().statuses.contains({"ListenerSet", "infra/l"}));
  EXPECT_FALSE(world.plan.set_status("infra/l"));
}

/// HTTPRoutes and GRPCRoutes at a listener, the first letter of whose name says which; made in this order.
struct Rivals {
  World world;
  Rivals() {
    world.gateway("[{name: a, port: 80, protocol: HTTP}, {name: b, port: 8080, protocol: HTTP}]");
    world.service("infra/web");
  }
  void put(const std::string& name, int created, const std::string& hostnames,
           const std::string& parent = "name: edge, sectionName: a") {
    bool grpc = name.starts_with('g');
    world.put(fmt::format(R"({{kind: {}, metadata: {{name: {}, namespace: infra, )"
                          R"(creationTimestamp: "2026-01-01T00:00:{:02}Z"}}, spec: {{parentRefs: [{{{}}}], )"
                          "hostnames: {}, rules: [{{backendRefs: [{{name: web, port: 80}}]}}]}}}}",
                          grpc ? "GRPCRoute" : "HTTPRoute", name, created, parent, hostnames));
  }
  /// Each route's name and whether it is accepted.
  std::string say(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) {
      auto told =
          world.route_says("Accepted", "infra/" + name, name.starts_with('g') ? "GRPCRoute" : "HTTPRoute");
      out += (out.empty() ? "" : " ") + name + "=" +
             (told == "True/Accepted"            ? "yes"
              : told == "False/HostnameConflict" ? "no"
                                                 : told);
    }
    return out;
  }
};

TEST(Attachment, AHostnameIsOfHttpRoutesOrOfGrpcRoutes) {
  struct Case {
    const char* older;
    const char* younger;
    const char* said;
  };
  for (const auto& [older, younger, said] :
       std::vector<Case>{{"[a.example]", "[a.example]", "h=yes g=no"},
                         {"[a.example]", "[b.example]", "h=yes g=yes"},
                         {"[a.example, c.example]", "[b.example, c.example]", "h=yes g=no"},
                         {"['*.example']", "[a.b.example]", "h=yes g=no"},
                         {"[a.b.example]", "['*.example']", "h=yes g=no"},
                         {"['*.a.example']", "['*.example']", "h=yes g=no"},
                         {"['*.a.example']", "['*.b.example']", "h=yes g=yes"},
                         {"[example]", "['*.example']", "h=yes g=yes"},
                         {"[]", "[a.example]", "h=yes g=no"},
                         {"[a.example]", "[]", "h=yes g=no"}}) {
    for (bool older_first : {true, false}) {
      Rivals rivals;
      if (older_first) rivals.put("h", 1, older);
      rivals.put("g", 2, younger);
      if (!older_first) {
        EXPECT_EQ(rivals.say({"g"}), "g=yes");
        rivals.put("h", 1, older);
      }
      EXPECT_EQ(rivals.say({"h", "g"}), said) << older << younger << older_first;
    }
  }
}

TEST(Attachment, OfOneAgeTheNameDecides) {
  Rivals rivals;
  rivals.put("ha", 1, "[a.example]");
  rivals.put("g", 1, "[a.example]");
  EXPECT_EQ(rivals.say({"ha", "g"}), "ha=no g=yes");
}

TEST(Attachment, WhoWasRefusedGetsWhatIsFreeAgain) {
  Rivals rivals;
  rivals.put("h1", 1, "[a.example]");
  rivals.put("g2", 2, "[a.example, b.example]");
  rivals.put("h3", 3, "[b.example]");
  rivals.put("g4", 4, "[b.example]");
  EXPECT_EQ(rivals.say({"h1", "g2", "h3", "g4"}), "h1=yes g2=no h3=yes g4=no");
  EXPECT_EQ(rivals.world.listener("a")->attachedRoutes, 2);
  auto rules = rivals.world.rules("b.example");
  ASSERT_EQ(rules.size(), 1U);
  EXPECT_EQ(rules[0]->why.name, "h3");
  rivals.world.erase<kube::HTTPRoute>("infra/h1");
  EXPECT_EQ(rivals.say({"g2", "h3", "g4"}), "g2=yes h3=no g4=yes");
  EXPECT_EQ(rivals.world.rules("b.example").size(), 2U);
  rivals.put("g2", 2, "[c.example]");
  EXPECT_EQ(rivals.say({"g2", "h3", "g4"}), "g2=yes h3=yes g4=no");
  EXPECT_TRUE(rivals.world.settle().empty());
}

TEST(Attachment, AtAnotherListenerItIsAccepted) {
  Rivals rivals;
  rivals.put("h", 1, "[a.example]");
  rivals.put("g", 2, "[a.example]", "name: edge");
  EXPECT_EQ(rivals.say({"h", "g"}), "h=yes g=yes");
  EXPECT_EQ(rivals.world.listener("a")->attachedRoutes, 1);
  EXPECT_EQ(rivals.world.listener("b")->attachedRoutes, 1);
  EXPECT_EQ(rivals.world.rules("a.example").size(), 1U);
}

}  // namespace
}  // namespace weft::gateway
