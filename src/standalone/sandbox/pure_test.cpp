#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/base64.h"
#include "kube/codec.h"
#include "standalone/sandbox/action.h"
#include "standalone/sandbox/backoff.h"
#include "standalone/sandbox/container_plan.h"
#include "standalone/sandbox/env.h"
#include "standalone/sandbox/image.h"
#include "standalone/sandbox/init_mounts.h"
#include "standalone/sandbox/pod_files.h"
#include "standalone/sandbox/pod_runner.h"
#include "standalone/sandbox/probe_worker.h"
#include "standalone/sandbox/scheduler_plan.h"
#include "standalone/sandbox/volumes.h"

namespace weft::standalone::sandbox {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

kube::Pod pod_from(const char* text) { return *kube::decode<kube::Pod>(json::parse(text)); }

ConfigSource config(kube::StringMap map, kube::StringMap secret) {
  return {[map](const std::string& name) -> std::shared_ptr<const kube::ConfigMap> {
            if (name != "settings") return nullptr;
            auto object = std::make_shared<kube::ConfigMap>();
            object->data = map;
            return object;
          },
          [secret](const std::string& name) -> std::shared_ptr<const kube::Secret> {
            if (name != "keys") return nullptr;
            auto object = std::make_shared<kube::Secret>();
            for (const auto& [key, value] : secret) object->data[key] = kube::encode_base64(value);
            return object;
          }};
}

TEST(Expand, FollowsTheRulesOfContainerCommands) {
  auto lookup = [](const std::string& name) {
    return name == "A" ? std::optional<std::string>("1") : std::nullopt;
  };
  EXPECT_EQ(expand("x$(A)y", lookup), "x1y");
  EXPECT_EQ(expand("$(B)", lookup), "$(B)");
  EXPECT_EQ(expand("$$(A)", lookup), "$(A)");
  EXPECT_EQ(expand("$A $ $(A", lookup), "$A $ $(A");
  EXPECT_EQ(expand("$$$(A)$", lookup), "$1$");
}

TEST(Environment, ComesFromEverywhereAndLaterWins) {
  auto pod = pod_from(R"j({"metadata":{"name":"p","namespace":"n","uid":"u","labels":{"a/b":"c"}},
    "spec":{"nodeName":"node-1","containers":[{"name":"c","resources":{"limits":{"cpu":"1500m","memory":"64Mi"}},
      "envFrom":[{"prefix":"S_","configMapRef":{"name":"settings"}},{"secretRef":{"name":"none","optional":true}}],
      "env":[{"name":"ONE","value":"1"},{"name":"TWO","value":"$(ONE)$(S_x)$(NO)"},
        {"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIPs"}}},
        {"name":"LABEL","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['a/b']"}}},
        {"name":"CPU","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}},
        {"name":"MEM","valueFrom":{"resourceFieldRef":{"resource":"limits.memory","divisor":"1Mi"}}},
        {"name":"KEY","valueFrom":{"secretKeyRef":{"name":"keys","key":"k"}}},
        {"name":"OFF","valueFrom":{"configMapKeyRef":{"name":"settings","key":"no","optional":true}}},
        {"name":"ONE","value":"2"}]}]}})j");
  PodFacts facts{&pod, {"10.0.0.1", "fd00::1"}, {"172.30.0.2"}};
  auto environment =
      build_environment(facts, pod.spec.containers[0], config({{"x", "y"}}, {{"k", "secret"}}));
  ASSERT_TRUE(environment) << environment.error().message;
  EXPECT_THAT(*environment, ElementsAre(Pair("S_x", "y"), Pair("ONE", "2"), Pair("TWO", "1y$(NO)"),
                                        Pair("IP", "10.0.0.1,fd00::1"), Pair("LABEL", "c"), Pair("CPU", "2"),
                                        Pair("MEM", "64"), Pair("KEY", "secret")));
}

TEST(Environment, NamesWhatIsMissing) {
  auto pod = pod_from(R"({"spec":{"containers":[{"name":"c","env":[
    {"name":"A","valueFrom":{"configMapKeyRef":{"name":"settings","key":"no"}}}]},
    {"name":"d","envFrom":[{"secretRef":{"name":"none"}}]}]}})");
  PodFacts facts{&pod, {}, {}};
  auto missing_key = build_environment(facts, pod.spec.containers[0], config({}, {}));
  ASSERT_FALSE(missing_key);
  EXPECT_EQ(missing_key.error().message, "couldn't find key no in configmap settings");
  auto missing_secret = build_environment(facts, pod.spec.containers[1], config({}, {}));
  ASSERT_FALSE(missing_secret);
  EXPECT_EQ(missing_secret.error().code, ErrorCode::not_found);
  EXPECT_EQ(missing_secret.error().message, "secret \"none\" not found");
}

