#include "probe/probe.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "probe/attempt.h"
#include "probe/compare.h"
#include "trace/test_cluster.h"

namespace weft::probe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using trace::test::Cluster;

/// A TCP socket of ::1 or 127.0.0.1 with a port that nobody else has.
struct Local {
  Fd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  uint16_t port = 0;

  Local() {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof own;
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&own), size), 0);
    EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
    port = ntohs(own.sin_port);
  }
};

Ask to_loopback(uint16_t port) {
  return {.host = {},
          .addresses = {*IpAddr::parse("127.0.0.1")},
          .port = port,
          .http = {},
          .from = {},
          .patience = std::chrono::seconds(20)};
}

Observed last(const Ask& ask) {
  Observed out;
  attempt(ask, [&](const Observed& seen) { out = seen; });
  return out;
}

TEST(Attempt, Connects) {
  Local server;
  ASSERT_EQ(::listen(server.socket.get(), 4), 0);
  auto seen = last(to_loopback(server.port));
  EXPECT_EQ(seen.result, Result::connected) << seen.str();
  EXPECT_EQ(seen.stage, "connect");
  ASSERT_TRUE(seen.peer);
  EXPECT_EQ(seen.peer->str(), "127.0.0.1") << "as sock_diag has it";
}

TEST(Attempt, IsRefusedWhereNobodyListens) {
  Local server;
  EXPECT_EQ(last(to_loopback(server.port)).result, Result::refused);
}

TEST(Attempt, SaysWhatWouldBeIfThePatienceEndedNow) {
  Local server;
  std::vector<Result> said;
  attempt(to_loopback(server.port), [&](const Observed& seen) { said.push_back(seen.result); });
  EXPECT_THAT(said, ElementsAre(Result::timed_out, Result::refused));
}

TEST(Attempt, ANameThatCannotBe) {
  Ask ask{.host = "no such name", .addresses = {}, .port = 80, .http = {}, .from = {}};
  EXPECT_EQ(last(ask).result, Result::no_name);
}

TEST(Http, TheRequest) {
  EXPECT_EQ(
      request_text({.method = "POST",
                    .path = "/a?b",
                    .host = "web:81",
                    .headers = {{"x-try", "yes"}, {"host", "no"}}}),
      "POST /a?b HTTP/1.1\r\nhost: web:81\r\nx-try: yes\r\nuser-agent: weft-probe\r\ncontent-length: 0\r\n"
      "connection: close\r\n\r\n");
}

TEST(Http, TheAnswer) {
  auto seen =
      read_answer("HTTP/1.1 200 OK\r\na: b\r\n\r\n{\n  \"pod\": \"web-0\",\n  \"namespace\": \"shop\"\n}\n");
  EXPECT_EQ(seen.status, 200);
  EXPECT_EQ(seen.pod, "shop/web-0");
  EXPECT_EQ(read_answer("HTTP/1.1 503 \r\n\r\n").status, 503);
  EXPECT_EQ(read_answer("HTTP/1.1 301 Moved\r\nx: y\r\nLocation:  http://a/b \r\n\r\n").location,
            "http://a/b");
  EXPECT_THAT(read_answer("HTTP/1.1 301 Moved\r\nLocation: http://a").location, IsEmpty()) << "more may come";
  EXPECT_EQ(read_answer("HTTP/1.1 2").status, 0) << "not all of it";
  EXPECT_EQ(read_answer("SSH-2.0-x\r\n").status, 0);
  EXPECT_EQ(read_answer("HTTP/1.1 2x0 OK\r\n\r\n").status, 0);
  EXPECT_THAT(read_answer("HTTP/1.1 200 OK\r\n\r\n{\"pod\": }").pod, IsEmpty());
}

TEST(Probe, AsksAndAnswersGoAsJson) {
  Ask ask{.host = "web",
          .addresses = {*IpAddr::parse("fd00::1")},
          .port = 81,
          .protocol = IPPROTO_UDP,
          .http = HttpAsk{.tls = true, .method = "PUT", .path = "/x", .host = "h", .headers = {{"a", "b"}}},
          .from = {*IpAddr::parse("10.0.0.1")},
          .patience = std::chrono::milliseconds(7)};
  auto again = ask_of(json::parse(json::serialize(to_json(ask))));
  ASSERT_TRUE(again);
  EXPECT_EQ(to_json(*again), to_json(ask));
  Observed seen{.result = Result::refused,
                .stage = "connect",
                .detail = "why",
                .status = 3,
                .addresses = {*IpAddr::parse("10.0.0.1")},
                .address = IpAddr::parse("10.0.0.2"),
                .peer = IpAddr::parse("10.0.0.3"),
                .pod = "a/b",
                .seconds = 0.5};
  auto back = observed_of(json::parse(json::serialize(seen.to_json())));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->to_json(), seen.to_json());
  EXPECT_FALSE(ask_of("text"));
  EXPECT_FALSE(observed_of(json::object{{"result", "fine"}}));
}

