#include "service/announcer.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <poll.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>

#include "kube/client/testing/memory_api.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "service/heartbeat_socket.h"
#include "service/test_segment.h"

namespace weft::service {
namespace {

using namespace std::chrono_literals;
using test::ip;
using test::kNodeMacText;
using testing::Contains;
using testing::HasSubstr;

constexpr const char* kServices = "/api/v1/namespaces/shop/services";
const IpAddr kOwn = ip("172.30.0.1"), kClient = ip("172.30.0.2");

/// The announcer of node-1 with an API server over TLS on loopback; another host asks for addresses.
class AnnouncerTest : public test::SegmentTest, public kube::test::Fixture {
 protected:
  void SetUp() override {
    SegmentTest::SetUp();
    if (!inside) return;
    api.emplace(*this);
    client.emplace(io, config());
    services.emplace(*client);
    slices.emplace(*client);
    nodes.emplace(*client);
    announcer.emplace(*client, "node-1");
    announcer->follow(*services, *slices, *nodes);
    put_node("node-1", "172.30.0.1");
  }
  void TearDown() override {
    announcer.reset();
    SegmentTest::TearDown();
  }

  void start() {
    auto started = announcer->start({kOwn, ip("fd00:172::1")});
    ASSERT_TRUE(started) << started.error().message;
  }
  void run_informers() {
    asio::co_spawn(io, services->run(), asio::detached);
    asio::co_spawn(io, slices->run(), asio::detached);
    asio::co_spawn(io, nodes->run(), asio::detached);
  }
  void put_node(const std::string& node, const std::string& address, bool ready = true) {
    kube::Node object;
    object.metadata.name = node;
    object.status.addresses.push_back({{}, "InternalIP", address});
    object.status.conditions.emplace_back();
    object.status.conditions[0].type = "Ready";
    object.status.conditions[0].status = ready ? "True" : "False";
    api->put("/api/v1/nodes", kube::encode(object));
  }
  void put_service(const std::string& service, const std::vector<std::string>& addresses) {
    kube::Service object;
    object.metadata.name = service;
    object.metadata.namespace_ = "shop";
    object.spec.type = "LoadBalancer";
    for (const auto& address : addresses) {
      object.status.loadBalancer.ingress.emplace_back();
      object.status.loadBalancer.ingress.back().ip = address;
    }
    api->put(kServices, kube::encode(object));
  }
  std::vector<std::string> told() const {
    std::vector<std::string> out;
    for (const auto& one : api->all("/api/v1/namespaces/shop/events")) {
      auto event = kube::decode<kube::Event>(one).value();
      out.push_back(event.reason + ": " + event.message);
    }
    return out;
  }
  /// What the client learns when it asks for the address, knowing nothing; asked again for a while until it
  /// is as expected.
  std::string ask(const IpAddr& addr, const std::string& expected) {
    std::string found;
    auto forget = "ip -n " + name + "-b neigh flush to " + addr.str();
    auto deadline = std::chrono::steady_clock::now() + 5s;
    do {
      EXPECT_EQ(std::system(forget.c_str()), 0);
      look_for(addr);
      settle(100ms);
      found = neighbour(addr);
    } while (found != expected && std::chrono::steady_clock::now() < deadline);
    return found;
  }
  void settle(std::chrono::milliseconds time) {
    auto end = std::chrono::steady_clock::now() + time;
    run_until([&] { return std::chrono::steady_clock::now() > end; });
  }

