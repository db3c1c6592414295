#include "observe/recent_flows.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "datapath/prefix_key.h"

namespace weft::observe {
namespace {

const Names kNames{
    .pod_at = [](const IpAddr& ip) { return ip.str() == "10.244.0.2" ? "shop/client" : std::string(); },
    .service_at = [](const IpAddr&, uint16_t port,
                     uint8_t) { return port == 80 ? "shop/web" : std::string(); }};
const kube::TimePoint kNow = *kube::parse_time("2026-01-02T03:04:05Z");

weft_socket_event event(weft_socket_kind kind) {
  weft_socket_event out{};
  out.kind = kind;
  out.protocol = IPPROTO_TCP;
  datapath::fill_addr(out.local, *IpAddr::parse("10.244.0.2"));
  datapath::fill_addr(out.remote, *IpAddr::parse("10.244.1.3"));
  out.local_port = htons(40'000);
  out.remote_port = htons(8080);
  return out;
}

json::value only_flow(const weft_socket_event& event) {
  auto page =
      flows_json({.next = 1, .lost = 0, .events = {event}}, kNames, kNow, event.time_ns + 500'000'000);
  EXPECT_EQ(page["next"], 1);
  EXPECT_EQ(page["flows"].as_array().size(), 1U);
  return page["flows"].as_array()[0];
}

TEST(FlowsJson, AConnectionThroughAService) {
  auto connected = event(WEFT_SOCKET_CONNECTED);
  datapath::fill_addr(connected.frontend, *IpAddr::parse("10.96.0.7"));
  connected.frontend_port = htons(80);
  connected.took_ns = 1'500'000;
  auto flow = only_flow(connected);
  EXPECT_EQ(kube::string_at(flow, "time"), "2026-01-02T03:04:04.500000Z");
  EXPECT_EQ(kube::string_at(flow, "from.pod"), "shop/client");
  EXPECT_EQ(kube::string_at(flow, "to.pod"), "");
  EXPECT_EQ(kube::string_at(flow, "to.address"), "10.244.1.3");
  EXPECT_EQ(kube::string_at(flow, "service.name"), "shop/web");
  EXPECT_EQ(flow.at("service").at("port"), 80);
  EXPECT_EQ(flow.at("from").at("port"), 40'000);
  EXPECT_EQ(flow.at("took_us"), 1500);
}

TEST(FlowsJson, AConnectionThatIsTranslatedPastTheSocket) {
  auto connected = event(WEFT_SOCKET_CONNECTED);
  datapath::fill_addr(connected.remote, *IpAddr::parse("10.96.0.7"));
  connected.remote_port = htons(80);
  auto flow = only_flow(connected);
  EXPECT_EQ(kube::string_at(flow, "service.name"), "shop/web");
  EXPECT_EQ(kube::string_at(flow, "service.address"), "10.96.0.7");
  EXPECT_TRUE(only_flow(event(WEFT_SOCKET_CONNECTED)).at("service").is_null()) << "a pod's own address";
}

TEST(FlowsJson, FromIsWhoBeganAlsoAtTheServer) {
  auto accepted = event(WEFT_SOCKET_ACCEPTED);
  accepted.accepted = 1;
  auto flow = only_flow(accepted);
  EXPECT_EQ(kube::string_at(flow, "from.address"), "10.244.1.3");
  EXPECT_EQ(kube::string_at(flow, "to.pod"), "shop/client");
  EXPECT_EQ(kube::string_at(flow, "seen_at"), "to");
  EXPECT_TRUE(flow.at("service").is_null());
}

TEST(FlowsJson, WhatFailedSaysWhy) {
  auto failed = event(WEFT_SOCKET_FAILED);
  failed.error = ECONNREFUSED;
  auto flow = only_flow(failed);
  EXPECT_EQ(kube::string_at(flow, "verdict"), "ERROR");
  EXPECT_EQ(kube::string_at(flow, "error"), "ECONNREFUSED");
  EXPECT_EQ(kube::string_at(only_flow(event(WEFT_SOCKET_FAILED)), "error"), "");
}

/// As the programs write it.
class Ring {
 public:
  void tell() {
    auto& place = events_[told_ % events_.size()];
    place.sent = told_;
    place.number = ++told_;
  }
  /// One that is not written yet.
  void begin() { ++told_; }
  datapath::SocketEventPage read(uint64_t after, size_t most = 100) const {
    return datapath::read_ring(events_, told_, after, most);
  }

 private:
  std::array<weft_socket_event, 8> events_{};
  uint64_t told_ = 0;
};

std::vector<uint64_t> told_in(const datapath::SocketEventPage& page) {
  std::vector<uint64_t> out;
  for (const auto& event : page.events) out.push_back(event.sent);
  return out;
}

TEST(SocketEventRing, APageAtATimeAndOnlyTheLatestAreKept) {
  Ring ring;
  EXPECT_EQ(ring.read(0).next, 0U);
  for (int i = 0; i < 10; ++i) ring.tell();
  auto page = ring.read(0, 5);
  EXPECT_THAT(told_in(page), testing::ElementsAre(2, 3, 4, 5, 6));
  EXPECT_EQ(page.lost, 0U) << "they were before somebody asked";
  page = ring.read(page.next, 5);
  EXPECT_THAT(told_in(page), testing::ElementsAre(7, 8, 9));
  EXPECT_TRUE(ring.read(page.next).events.empty());
  for (int i = 0; i < 11; ++i) ring.tell();
  EXPECT_EQ(ring.read(page.next).lost, 3U);
  EXPECT_THAT(told_in(ring.read(100)), testing::SizeIs(8)) << "an agent that began anew counts from 0";
}

TEST(SocketEventRing, WhatIsBeingWrittenIsReadLater) {
  Ring ring;
  ring.tell();
  ring.begin();
  auto page = ring.read(0);
  EXPECT_THAT(told_in(page), testing::ElementsAre(0));
  EXPECT_EQ(page.next, 1U);
  for (int i = 0; i < 7; ++i) ring.tell();
  EXPECT_TRUE(ring.read(1).events.empty()) << "it is still";
}

/// What two processors tell, and the log of it.
class SocketEventLogTest : public testing::Test {
 protected:
  void tell(size_t processor, uint64_t time, uint64_t sent) {
    auto& ring = *rings_[processor];
    auto& place = ring.events[ring.told % WEFT_SOCKET_EVENTS];
    place.time_ns = time;
    place.sent = sent;
    place.number = ++ring.told;
  }
  datapath::SocketEventPage read(uint64_t after, size_t most = SIZE_MAX) {
    log_.collect(std::array<const weft_socket_ring*, 2>{rings_[0].get(), rings_[1].get()});
    return log_.read(after, most);
  }

  std::array<std::unique_ptr<weft_socket_ring>, 2> rings_{std::make_unique<weft_socket_ring>(),
                                                          std::make_unique<weft_socket_ring>()};
  datapath::SocketEventLog log_{6};
};

TEST_F(SocketEventLogTest, TheOlderOfAllProcessorsFirst) {
  EXPECT_EQ(read(0).next, 0U);
  tell(0, 10, 1);
  tell(0, 10, 2);
  tell(0, 30, 4);
  tell(1, 20, 3);
  auto page = read(0, 3);
  EXPECT_THAT(told_in(page), testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(page.next, 3U);
  EXPECT_EQ(page.events.back().number, 3U) << "not its processor's number";
  tell(1, 25, 5);  // written after others that are younger had been read
  page = read(page.next);
  EXPECT_THAT(told_in(page), testing::ElementsAre(4, 5));
  EXPECT_EQ(page.lost, 0U);
  EXPECT_TRUE(read(page.next).events.empty());
  EXPECT_EQ(read(page.next).next, 5U);
}

TEST_F(SocketEventLogTest, WhatMadeRoomBeforeTheFirstLookIsCounted) {
  tell(0, 1, 0);
  auto page = read(0);
  for (uint64_t i = 0; i < WEFT_SOCKET_EVENTS + 5; ++i) tell(1, 2 + i, i);
  page = read(page.next);
  EXPECT_THAT(page.events, testing::SizeIs(6));
  EXPECT_EQ(page.lost, WEFT_SOCKET_EVENTS + 5 - 6);
}

TEST_F(SocketEventLogTest, WhatMadeRoomIsCounted) {
  tell(0, 1, 0);
  auto page = read(0);
  for (uint64_t i = 0; i < 8; ++i) tell(1, 2 + i, i);
  page = read(page.next);
  EXPECT_THAT(told_in(page), testing::ElementsAre(2, 3, 4, 5, 6, 7)) << "six have room";
  EXPECT_EQ(page.lost, 2U);
  for (uint64_t i = 0; i < WEFT_SOCKET_EVENTS + 5; ++i) tell(0, 20 + i, i);
  page = read(page.next);
  EXPECT_THAT(page.events, testing::SizeIs(6));
  EXPECT_EQ(page.lost, WEFT_SOCKET_EVENTS + 5 - 6);
  EXPECT_EQ(page.next, 1 + 8 + WEFT_SOCKET_EVENTS + 5);
  log_.lose(3);
  page = read(page.next);
  EXPECT_EQ(page.lost, 3U) << "came to no ring";
  EXPECT_THAT(page.events, testing::IsEmpty());
  EXPECT_EQ(read(page.next).lost, 0U);
  EXPECT_THAT(read(1'000'000).events, testing::SizeIs(6)) << "an agent that began anew counts from 0";
}

}  // namespace
}  // namespace weft::observe
