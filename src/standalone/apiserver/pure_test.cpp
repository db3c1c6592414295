#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/registry.h"
#include "standalone/apiserver/authorizer.h"
#include "standalone/apiserver/deletion.h"
#include "standalone/apiserver/log_lines.h"
#include "standalone/apiserver/request.h"
#include "standalone/apiserver/target.h"

/// The parts of the server that only compute.
namespace weft::standalone {
namespace {

using testing::ElementsAre;

TEST(RequestTarget, IsTakenApart) {
  ApiRequest request;
  ASSERT_TRUE(
      parse_target("/api/v1/pods/a%20b/?watch=true&x=1%2B1+2&command=sh&command=-c&watch=1", request));
  EXPECT_THAT(request.path, ElementsAre("api", "v1", "pods", "a b"));
  EXPECT_TRUE(request.flag("watch"));
  EXPECT_EQ(request.param("x"), "1+1 2");
  EXPECT_THAT(request.commands, ElementsAre("sh", "-c"));
}

TEST(RequestTarget, RefusesWhatIsNoPath) {
  for (const char* text :
       {"", "api", "/a//b", "/a/../b", "/a/%2e%2e/b", "/a/%", "/a/%zz", "/a/%2Fb", "/a/%00", "/a?x=%f"}) {
    ApiRequest request;
    EXPECT_FALSE(parse_target(text, request)) << text;
  }
}

TEST(Accept, TakesTheFirstThatCanBeSent) {
  using Form = Accept::Form;
  EXPECT_EQ(parse_accept("").form, Form::plain);
  EXPECT_EQ(parse_accept("application/vnd.kubernetes.protobuf, application/json").form, Form::plain);
  EXPECT_EQ(parse_accept("application/json;as=Table;v=v1;g=meta.k8s.io,application/json").form, Form::table);
  EXPECT_EQ(parse_accept("application/json;as=Unheard, */*").form, Form::plain);
  EXPECT_FALSE(parse_accept("text/html").acceptable);
}

TEST(Target, ReadsPathsAsUpstreamDoes) {
  KindTable kinds;
  auto find = [&](std::vector<std::string> path) { return find_target(kinds, path); };
  EXPECT_EQ(find({"api", "v1", "namespaces", "a"})->name, "a");
  EXPECT_EQ(find({"api", "v1", "namespaces", "a", "status"})->subresource, "status");
  auto pod = find({"api", "v1", "namespaces", "a", "pods", "p", "log"});
  EXPECT_EQ(pod->ns + pod->name + pod->subresource, "aplog");
  EXPECT_EQ(find({"apis", "apps", "v1", "deployments"})->kind->info.kind, "Deployment");
  EXPECT_FALSE(find({"api", "v1", "pods", "p"}));
  EXPECT_FALSE(find({"api", "v1", "namespaces", "a", "nodes"}));
  EXPECT_FALSE(find({"api", "v1"}));
  EXPECT_FALSE(find({"apis", "apps", "v2", "deployments"}));
}

TEST(Authorizer, EveryProcessHasOnlyItsOwn) {
  EXPECT_TRUE(may({kAdminGroup}, {"delete", "", "pods", "", "a", "b"}));
  EXPECT_TRUE(may({"x", kControllerGroup}, {"create", "discovery.k8s.io", "endpointslices", "", "a", ""}));
  EXPECT_FALSE(may({kControllerGroup}, {"create", "", "pods", "", "a", ""}));
  EXPECT_FALSE(may({kAgentGroup}, {"get", "", "secrets", "", "a", "b"}));
  EXPECT_FALSE(may({kAgentGroup}, {"create", "", "pods", "exec", "a", "b"}));
  EXPECT_TRUE(
      may({kControllerGroup}, {"update", "gateway.networking.k8s.io", "gateways", "status", "a", "b"}));
  EXPECT_FALSE(may({kControllerGroup}, {"update", "gateway.networking.k8s.io", "gateways", "", "a", "b"}));
  EXPECT_TRUE(may({kGatewayGroup}, {"watch", "gateway.networking.k8s.io", "httproutes", "", "", ""}));
  EXPECT_FALSE(
      may({kGatewayGroup}, {"update", "gateway.networking.k8s.io", "httproutes", "status", "a", "b"}));
  EXPECT_FALSE(may({kGatewayGroup}, {"create", "", "secrets", "", "a", ""}));
  EXPECT_TRUE(may({kGatewayGroup}, {"patch", "coordination.k8s.io", "leases", "", "a", "weft-gateway-b"}));
  EXPECT_FALSE(may({kGatewayGroup}, {"patch", "coordination.k8s.io", "leases", "", "a", "weft-controller"}));
  EXPECT_FALSE(may({kGatewayGroup}, {"create", "coordination.k8s.io", "leases", "", "a", ""}));
  EXPECT_FALSE(may({}, {"get", "", "pods", "", "", ""}));
}

constexpr std::string_view kLog =
    "2026-01-01T00:00:00.000000001Z stdout F one\n"
    "2026-01-01T00:00:01.000000001Z stderr P tw\n"
    "2026-01-01T00:00:01.000000002Z stderr F o\n"
    "2026-01-01T00:00:02.000000001Z stdout F three\n";

std::string filtered(LogOptions options, std::string_view log = kLog) {
  LogFilter filter(options);
  std::string out;
  // In pieces of one byte: lines come as they come.
  for (char c : log) out += filter.feed(std::string_view(&c, 1));
  return out;
}

TEST(LogLines, AreWhatTheContainerWrote) {
  EXPECT_EQ(filtered({}), "one\ntwo\nthree\n");
  EXPECT_EQ(filtered({.since = kube::parse_time("2026-01-01T00:00:01.5Z")}), "three\n");
  EXPECT_EQ(filtered({.limit_bytes = 5}), "one\nt");
  EXPECT_EQ(filtered({.timestamps = true}).substr(0, 35), "2026-01-01T00:00:00.000000001Z one\n");
}

TEST(LogLines, TheTailCountsWholeLines) {
  auto tail = [](uint64_t lines) { return filtered({}, kLog.substr(tail_offset(kLog, lines))); };
  EXPECT_EQ(tail(0), "");
  EXPECT_EQ(tail(1), "three\n");
  EXPECT_EQ(tail(2), "two\nthree\n");
  EXPECT_EQ(tail(3), "one\ntwo\nthree\n");
  EXPECT_EQ(tail(9), "one\ntwo\nthree\n");
}

ServedKind core(const char* plural) {
  const auto* info = kube::find_builtin("", plural);
  return {.info = info->resource, .list_kind = "", .schema = info->schema};
}

TEST(Deletion, PodsHaveTimeAndItOnlyGetsLess) {
  auto pods = core("pods");
  auto now = *kube::parse_time("2026-01-01T00:00:00Z");
  json::value pod = {{"metadata", {{"name", "p"}}},
                     {"spec", {{"nodeName", "n"}, {"terminationGracePeriodSeconds", 5}}}};
  auto first = plan_deletion(pods, pod, {}, now);
  ASSERT_FALSE(first.erase);
  EXPECT_EQ(kube::string_at(first.next, "metadata.deletionTimestamp"), "2026-01-01T00:00:05Z");
  EXPECT_TRUE(plan_deletion(pods, first.next, {.grace_seconds = 9}, now).next.is_null());
  EXPECT_FALSE(plan_deletion(pods, first.next, {.grace_seconds = 2}, now).next.is_null());
  EXPECT_TRUE(plan_deletion(pods, first.next, {.grace_seconds = 0}, now).erase);
  pod.at("spec").as_object().erase("nodeName");
  EXPECT_TRUE(plan_deletion(pods, pod, {}, now).erase);
}

TEST(Deletion, FinalizersHold) {
  auto maps = core("configmaps");
  json::value held = {{"metadata", {{"name", "m"}, {"finalizers", {"a/b"}}}}};
  EXPECT_FALSE(plan_deletion(maps, held, {}, {}).erase);
  EXPECT_TRUE(plan_deletion(maps, {{"metadata", {{"name", "m"}}}}, {}, {}).erase);
  EXPECT_FALSE(plan_deletion(maps, {{"metadata", {{"name", "m"}}}}, {.propagation = "Foreground"}, {}).erase);
  json::value ns = {{"metadata", {{"name", "m"}}}, {"spec", {{"finalizers", {"kubernetes"}}}}};
  EXPECT_FALSE(plan_deletion(core("namespaces"), ns, {}, {}).erase);
}

}  // namespace
}  // namespace weft::standalone