const std::string kWeb = R"(
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.9, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
)";
const std::string kDeny = R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: none}
spec: {podSelector: {matchLabels: {app: web}}}
)";

std::string compare(Cluster& cluster, const std::string& to, Observed seen) {
  auto trace = cluster.trace("client", to);
  auto source = trace::parse_source(cluster.world(), "client", "default");
  auto destination = trace::parse_destination(cluster.world(), to, "default");
  auto ask = ask_for(cluster.world(), source->front(), *destination, {}, trace);
  EXPECT_TRUE(ask) << ask.error().message;
  return ask ? difference(trace, *ask, seen) : "";
}

Observed seen_as(Result result, std::string stage = "connect", int status = 0) {
  Observed out;
  out.result = result;
  out.stage = std::move(stage);
  out.status = status;
  return out;
}

TEST(Compare, WhatWorks) {
  Cluster cluster(kWeb);
  EXPECT_EQ(compare(cluster, "http://web/", seen_as(Result::connected, "answer", 200)), "");
  EXPECT_EQ(compare(cluster, "http://web/", seen_as(Result::connected, "answer", 404)), "")
      << "the program's word";
  EXPECT_THAT(compare(cluster, "http://web/", seen_as(Result::refused)),
              HasSubstr("foretold: works; seen: refused"));
  EXPECT_NE(compare(cluster, "http://web/", seen_as(Result::timed_out)), "");
  auto other = seen_as(Result::connected, "answer", 200);
  other.pod = "default/other";
  EXPECT_THAT(compare(cluster, "http://web/", other), HasSubstr("it gets to default/web"));
}

TEST(Compare, WhatIsDeniedIsWaitedForInVain) {
  Cluster cluster(kWeb + kDeny);
  EXPECT_EQ(compare(cluster, "http://web/", seen_as(Result::timed_out)), "");
  EXPECT_THAT(compare(cluster, "http://web/", seen_as(Result::timed_out, "name")),
              HasSubstr("with the name known"))
      << "it never got as far as the policy";
  EXPECT_NE(compare(cluster, "http://web/", seen_as(Result::connected)), "");
}

TEST(Compare, RefusedAndNoName) {
  Cluster cluster(kWeb);
  EXPECT_EQ(compare(cluster, "http://web:81/", seen_as(Result::refused)), "");
  EXPECT_NE(compare(cluster, "http://web:81/", seen_as(Result::timed_out)), "");
  EXPECT_EQ(compare(cluster, "http://nobody/", seen_as(Result::no_name, "name")), "");
  EXPECT_NE(compare(cluster, "http://nobody/", seen_as(Result::connected)), "");
}

TEST(Compare, AnObjectIsTriedAtEachAddress) {
  Ask ask{.host = {}, .addresses = {*IpAddr::parse("10.96.0.9"), *IpAddr::parse("fd00:96::9")}, .port = 80};
  auto asks = at_each_address(ask);
  ASSERT_EQ(asks.size(), 2U);
  EXPECT_EQ(asks[0].addresses, std::vector{ask.addresses[0]});
  EXPECT_EQ(asks[1].addresses, std::vector{ask.addresses[1]});
  EXPECT_EQ(asks[1].port, 80);
  ask = {.host = "web", .addresses = {}, .port = 80};
  EXPECT_EQ(at_each_address(ask).size(), 1U) << "the resolver's choice";
}

TEST(Compare, WhoeverIsConnectedToIsNamed) {
  Cluster cluster(kWeb);
  auto seen = seen_as(Result::connected);
  for (const auto& [address, pod] : cluster.world().pod_at) {
    if (pod == "default/web" && address.is_v4()) seen.peer = address;
  }
  seen.address = IpAddr::parse("10.96.0.9");
  name_peer(cluster.world(), seen);
  EXPECT_EQ(seen.pod, "default/web");
}

TEST(Compare, APodOfTheNodesNetworkMayAnswer) {
  Cluster cluster(kWeb + R"(---
apiVersion: v1
kind: Pod
metadata: {name: host, labels: {app: web}}
spec: {hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]}
)");
  auto seen = seen_as(Result::connected, "answer", 200);
  seen.pod = "default/host";
  EXPECT_EQ(compare(cluster, "http://web/", seen), "");
}

TEST(Compare, ExternalIPsAreNotAskedForFromThisMachine) {
  Cluster cluster(kWeb + R"(---
apiVersion: v1
kind: Service
metadata: {name: given}
spec: {selector: {app: web}, externalIPs: [198.51.100.1], ports: [{port: 80, targetPort: 8080}]}
)");
  auto ask = [&](const std::string& from) {
    auto trace = cluster.trace(from, "service/given");
    auto source = trace::parse_source(cluster.world(), from, "default");
    auto destination = trace::parse_destination(cluster.world(), "service/given", "default");
    return ask_for(cluster.world(), source->front(), *destination, {}, trace);
  };
  EXPECT_FALSE(ask("outside"));
  EXPECT_TRUE(ask("client"));
}

}  // namespace
}  // namespace weft::probe
