#include "standalone/apiserver/server.h"

#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "standalone/apimachinery/openapi.h"
#include "standalone/apiserver/test_api.h"

/// The server as clients see it, over TLS.
namespace weft::standalone::test {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kMaps = "/api/v1/namespaces/default/configmaps";
const std::string kServices = "/api/v1/namespaces/default/services";

std::string map(const std::string& name, const std::string& value = "1") {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}","labels":{{"v":"{}"}}}},"data":{{"v":"{}"}}}})",
      name, value, value);
}

TEST_F(ApiTest, CreatesReadsUpdatesAndDeletes) {
  auto created = call("POST", kMaps, map("a"));
  EXPECT_EQ(created.status, 201);
  EXPECT_FALSE(created.at("metadata.uid").empty());
  EXPECT_EQ(call("POST", kMaps, map("a")).at("reason"), "AlreadyExists");
  EXPECT_EQ(call("GET", kMaps + "/a").at("data.v"), "1");
  EXPECT_EQ(call("PUT", kMaps + "/a", map("a", "2")).at("data.v"), "2");
  auto stale = created.json;
  auto conflict = call("PUT", kMaps + "/a", json::serialize(stale));
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(conflict.at("reason"), "Conflict");
  EXPECT_THAT(conflict.at("message"),
              HasSubstr("Operation cannot be fulfilled on configmaps \"a\": the object has been modified"));
  EXPECT_EQ(call("DELETE", kMaps + "/a").at("status"), "Success");
  auto gone = call("GET", kMaps + "/a");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.at("message"), "configmaps \"a\" not found");
  EXPECT_EQ(gone.at("details.kind"), "configmaps");
}

TEST_F(ApiTest, AWriteThatChangesNothingIsNoChange) {
  auto version = call("POST", kMaps, map("a")).at("metadata.resourceVersion");
  EXPECT_EQ(call("PUT", kMaps + "/a", map("a")).at("metadata.resourceVersion"), version);
}

TEST_F(ApiTest, PatchesInEveryWay) {
  call("POST", kMaps, map("a"));
  EXPECT_EQ(call("PATCH", kMaps + "/a", R"({"data":{"x":"y"}})", "application/merge-patch+json").at("data.x"),
            "y");
  EXPECT_EQ(call("PATCH", kMaps + "/a", R"([{"op":"replace","path":"/data/x","value":"z"}])",
                 "application/json-patch+json")
                .at("data.x"),
            "z");
  EXPECT_EQ(call("PATCH", kMaps + "/a", R"({"data":{"x":null}})", "application/strategic-merge-patch+json")
                .at("data.x"),
            "");
  EXPECT_EQ(call("PATCH", kMaps + "/a", "x", "text/plain").status, 415);
  EXPECT_EQ(call("PATCH", kMaps + "/absent", "{}", "application/merge-patch+json").status, 404);
}

TEST_F(ApiTest, AppliesAndTellsConflicts) {
  const std::string apply = "application/apply-patch+yaml";
  auto target = kMaps + "/a?fieldManager=one";
  EXPECT_EQ(call("PATCH", target, map("a"), apply).status, 201);
  EXPECT_EQ(call("PATCH", kMaps + "/a", map("a"), apply).status, 422);
  auto conflict = call("PATCH", kMaps + "/a?fieldManager=two", map("a", "2"), apply);
  EXPECT_EQ(conflict.status, 409);
  EXPECT_THAT(conflict.body, HasSubstr("FieldManagerConflict"));
  EXPECT_EQ(call("PATCH", kMaps + "/a?fieldManager=two&force=true", map("a", "2"), apply).at("data.v"), "2");
}

TEST_F(ApiTest, DryRunStoresNothing) {
  EXPECT_EQ(call("POST", kMaps + "?dryRun=All", map("a")).status, 201);
  EXPECT_EQ(call("GET", kMaps + "/a").status, 404);
  call("POST", kMaps, map("a"));
  EXPECT_EQ(call("DELETE", kMaps + "/a?dryRun=All").status, 200);
  EXPECT_EQ(call("PUT", kMaps + "/a?dryRun=All", map("a", "2")).at("data.v"), "2");
  EXPECT_EQ(call("GET", kMaps + "/a").at("data.v"), "1");
}