TEST(Image, NamesWithRegistryTagAndDigest) {
  EXPECT_EQ(image_without_tag("localhost:5000/a/b:1.2"), "localhost:5000/a/b");
  EXPECT_EQ(image_without_tag("a@sha256:00"), "a");
  EXPECT_EQ(image_without_tag("a:1@sha256:00"), "a");
  EXPECT_TRUE(is_echo_image("weft/echo"));
  EXPECT_TRUE(is_echo_image("registry.example:5000/weft/echo:2"));
  EXPECT_FALSE(is_echo_image("weft/echoes"));
  EXPECT_FALSE(is_echo_image("notweft/echo"));
}

TEST(Image, DecidesTheCommand) {
  kube::Container c;
  c.image = "nginx:1.27";
  c.args = {"-x", "$(A)"};
  Environment environment{{"A", "1"}};
  auto unknown = resolve_command(c, environment, {});
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("--image nginx=PATH"));
  EXPECT_THAT(resolve_command(c, environment, {{"nginx", "/usr/sbin/nginx"}})->argv,
              ElementsAre("/usr/sbin/nginx", "-x", "1"));
  c.command = {"sh", "-c"};
  EXPECT_THAT(resolve_command(c, environment, {})->argv, ElementsAre("sh", "-c", "-x", "1"));
  c.command.clear();
  c.image = "weft/echo:1";
  EXPECT_TRUE(resolve_command(c, environment, {})->built_in_echo);
}

TEST(Image, EchoListensWhereThePortsSay) {
  auto pod = pod_from(R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80},
    {"containerPort":9,"name":"tcp-echo"},{"containerPort":5353,"protocol":"UDP"}]},{"name":"b"}]}})");
  EXPECT_THAT(echo_ports(pod.spec.containers[0]),
              ElementsAre(Pair("PORT", "80"), Pair("TCP_PORT", "9"), Pair("UDP_PORT", "5353")));
  EXPECT_THAT(echo_ports(pod.spec.containers[1]), ElementsAre(Pair("PORT", "8080")));
}

TEST(PodHosts, OwnNamesAndAliases) {
  auto pod = pod_from(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"hostname":"h","subdomain":"s"}})");
  auto name = *kube::pod_name(pod, "cluster.local");
  pod.spec.hostAliases.push_back({{}, "1.2.3.4", {"a", "b"}});
  auto hosts = pod_hosts(pod, name, {"10.0.0.1", "fd00::1"});
  EXPECT_THAT(hosts, HasSubstr("10.0.0.1\th.s.n.svc.cluster.local\th\n"));
  EXPECT_THAT(hosts, HasSubstr("fd00::1\th.s.n"));
  EXPECT_THAT(hosts, HasSubstr("1.2.3.4\ta\tb\n"));
}

TEST(RestartBackoff, DoublesAndStartsOver) {
  RestartBackoff backoff;
  EXPECT_EQ(backoff.next(1s), 0s);
  EXPECT_EQ(backoff.next(1s), 10s);
  EXPECT_EQ(backoff.next(1s), 20s);
  for (int i = 0; i < 10; ++i) backoff.next(1s);
  EXPECT_EQ(backoff.next(1s), 5min);
  EXPECT_EQ(backoff.next(10min), 0s);
  EXPECT_EQ(backoff.next(1s), 10s);
}

TEST(ProbeCounter, Thresholds) {
  kube::Probe probe;
  probe.successThreshold = 2;
  probe.failureThreshold = 3;
  ProbeCounter counter(probe, false);
  EXPECT_FALSE(counter.record(true));
  EXPECT_TRUE(counter.record(true));
  EXPECT_TRUE(counter.good());
  EXPECT_FALSE(counter.record(false));
  EXPECT_FALSE(counter.record(false));
  EXPECT_FALSE(counter.record(true)) << "one success ends the run of failures";
  EXPECT_FALSE(counter.record(false));
  EXPECT_FALSE(counter.record(false));
  EXPECT_TRUE(counter.record(false));
  EXPECT_FALSE(counter.good());
}

TEST(HttpProbe, StatusLine) {
  EXPECT_EQ(http_status("HTTP/1.1 200 OK\r\n"), 200);
  EXPECT_EQ(http_status("HTTP/1.0 503\r\n"), 503);
  EXPECT_EQ(http_status("HTTP/1.1 20"), std::nullopt);
  EXPECT_EQ(http_status(""), std::nullopt);
  EXPECT_EQ(http_status("SSH-2.0"), 0);
  EXPECT_EQ(http_status("HTTP/1.1 abc\n"), 0);
}

TEST(HttpProbe, Request) {
  kube::HTTPGetAction get;
  get.path = "healthz";
  get.httpHeaders = {{{}, "host", "example.com"}, {{}, "X-A", "b"}};
  EXPECT_EQ(
      http_request(get, "10.0.0.1:80"),
      "GET /healthz HTTP/1.1\r\nHost: example.com\r\nX-A: b\r\nUser-Agent: kube-probe/weft\r\nAccept: */*\r\n"
      "Connection: close\r\n\r\n");
}