  std::optional<kube::test::MemoryApi> api;
  std::optional<kube::Client> client;
  std::optional<kube::Informer<kube::Service>> services;
  std::optional<kube::Informer<kube::EndpointSlice>> slices;
  std::optional<kube::Informer<kube::Node>> nodes;
  std::optional<Announcer> announcer;
};

TEST_F(AnnouncerTest, AnswersForAddressesAsLongAsServicesHaveThem) {
  put_service("web", {"172.30.0.200", "fd00:172::200"});
  start();
  run_informers();
  EXPECT_EQ(ask(ip("172.30.0.200"), kNodeMacText), kNodeMacText);
  EXPECT_EQ(ask(ip("fd00:172::200"), kNodeMacText), kNodeMacText);
  EXPECT_EQ(ask(ip("172.30.0.201"), ""), "") << "of no Service";
  run_until([&] { return told().size() == 2; });
  EXPECT_THAT(told(), Contains(HasSubstr("AddressAnnounced: 172.30.0.200 is announced from node-1 (eth0)")));

  put_service("web", {"172.30.0.201"});
  EXPECT_EQ(ask(ip("172.30.0.201"), kNodeMacText), kNodeMacText);
  EXPECT_EQ(ask(ip("172.30.0.200"), ""), "");
  EXPECT_EQ(ask(ip("fd00:172::200"), ""), "");
  api->erase(kServices, "web");
  EXPECT_EQ(ask(ip("172.30.0.201"), ""), "");
  put_service("web", {"172.30.0.201"});
  EXPECT_EQ(ask(ip("172.30.0.201"), kNodeMacText), kNodeMacText) << "it goes on where it ended";
}

/// Its thread and the one that reads the API have much to tell each other.
TEST_F(AnnouncerTest, KeepsUpWithManyChanges) {
  auto address = [](int i) -> std::string { return fmt::format("172.30.0.{}", 100 + i); };
  start();
  run_informers();
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 50; ++i) put_service(fmt::format("s{}", i), {address((i + round) % 100)});
    for (int i = 0; i < 5; ++i)
      put_node(fmt::format("other-{}", i), fmt::format("172.30.0.{}", 10 + i), (i + round) % 2 == 0);
    settle(300ms);
    look_for(ip(address(round).c_str()));
  }
  // The other nodes are expected, but never heard: it takes itself for the one who is cut off until they go.
  for (int i = 0; i < 5; ++i) api->erase("/api/v1/nodes", fmt::format("other-{}", i));
  EXPECT_EQ(ask(ip(address(9).c_str()), kNodeMacText), kNodeMacText);
  // So that the last change of all has come through, however late the API's watch is.
  ASSERT_TRUE(run_until([&] {
    auto last = services->get("shop/s49");
    return last && last->status.loadBalancer.ingress[0].ip == address(58);
  }));
  EXPECT_EQ(ask(ip(address(8).c_str()), ""), "");
  EXPECT_EQ(ask(ip(address(58).c_str()), kNodeMacText), kNodeMacText);
}

/// Another agent that has just started would answer the answers: the two would never end.
TEST_F(AnnouncerTest, BeforeItKnowsTheNodesItDoesNotAnswerEveryHeartbeat) {
  start();
  using Clock = std::chrono::steady_clock;
  int answers = 0;
  double seconds = 0;  // from the first answer on
  in_client([&] {
    auto socket = HeartbeatSocket::open(kClient);
    ASSERT_TRUE(socket) << socket.error().message;
    const auto deadline = Clock::now() + 20s;
    auto first = deadline;
    while (Clock::now() < deadline && (answers < 2 || Clock::now() < first + 1s)) {
      // Until the first answer the port may not be open yet.
      socket->send(kOwn, {.node = node_hash("node-2")});
      pollfd ready{.fd = socket->fd(), .events = POLLIN};
      ::poll(&ready, 1, 1);
      while (auto answer = socket->receive()) {
        EXPECT_EQ(answer->second.node, node_hash("node-1"));
        if (answers++ == 0) first = Clock::now();
      }
    }
    seconds = std::chrono::duration<double>(Clock::now() - first).count();
  });
  EXPECT_GE(answers, 2) << "whoever counts on it hears it in time";
  EXPECT_LE(answers, 25 * seconds) << "about one each 100 ms";
}

TEST_F(AnnouncerTest, APortThatIsTakenIsTriedAgain) {
  auto taken = HeartbeatSocket::open(kOwn);
  ASSERT_TRUE(taken);
  start();
  ::usleep(200'000);
  taken = HeartbeatSocket::open(ip("127.0.0.1"));  // the other one is closed
  bool heard = false;
  in_client([&] {
    auto socket = HeartbeatSocket::open(kClient);
    ASSERT_TRUE(socket);
    for (int i = 0; i < 50 && !heard; ++i) {
      socket->send(kOwn, {.node = node_hash("node-2")});
      ::usleep(100'000);
      heard = socket->receive().has_value();
    }
  });
  EXPECT_TRUE(heard);
}

}  // namespace
}  // namespace weft::service