TEST_F(ApiTest, RefusesWithReasonAndField) {
  auto service = [](const std::string& port) {
    return fmt::format(R"({{"metadata":{{"name":"s"}},"spec":{{"ports":[{{"port":{}}}]}}}})", port);
  };
  auto answer = call("POST", kServices, service("70000"));
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(answer.at("reason"), "Invalid");
  EXPECT_THAT(answer.at("message"), HasSubstr("Service \"s\" is invalid: [spec.ports[0].port: Invalid value: "
                                              "70000: must be between 1 and 65535, inclusive"));
  answer = call("POST", kServices, service("\"x\""));
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.at("message"), HasSubstr("spec.ports.port"));
  auto misspelt = R"({"metadata":{"name":"s"},"spec":{"port":[]}})";
  EXPECT_EQ(call("POST", kServices + "?fieldValidation=Strict", misspelt).status, 400);
  EXPECT_THAT(call("POST", kMaps, R"({"metadata":{"name":"w"},"dta":{}})").head,
              HasSubstr("Warning: 299 - \"unknown field \\\"dta\\\"\""));
  EXPECT_EQ(call("POST", kMaps, "{").at("reason"), "BadRequest");
  EXPECT_EQ(call("POST", kMaps, "a: [", "application/yaml").status, 400);
  auto endless = call("POST", kMaps, R"({"metadata":{"name":"x"},"data":{"a":0e999}})");
  EXPECT_EQ(kube::string_at(endless.json, "message"),
            "the body of the request has a number that is out of range");
  EXPECT_EQ(call("POST", kMaps, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}", "application/yaml")
                .status,
            201);
  EXPECT_EQ(call("POST", kMaps, "x", "image/png").status, 415);
  EXPECT_EQ(call("POST", kMaps, R"({"apiVersion":"v2","metadata":{"name":"x"}})").status, 400);
  EXPECT_EQ(call("POST", kMaps, R"({"metadata":{"name":"x","namespace":"other"}})").status, 400);
  EXPECT_EQ(call("POST", "/api/v1/namespaces/absent/configmaps", map("a")).at("message"),
            "namespaces \"absent\" not found");
  EXPECT_EQ(call("GET", "/api/v1/nothing").status, 404);
  EXPECT_EQ(call("GET", kMaps, "", "application/json", "Accept: text/html\r\n").status, 406);
  EXPECT_EQ(call("TRACE", kMaps).status, 405);
  EXPECT_EQ(call("GET", kMaps + "?fieldSelector=data.v%3D1").status, 400);
  EXPECT_EQ(call("GET", kMaps + "?limit=x").status, 400);
  EXPECT_EQ(call("GET", kMaps + "?continue=x").status, 400);
}

TEST_F(ApiTest, PagesAreOfOneMoment) {
  for (int i = 0; i < 5; ++i) call("POST", kMaps, map(fmt::format("m{}", i)));
  auto first = call("GET", kMaps + "?limit=2&labelSelector=v%3D1");
  EXPECT_EQ(first.json.at("items").as_array().size(), 2U);
  call("DELETE", kMaps + "/m4");
  call("POST", kMaps, map("m9"));
  std::string names;
  for (auto token = first.at("metadata.continue"); !token.empty();) {
    auto page = call("GET", kMaps + "?limit=2&labelSelector=v%3D1&continue=" + token);
    ASSERT_EQ(page.status, 200) << page.body;
    EXPECT_EQ(page.at("metadata.resourceVersion"), first.at("metadata.resourceVersion"));
    for (const auto& item : page.json.at("items").as_array())
      names += std::string(kube::string_at(item, "metadata.name")) + " ";
    token = page.at("metadata.continue");
  }
  EXPECT_EQ(names, "m2 m3 m4 ");
}

