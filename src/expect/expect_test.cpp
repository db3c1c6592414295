#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "expect/report.h"
#include "trace/test_cluster.h"

namespace weft::expect {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using trace::test::Cluster;

std::string entry(const std::string& fields) {
  return "apiVersion: weft.dev/v1alpha1\nkind: Expectations\nexpectations:\n  - {" + fields + "}\n";
}

Expected<std::vector<Expectation>> read(const std::string& yaml) {
  auto documents = kube::parse_yaml(yaml, "a.weft.yaml");
  EXPECT_TRUE(documents);
  return read_expectations(*documents);
}

std::string complaint(const std::string& yaml) {
  auto out = read(yaml);
  return out ? "none" : out.error().message;
}

TEST(Read, EachPairIsOne) {
  auto all = read(entry("from: [a, b], to: [http://x/, http://y/], expect: deny"));
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_THAT(*all, SizeIs(4));
  EXPECT_EQ((*all)[1].name, "a → http://y/");
  EXPECT_EQ((*all)[1].place(), "a.weft.yaml:4");
  EXPECT_EQ((*all)[1].verdict, trace::Verdict::denied);
}

TEST(Read, Complaints) {
  EXPECT_THAT(complaint(entry("from: a, to: b, expct: deny")),
              HasSubstr("a.weft.yaml:4: expectations[0].expct: there is no such field"));
  EXPECT_THAT(complaint(entry("from: a, to: b, expect: maybe")),
              HasSubstr("a.weft.yaml:4: expectations[0].expect: \"maybe\": expected allow"));
  EXPECT_THAT(complaint(entry("to: b")), HasSubstr("expectations[0]: from is missing"));
  EXPECT_THAT(complaint(entry("from: a, to: b, port: 0")), HasSubstr("expected a number from 1 to 65535"));
  EXPECT_THAT(complaint(entry("from: a, to: b, by: shop")), HasSubstr("expected KIND/NAMESPACE/NAME"));
  EXPECT_THAT(complaint(entry("from: a, to: b, headers: {a: 1}")), HasSubstr("expected a text of one line"));
  EXPECT_THAT(complaint(entry("from: a, to: b, protocol: ip")), HasSubstr("expected tcp, udp or sctp"));
  EXPECT_THAT(complaint(entry("from: [], to: b")), HasSubstr("the list is empty"));
  EXPECT_THAT(complaint("apiVersion: v1\nkind: Pod\n"),
              HasSubstr("a.weft.yaml:1: expected kind Expectations"));
  EXPECT_THAT(complaint("apiVersion: weft.dev/v1alpha1\nkind: Expectations\nexpectations: {}\n"),
              HasSubstr("a.weft.yaml:3: expectations: expected a list"));
  EXPECT_THAT(complaint("apiVersion: weft.dev/v1alpha1\nkind: Expectations\nexpectations: [1]\n"),
              HasSubstr("expectations[0]: expected from, to"));
}

const std::string kShop = R"(
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.9, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: jailed, labels: {app: jailed}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: jail}
spec: {podSelector: {matchLabels: {app: jailed}}, policyTypes: [Egress]}
)";

/// "held", or "failed: why".
std::string judged(const std::string& fields) {
  Cluster cluster(kShop);
  auto all = read(entry(fields));
  if (!all) return all.error().message;
  auto found = look_up(cluster.world(), all->front());
  if (!found) return found.error().message;
  auto out = judge(cluster.world(), *found);
  return out.state == State::held ? "held" : std::string(name_of(out.state)) + ": " + out.why;
}

TEST(Judge, Verdicts) {
  EXPECT_EQ(judged("from: client, to: http://web/, expect: allow"), "held");
  EXPECT_THAT(judged("from: client, to: http://web/, expect: deny"),
              HasSubstr("failed: denied is expected, foretold: works"));
  EXPECT_EQ(judged("from: jailed, to: service/web, expect: deny"), "held");
  EXPECT_EQ(judged("from: client, to: http://web:81/, expect: refuse"), "held");
  EXPECT_EQ(judged("from: client, to: http://nobody/, expect: no-name"), "held");
  EXPECT_THAT(judged("from: client, to: http://a.example/, expect: allow"),
              HasSubstr("unknown: works is expected"));
  EXPECT_EQ(judged("from: client, to: http://web/"), "held") << "nothing is expected";
}

TEST(Judge, AWorkloadThatRunsToItsEnd) {
  Cluster cluster(kShop + R"(
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      parallelism: 2
      template:
        metadata: {labels: {app: nightly}}
        spec: {restartPolicy: Never, containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: nightly}
spec: {selector: {app: nightly}, ports: [{port: 80}]}
)");
  auto all = read(entry("from: cronjob/nightly, to: http://nightly/, backend: nightly"));
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(judge(cluster.world(), *look_up(cluster.world(), all->front())).why, "");
}

TEST(Judge, Statuses) {
  EXPECT_EQ(judged("from: client, to: http://web/, status: 200"), "held");
  EXPECT_THAT(judged("from: client, to: http://web/, status: 404"), HasSubstr("unknown: "));
  EXPECT_THAT(judged("from: client, to: http://web:81/, status: 200"),
              HasSubstr("failed: status 200 is expected"));
}