TEST(Mounts, PointsAndTopmost) {
  auto points = mount_points(
      "1 2 8:1 / / rw - ext4 x y\n3 1 0:1 / /a\\040b rw - t t t\n4 1 0:1 / /p/q rw - t t t\n5 4 0:1 / /p/q/r "
      "rw - t\n");
  EXPECT_THAT(points, ElementsAre("/", "/a b", "/p/q", "/p/q/r"));
  EXPECT_THAT(topmost_below(points, "/"), ElementsAre("/a b", "/p/q"));
  EXPECT_THAT(topmost_below(points, "/p/q"), ElementsAre("/p/q/r"));
  EXPECT_THAT(topmost_below(points, "/p/q/r"), ElementsAre());
}

TEST(Spec, SurvivesTheWay) {
  ContainerSpec spec;
  spec.netns = "/run/netns/x";
  spec.mounts = {{"/a", "/b \"c\"", true}};
  spec.argv = {"sh", "-c", "echo\n"};
  spec.env = {"A=B"};
  spec.groups = {4, 5};
  spec.uid = 65534;
  auto again = decode_spec(encode_spec(spec));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(encode_spec(*again), encode_spec(spec));
  EXPECT_FALSE(decode_spec("{}"));
  EXPECT_FALSE(decode_spec("no"));
}

TEST(Names, OfANamespace) {
  EXPECT_EQ(pod_netns_name("demo", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"), "weft-demo-p-0a1b2c3d4e5f");
}

TEST(Refers, ToConfigMapsAndSecrets) {
  auto pod = pod_from(R"({"spec":{"volumes":[{"name":"v","projected":{"sources":[{"secret":{"name":"s"}}]}}],
    "containers":[{"name":"c","env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"m","key":"k"}}}]}]}})");
  EXPECT_TRUE(refers_to(pod.spec, "Secret", "s"));
  EXPECT_TRUE(refers_to(pod.spec, "ConfigMap", "m"));
  EXPECT_FALSE(refers_to(pod.spec, "ConfigMap", "s"));
  EXPECT_FALSE(refers_to(pod.spec, "Secret", "m"));
}

std::shared_ptr<const kube::Node> node_from(const char* text) {
  return std::make_shared<const kube::Node>(*kube::decode<kube::Node>(json::parse(text)));
}

TEST(PlacePod, FewestPodsOfWhatAdmitsIt) {
  auto ready =
      R"({"metadata":{"name":"a","labels":{"disk":"ssd"}},"status":{"conditions":[{"type":"Ready","status":"True"}]}})";
  auto tainted =
      R"({"metadata":{"name":"b"},"spec":{"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]},
    "status":{"conditions":[{"type":"Ready","status":"True"}]}})";
  std::vector<NodeLoad> nodes{{node_from(ready), 5}, {node_from(tainted), 0}};
  auto pod = pod_from(R"({"spec":{}})");
  EXPECT_EQ(place_pod(pod, nodes).node, "a");
  pod = pod_from(R"({"spec":{"tolerations":[{"key":"k","operator":"Exists"}]}})");
  EXPECT_EQ(place_pod(pod, nodes).node, "b");
  pod = pod_from(R"({"spec":{"tolerations":[{"operator":"Exists"}],"affinity":{"nodeAffinity":{
    "requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[
    {"key":"disk","operator":"In","values":["ssd"]}]}]}}}}})");
  EXPECT_EQ(place_pod(pod, nodes).node, "a");
  pod = pod_from(R"({"spec":{"nodeSelector":{"disk":"none"}}})");
  EXPECT_EQ(place_pod(pod, nodes).why,
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.");
  EXPECT_EQ(place_pod(pod, {}).why, "no nodes available to schedule pods");
}

TEST(PlacePod, APortOfANodeIsTakenOnce) {
  const char* node =
      R"({"metadata":{"name":"a"},"status":{"conditions":[{"type":"Ready","status":"True"}]}})";
  auto with_port = [](const std::string& port) {
    return pod_from((R"({"spec":{"containers":[{"name":"c","ports":[)" + port + "]}]}}").c_str());
  };
  NodeLoad load{node_from(node), 1, {{"TCP", 80, ""}}};
  EXPECT_EQ(place_pod(with_port(R"({"containerPort":80,"hostPort":80,"protocol":"TCP","hostIP":"10.0.0.1"})"),
                      {load})
                .why,
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.");
  for (const auto* other : {R"({"containerPort":80,"hostPort":80,"protocol":"UDP"})",
                            R"({"containerPort":80,"hostPort":81,"protocol":"TCP"})",
                            R"({"containerPort":80,"protocol":"TCP"})"}) {
    EXPECT_EQ(place_pod(with_port(other), {load}).node, "a") << other;
  }
  auto everywhere =
      host_ports(with_port(R"({"containerPort":80,"hostPort":80,"protocol":"TCP","hostIP":"0.0.0.0"})"));
  EXPECT_EQ(everywhere, (std::vector<HostPort>{{"TCP", 80, ""}}));
}

}  // namespace
}  // namespace weft::standalone::sandbox