TEST_F(ApiTest, FinalizersHoldAndOwnersTakeAlong) {
  auto owner = call("POST", kMaps, R"({"metadata":{"name":"owner","finalizers":["example.com/hold"]}})");
  auto child = fmt::format(
      R"({{"metadata":{{"name":"child","ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"{}"}}]}}}})",
      owner.at("metadata.uid"));
  EXPECT_EQ(call("POST", kMaps, child).status, 201);
  auto deleted = call("DELETE", kMaps + "/owner");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_FALSE(deleted.at("metadata.deletionTimestamp").empty());
  EXPECT_EQ(call("GET", kMaps + "/child").status, 200);
  call("PATCH", kMaps + "/owner", R"({"metadata":{"finalizers":null}})", "application/merge-patch+json");
  EXPECT_EQ(call("GET", kMaps + "/owner").status, 404);
  EXPECT_TRUE(eventually(kMaps + "/child", "", ""));
}

TEST_F(ApiTest, OrphansAndForegroundDeletion) {
  auto child_of = [&](const std::string& name, const std::string& uid) {
    return fmt::format(
        R"({{"metadata":{{"name":"{}-child","finalizers":["example.com/hold"],"ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"{}","uid":"{}","blockOwnerDeletion":true}}]}}}})",
        name, name, uid);
  };
  for (const char* name : {"orphan", "front"}) {
    call("POST", kMaps, child_of(name, call("POST", kMaps, map(name)).at("metadata.uid")));
  }
  call("DELETE", kMaps + "/orphan?propagationPolicy=Orphan");
  EXPECT_TRUE(eventually(kMaps + "/orphan", "", ""));
  auto orphan = call("GET", kMaps + "/orphan-child");
  EXPECT_EQ(orphan.status, 200);
  EXPECT_EQ(kube::at_path(orphan.json, "metadata.ownerReferences"), nullptr);
  EXPECT_EQ(kube::at_path(orphan.json, "metadata.deletionTimestamp"), nullptr);

  call("DELETE", kMaps + "/front?propagationPolicy=Foreground");
  ::usleep(100'000);
  EXPECT_EQ(call("GET", kMaps + "/front").status, 200);
  call("PATCH", kMaps + "/front-child", R"({"metadata":{"finalizers":null}})",
       "application/merge-patch+json");
  EXPECT_TRUE(eventually(kMaps + "/front", "", ""));
}

TEST_F(ApiTest, NamespacesAreEmptiedFirst) {
  call("POST", "/api/v1/namespaces", R"({"metadata":{"name":"n"}})");
  EXPECT_TRUE(eventually("/api/v1/namespaces/n/serviceaccounts/default", "metadata.name", "default"));
  call("POST", "/api/v1/namespaces/n/configmaps", map("a"));
  auto deleted = call("DELETE", "/api/v1/namespaces/n");
  EXPECT_EQ(deleted.at("status.phase"), "Terminating");
  auto refused = call("POST", "/api/v1/namespaces/n/configmaps", map("b"));
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("NamespaceTerminating"));
  EXPECT_TRUE(eventually("/api/v1/namespaces/n", "", ""));
  EXPECT_EQ(call("DELETE", "/api/v1/namespaces/default").status, 403);
}

TEST_F(ApiTest, ServesCustomKinds) {
  const std::string crd =
      R"({"metadata":{"name":"foos.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
    "names":{"plural":"foos","kind":"Foo"},"versions":[
     {"name":"v1","served":true,"storage":true,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.n","statusReplicasPath":".status.n"}},
      "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"n":{"type":"integer","minimum":1,"default":3}}},"status":{"type":"object","properties":{"n":{"type":"integer"}}}}}}},
     {"name":"v2","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})";
  const std::string crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  ASSERT_EQ(call("POST", crds, crd).status, 201);
  const std::string foos = "/apis/example.com/v1/namespaces/default/foos";
  auto made = call("POST", foos,
                   R"({"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"f"},"spec":{"x":1}})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json.at("spec").as_object().size(), 1U);
  EXPECT_EQ(made.json.at("spec").at("n").as_int64(), 3);
  EXPECT_THAT(call("POST", foos, R"({"metadata":{"name":"g"},"spec":{"n":0}})").at("message"),
              HasSubstr("spec.n: Invalid value: 0"));
  EXPECT_EQ(call("GET", "/apis/example.com/v2/namespaces/default/foos/f").at("apiVersion"), "example.com/v2");
  EXPECT_EQ(call("GET", foos + "/f/scale").json.at("spec").at("replicas").as_int64(), 3);
  EXPECT_EQ(
      call("PATCH", foos + "/f/scale", R"({"spec":{"replicas":7}})", "application/merge-patch+json").status,
      200);
  EXPECT_EQ(call("GET", foos + "/f").json.at("spec").at("n").as_int64(), 7);
  EXPECT_EQ(call("PATCH", foos + "/f", "{}", "application/strategic-merge-patch+json").status, 415);
  EXPECT_TRUE(eventually(crds + "/foos.example.com", "status.acceptedNames.kind", "Foo"));
  call("DELETE", crds + "/foos.example.com");
  EXPECT_TRUE(eventually(crds + "/foos.example.com", "", ""));
  EXPECT_EQ(call("GET", foos).status, 404);
}