TEST(Judge, ARedirect) {
  EXPECT_THAT(judged("from: client, to: http://web/, location: http://a/"),
              HasSubstr("failed: a redirect to http://a/ is expected, foretold: works"));
  Cluster cluster(kShop + R"(
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}]
)");
  auto all = read(entry("from: client, to: http://web/a, status: 302, location: https://web/a") +
                  "  - {from: client, to: http://web/a, location: http://web/a}\n");
  ASSERT_TRUE(all);
  EXPECT_EQ(judge(cluster.world(), *look_up(cluster.world(), (*all)[0])).why, "");
  EXPECT_EQ(judge(cluster.world(), *look_up(cluster.world(), (*all)[1])).why,
            "a redirect to http://web/a is expected, not to https://web/a");
}

TEST(Judge, AStatusIsOfHttp) {
  Cluster cluster(kShop);
  auto all = read(entry("from: client, to: [service/web, \"pod/client:80\"], status: 200") +
                  "  - {from: client, to: service/web, expect: allow}\n");
  ASSERT_TRUE(all);
  EXPECT_EQ(look_up(cluster.world(), (*all)[0])->to.scheme, "http");
  EXPECT_EQ(look_up(cluster.world(), (*all)[1])->to.scheme, "http");
  EXPECT_EQ(look_up(cluster.world(), (*all)[2])->to.scheme, "");
}

TEST(Judge, Backends) {
  EXPECT_EQ(judged("from: client, to: http://web/, backend: web"), "held");
  EXPECT_EQ(judged("from: client, to: http://web/, backend: deployment/web"), "held");
  EXPECT_THAT(judged("from: client, to: http://web/, backend: client"), HasSubstr("which is none of client"));
  EXPECT_THAT(judged("from: client, to: http://web:81/, backend: web"), HasSubstr("it gets to no pod"));
}

TEST(Judge, Answers) {
  EXPECT_EQ(judged("from: client, to: http://web/, answer: 10.96.0.9"), "held");
  EXPECT_EQ(judged("from: client, to: http://web/, answer: service/web"), "held");
  EXPECT_THAT(judged("from: client, to: http://web/, answer: 10.96.0.8"),
              HasSubstr("failed: the name is 10.96.0.9, not 10.96.0.8"));
  EXPECT_THAT(judged("from: client, to: http://web/, answer: service/nobody"),
              HasSubstr("a.weft.yaml:4: answer: "));
}

TEST(Judge, WhoHasDecided) {
  EXPECT_EQ(judged("from: jailed, to: service/web, expect: deny, by: NetworkPolicy/default/jail"), "held");
  EXPECT_THAT(judged("from: jailed, to: service/web, expect: deny, by: NetworkPolicy/default/other"),
              HasSubstr("NetworkPolicy default/other has not decided it"));
  EXPECT_THAT(judged("from: jailed, to: service/web, expect: deny, by: Service/default/web"),
              HasSubstr("has not decided it"))
      << "it was passed on the way, but does not end it";
  EXPECT_EQ(judged("from: client, to: service/web, expect: allow, by: Service/default/web"), "held");
}

TEST(Judge, WhoIsNotThere) {
  EXPECT_THAT(judged("from: nobody, to: http://web/"),
              HasSubstr("a.weft.yaml:4: FROM: there is no pod default/nobody"));
}

TEST(Report, AllForms) {
  auto all = read(entry("name: \"a < b\", from: client, to: http://web/, expect: deny"));
  ASSERT_TRUE(all);
  std::vector<expect::Test> tests(3);
  for (auto& test : tests) test.what = &all->front();
  tests[1].judgement.worsen(State::unknown, "nobody knows");
  tests[2].judgement.worsen(State::failed, "it works & should not", "mend it");
  EXPECT_EQ(count(tests).exit_code(), 1);
  EXPECT_EQ(count({tests[0], tests[1]}).exit_code(), 3);
  EXPECT_EQ(count({tests[0]}).exit_code(), 0);
  EXPECT_EQ(to_text(tests[2], false),
            "FAILED  a < b\n        a.weft.yaml:4: it works & should not\n        to mend it: mend it\n");
  EXPECT_THAT(to_text(tests[0], true), HasSubstr("\x1b[32mok     \x1b[0m a < b"));
  auto xml = to_junit(tests);
  EXPECT_THAT(xml, HasSubstr("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""));
  EXPECT_THAT(xml, HasSubstr("name=\"a &lt; b\" file=\"a.weft.yaml\" line=\"4\""));
  EXPECT_THAT(xml, HasSubstr("<failure message=\"it works &amp; should not. To mend it: mend it\"/>"));
  auto sarif = json::serialize(to_sarif(tests));
  EXPECT_THAT(sarif, HasSubstr(R"("uri":"a.weft.yaml"},"region":{"startLine":4})"));
  EXPECT_THAT(json::serialize(to_json(tests)), HasSubstr(R"("held":1,"failed":1,"unknown":1)"));
}

TEST(Judgement, FailedOutweighsUnknown) {
  Judgement out;
  out.worsen(State::unknown, "a");
  out.worsen(State::failed, "b");
  out.worsen(State::unknown, "c");
  EXPECT_EQ(out.why, "b");
}

}  // namespace
}  // namespace weft::expect