TEST_F(ApiTest, ADefinitionOfABuiltInKindChangesNothing) {
  const std::string crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const std::string policies = "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies";
  auto policy = [](const char* name, int priority) {
    return fmt::format(
        R"({{"metadata":{{"name":"{}"}},"spec":{{"tier":"Admin","priority":{},"subject":{{"namespaces":{{}}}}}}}})",
        name, priority);
  };
  ASSERT_EQ(call("POST", policies, policy("a", 1)).status, 201);
  ASSERT_EQ(call("POST", crds,
                 R"({"metadata":{"name":"clusternetworkpolicies.policy.networking.k8s.io"},
               "spec":{"group":"policy.networking.k8s.io","scope":"Cluster",
                 "names":{"plural":"clusternetworkpolicies","kind":"ClusterNetworkPolicy","shortNames":["cnp"]},
                 "versions":[{"name":"v1alpha2","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}})")
                .status,
            201);
  const auto crd = crds + "/clusternetworkpolicies.policy.networking.k8s.io";
  ASSERT_TRUE(eventually(crd, "status.acceptedNames.kind", "ClusterNetworkPolicy"));
  EXPECT_THAT(call("GET", crd).body, HasSubstr(R"("status":"True","type":"Established")"));
  EXPECT_THAT(call("POST", policies, policy("b", 1001)).at("message"),
              HasSubstr("spec.priority in body should be less than or equal to 1000"));
  EXPECT_EQ(call("GET", policies + "/a").json.at("spec").at("priority").as_int64(), 1);
  call("DELETE", crd);
  EXPECT_TRUE(eventually(crd, "", ""));
  EXPECT_EQ(call("GET", policies + "/a").status, 200);
}

TEST_F(ApiTest, ADefinitionTakesThePlaceOfAKindThatYields) {
  const std::string crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const std::string group = "/apis/gateway.networking.k8s.io/";
  const std::string grants = "/namespaces/default/referencegrants";
  auto grant = [](const char* name) {
    return fmt::format(
        R"({{"metadata":{{"name":"{}"}},"spec":{{"from":[{{"group":"g","kind":"K","namespace":"n"}}],"to":[{{"group":"","kind":"Secret"}}],"more":1}}}})",
        name);
  };
  ASSERT_EQ(call("POST", group + "v1" + grants, grant("a")).status, 201);
  EXPECT_EQ(call("GET", group + "v1beta1" + grants + "/a").status, 404);
  const std::string schema =
      R"("schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"more":{"type":"integer","maximum":1}}}}}}})";
  ASSERT_EQ(call("POST", crds,
                 R"({"metadata":{"name":"referencegrants.gateway.networking.k8s.io"},
               "spec":{"group":"gateway.networking.k8s.io","scope":"Namespaced",
                 "names":{"plural":"referencegrants","kind":"ReferenceGrant"},
                 "versions":[{"name":"v1","served":true,"storage":false,)" +
                     schema + R"(,{"name":"v1beta1","served":true,"storage":true,)" + schema + "]}}")
                .status,
            201);
  const auto crd = crds + "/referencegrants.gateway.networking.k8s.io";
  ASSERT_TRUE(eventually(crd, "status.acceptedNames.kind", "ReferenceGrant"));
  EXPECT_EQ(call("GET", group + "v1beta1" + grants + "/a").at("apiVersion"),
            "gateway.networking.k8s.io/v1beta1");
  EXPECT_EQ(call("GET", group + "v1" + grants + "/a").at("apiVersion"), "gateway.networking.k8s.io/v1");
  EXPECT_EQ(call("POST", group + "v1" + grants, grant("b")).json.at("spec").at("more").as_int64(), 1);
  EXPECT_EQ(call("POST", group + "v1" + grants, R"({"metadata":{"name":"c"},"spec":{"more":2}})").status,
            422);
  call("DELETE", crd);
  EXPECT_TRUE(eventually(crd, "", ""));
  EXPECT_EQ(call("GET", group + "v1beta1" + grants).status, 404);
  EXPECT_EQ(call("GET", group + "v1" + grants).json.at("items").as_array().size(), 0U);
  EXPECT_EQ(call("POST", group + "v1" + grants, grant("a")).status, 201);
}

TEST_F(ApiTest, GatewayApiIsBuiltIn) {
  const std::string gateways = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways";
  auto made = call("POST", gateways,
                   R"({"metadata":{"name":"g"},"spec":{"gatewayClassName":"weft",
                   "listeners":[{"name":"a","port":80,"protocol":"HTTP"}]},"status":{"addresses":[{"value":"x"}]}})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json.at("metadata").at("generation").as_int64(), 1);
  EXPECT_FALSE(made.json.as_object().contains("status"));
  EXPECT_THAT(made.body, HasSubstr(R"("allowedRoutes":{"namespaces":{"from":"Same"}})"));
  auto object = made.json;
  object.as_object()["status"] = json::object{{"addresses", {{{"value", "192.0.2.1"}}}}};
  auto told = call("PUT", gateways + "/g/status", json::serialize(object));
  ASSERT_EQ(told.status, 200) << told.body;
  EXPECT_EQ(told.json.at("metadata").at("generation").as_int64(), 1);
  EXPECT_THAT(told.body, HasSubstr(R"("value":"192.0.2.1")"));
  EXPECT_EQ(
      call("POST", gateways, R"({"metadata":{"name":"h"},"spec":{"gatewayClassName":"weft","listeners":[]}})")
          .status,
      422);
}

TEST_F(ApiTest, WatchesSeeEveryChangeInOrder) {
  auto version = call("GET", kMaps).at("metadata.resourceVersion");
  auto watcher = connect();
  watcher.send(request("GET", kMaps + "?watch=true&labelSelector=v%3D1&resourceVersion=" + version));
  call("POST", kMaps, map("a"));
  call("POST", kMaps, map("other", "2"));
  call("PUT", kMaps + "/a", map("a", "2"));
  call("PUT", kMaps + "/a", map("a", "1"));
  call("DELETE", kMaps + "/a");
  call("POST", kMaps, map("end"));
  auto seen = watcher.receive_until("\"end\"");
  std::vector<size_t> places;
  for (const char* type : {"\"ADDED\"", "\"DELETED\"", "\"ADDED\"", "\"DELETED\"", "\"ADDED\""}) {
    places.push_back(seen.find(type, places.empty() ? 0 : places.back() + 1));
    EXPECT_NE(places.back(), std::string::npos) << seen;
  }
  EXPECT_THAT(seen, Not(HasSubstr("\"other\"")));
}

TEST_F(ApiTest, WatchesBeginWithWhatIsThere) {
  call("POST", kMaps, map("a"));
  auto watcher = connect();
  watcher.send(request(
      "GET",
      kMaps +
          "?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"));
  auto seen = watcher.receive_until("k8s.io/initial-events-end");
  EXPECT_THAT(seen, HasSubstr("\"ADDED\""));
  EXPECT_THAT(seen, HasSubstr("\"BOOKMARK\""));
  EXPECT_EQ(call("GET", kMaps + "?watch=true&sendInitialEvents=true").status, 422);
  EXPECT_EQ(call("GET", kMaps + "?watch=true&resourceVersion=999999").status, 504);
}

TEST_F(ApiTest, WhoIsNotKnownGetsNothing) {
  // With TLS 1.3 the client learns of the refusal when it reads.
  auto nobody = connect("");
  nobody.send(request("GET", "/version"));
  EXPECT_EQ(nobody.answer().status, 0);
  auto stranger = connect("someone", "some:group");
  stranger.send(request("GET", kMaps));
  auto answer = stranger.answer();
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.at("message"),
            "configmaps is forbidden: User \"someone\" cannot list resource \"configmaps\" in API group \"\" "
            "in the namespace \"default\"");
  auto dns = connect("dns", kDnsGroup);
  dns.send(request("GET", "/api/v1/services"));
  EXPECT_EQ(dns.answer().status, 200);
  for (const auto& [method, target] :
       {std::pair("GET", "/api/v1/secrets"), std::pair("POST", "/api/v1/namespaces/default/pods"),
        std::pair("GET", "/api/v1/namespaces/default/pods/x/exec"),
        std::pair("GET", "/api/v1/namespaces/default/pods/x/log"),
        std::pair("GET", "/api/v1/secrets?watch=true")}) {
    auto other = connect("dns", kDnsGroup);
    other.send(request(method, target, "{}"));
    EXPECT_EQ(other.answer().status, 403) << method << " " << target;
  }
}

TEST_F(ApiTest, BadClientsDisturbNobody) {
  auto malformed = connect();
  malformed.send("GET /api HTTP/1.1\r\nbad header\r\n\r\n");
  EXPECT_EQ(malformed.answer().status, 400);
  auto traversal = connect();
  traversal.send(request("GET", "/api/v1/../../etc"));
  EXPECT_EQ(traversal.answer().status, 400);
  auto large = connect();
  large.send(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", kMaps));
  auto refused = large.answer();
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.at("reason"), "RequestEntityTooLarge");
  auto head = connect();
  head.send("GET /api HTTP/1.1\r\nX: " + std::string(80'000, 'x'));
  EXPECT_EQ(head.answer().status, 400);
  std::string deep(5000, '[');
  EXPECT_EQ(call("POST", kMaps, deep).status, 400);
  // These hold their connections and say nothing more.
  std::vector<Connection> stalled;
  for (int i = 0; i < 20; ++i) {
    stalled.push_back(connect());
    stalled.back().send("GET /api HT");
  }
  EXPECT_EQ(call("GET", "/version").status, 200);
}

TEST_F(ApiTest, AWatchThatIsNeverReadCostsNothing) {
  auto lazy = connect();
  lazy.send(request("GET", kMaps + "?watch=true"));
  std::string large(200'000, 'x');
  for (int i = 0; i < 60; ++i) {
    ASSERT_LT(call("PUT", kMaps + "/big", map("big", std::to_string(i)).insert(1, "\"data2\":\"\",")).status,
              500);
    ASSERT_LT(
        call("POST", kMaps, fmt::format(R"({{"metadata":{{"name":"m{}"}},"data":{{"x":"{}"}}}})", i, large))
            .status,
        300);
  }
  EXPECT_EQ(call("GET", kMaps + "/m59").status, 200);
}

TEST_F(ApiTest, TheStateSurvivesBeingKilled) {
  auto data = dir + "/data";
  server.reset();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  pid_t child = ::fork();
  if (child == 0) {
    start(data);
    for (int i = 0; i < 1000; ++i) {
      if (call("POST", kMaps, map(fmt::format("m{}", i))).status != 201) ::_exit(1);
      // Only what was acknowledged is told.
      if (::write(ends[1], "x", 1) != 1) ::_exit(1);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  char acknowledged[50];
  size_t count = 0;
  while (count < sizeof acknowledged)
    count += static_cast<size_t>(::read(ends[0], acknowledged, sizeof acknowledged - count));
  ::kill(child, SIGKILL);
  while (::read(ends[0], acknowledged, 1) == 1) ++count;
  ::waitpid(child, nullptr, 0);
  start(data);
  for (size_t i = 0; i < count; ++i) EXPECT_EQ(call("GET", fmt::format("{}/m{}", kMaps, i)).status, 200) << i;
  // What is new is newer than all that was.
  EXPECT_EQ(call("POST", kMaps, map("after")).status, 201);
  server.reset();
  std::ofstream(data + "/state.db") << "this is no database at all, and it is long enough to be looked at";
  auto broken = ApiServer::start({.data_dir = data,
                                  .pki_dir = dir,
                                  .sockets = {},
                                  .ranges = {.cluster_ips = {*IpPrefix::parse("10.96.0.0/16")}}});
  EXPECT_FALSE(broken);
}

TEST_F(ApiTest, TablesMetadataAndDiscovery) {
  call("POST", kMaps, map("a"));
  auto table = call("GET", kMaps + "/a", "", "application/json",
                    "Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json\r\n");
  EXPECT_EQ(table.at("kind"), "Table");
  auto partial = call("GET", kMaps, "", "application/json",
                      "Accept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io\r\n");
  EXPECT_EQ(partial.at("kind"), "PartialObjectMetadataList");
  EXPECT_THAT(partial.body, Not(HasSubstr("\"data\"")));
  EXPECT_EQ(call("GET", "/api", "", "application/json",
                 "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList\r\n")
                .at("kind"),
            "APIGroupDiscoveryList");
  EXPECT_EQ(call("GET", "/apis/apps/v1").at("kind"), "APIResourceList");
  EXPECT_EQ(call("GET", "/apis/nope/v1").status, 404);
  EXPECT_EQ(call("GET", "/readyz").body, "ok");
  EXPECT_EQ(
      call("GET", "/openapi/v2", "", "application/json", fmt::format("Accept: {}\r\n", kOpenApiV2Accept))
          .body,
      openapi_v2_protobuf());
  EXPECT_EQ(call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                 R"({"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}})")
                .json.at("status")
                .at("allowed")
                .as_bool(),
            true);
}

TEST_F(ApiTest, PodsEndGracefullyAndAreBoundOnce) {
  const std::string pods = "/api/v1/namespaces/default/pods";
  auto pod = R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}})";
  ASSERT_EQ(call("POST", pods, pod).status, 201);
  auto binding = R"({"target":{"name":"n1"}})";
  EXPECT_EQ(call("POST", pods + "/p/binding", binding).status, 201);
  EXPECT_EQ(call("POST", pods + "/p/binding", binding).status, 409);
  EXPECT_EQ(call("GET", pods + "/p").at("spec.nodeName"), "n1");
  auto deleted = call("DELETE", pods + "/p");
  EXPECT_EQ(deleted.json.at("metadata").at("deletionGracePeriodSeconds").as_int64(), 30);
  EXPECT_EQ(call("DELETE", pods + "/p?gracePeriodSeconds=0").status, 200);
  EXPECT_EQ(call("GET", pods + "/p").status, 404);
  EXPECT_EQ(call("GET", pods + "/p/log").status, 503);
}

TEST_F(ApiTest, AddressesAreTakenAndGivenBack) {
  auto service = R"({"metadata":{"name":"s"},"spec":{"clusterIP":"10.96.7.7","ports":[{"port":80}]}})";
  EXPECT_EQ(call("POST", kServices, service).status, 201);
  auto other = R"({"metadata":{"name":"t"},"spec":{"clusterIP":"10.96.7.7","ports":[{"port":80}]}})";
  EXPECT_THAT(call("POST", kServices, other).at("message"), HasSubstr("provided IP is already allocated"));
  EXPECT_EQ(call("POST", kServices + "?dryRun=All",
                 R"({"metadata":{"name":"u"},"spec":{"clusterIP":"10.96.7.8","ports":[{"port":80}]}})")
                .status,
            201);
  EXPECT_EQ(call("POST", kServices,
                 R"({"metadata":{"name":"v"},"spec":{"clusterIP":"10.96.7.8","ports":[{"port":80}]}})")
                .status,
            201);
  call("DELETE", kServices + "/s");
  EXPECT_EQ(call("POST", kServices, other).status, 201);
}

}  // namespace
}  // namespace weft::standalone::test
