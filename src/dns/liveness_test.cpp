#include "dns/liveness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <thread>

#include "dns/server.h"

// Real servers on loopback.
namespace weft::dns {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using Clock = std::chrono::steady_clock;

const Liveness::Options kFast{.period = 10ms, .patience = 300ms, .settle = 50ms, .settle_max = 1000ms};

struct Following {
  boost::asio::io_context io{1};
  std::vector<Health> verdicts;
  std::string why;
  std::unique_ptr<Liveness> liveness;

  explicit Following(const SocketAddress& server, const Liveness::Options& options = kFast)
      : liveness(std::make_unique<Liveness>(
            io, server, *IpAddr::parse("10.96.0.10"),
            [this](Health health, const std::string& reason) {
              verdicts.push_back(health);
              why = reason;
            },
            options)) {}
  /// Until there are so many verdicts.
  bool wait(size_t count, Clock::duration patience = 20s) {
    auto deadline = Clock::now() + patience;
    while (verdicts.size() < count && Clock::now() < deadline) io.run_one_for(50ms);
    return verdicts.size() >= count;
  }
};

std::unique_ptr<Server> serve(SharedZone& zone, const SocketAddress& where) {
  ServerOptions options;
  options.listen = {where};
  for (int i = 0; i < 200; ++i) {
    if (auto server = Server::start(options, zone)) return std::move(*server);
    std::this_thread::sleep_for(10ms);  // the port of one that has just gone
  }
  throw std::runtime_error("no server on " + where.str());
}

const SocketAddress kAny = *SocketAddress::parse("127.0.0.1:0");

TEST(ReverseName, BothFamilies) {
  EXPECT_EQ(reverse_name(*IpAddr::parse("10.96.0.1")).str(), "1.0.96.10.in-addr.arpa.");
  EXPECT_EQ(reverse_name(*IpAddr::parse("fd00:96::a")).str(),
            "a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa.");
}

TEST(Liveness, UpWithTheFirstAnswerAndDownTheMomentItEnds) {
  SharedZone zone({});
  zone.write([](Zone& z) { z.set_synced(); });
  auto server = serve(zone, kAny);
  auto where = server->addresses().front();
  Following f(where);
  ASSERT_TRUE(f.wait(1));
  EXPECT_THAT(f.verdicts, ElementsAre(Health::up));
  server.reset();
  ASSERT_TRUE(f.wait(2));
  EXPECT_THAT(f.why, testing::HasSubstr("refused"));
  server = serve(zone, where);
  ASSERT_TRUE(f.wait(3));
  EXPECT_THAT(f.verdicts, ElementsAre(Health::up, Health::down, Health::up));
}

TEST(Liveness, AServerThatHasNothingToAnswerWithIsDown) {
  SharedZone zone({});
  auto server = serve(zone, kAny);
  Following f(server->addresses().front());
  ASSERT_TRUE(f.wait(1));
  EXPECT_THAT(f.verdicts, ElementsAre(Health::down));
  EXPECT_THAT(f.why, testing::HasSubstr("SERVFAIL"));
  zone.write([](Zone& z) { z.set_synced(); });
  ASSERT_TRUE(f.wait(2));
  EXPECT_THAT(f.verdicts, ElementsAre(Health::down, Health::up));
}

TEST(Liveness, OneThatIsToldToEndStillAnswers) {
  SharedZone zone({});
  zone.write([](Zone& z) { z.set_synced(); });
  auto server = serve(zone, kAny);
  auto where = server->addresses().front();
  Following f(where);
  ASSERT_TRUE(f.wait(1));
  server->set_lame_duck();
  ASSERT_TRUE(f.wait(2));
  EXPECT_THAT(f.verdicts, ElementsAre(Health::up, Health::ending));
  EXPECT_THAT(f.why, testing::HasSubstr("told to end"));
  server.reset();
  server = serve(zone, where);
  ASSERT_TRUE(f.wait(3));
  EXPECT_THAT(f.verdicts, ElementsAre(Health::up, Health::ending, Health::up))
      << "its successor counts again";
}

TEST(Liveness, OneThatWasToldToEndIsDownOnceItHasEnded) {
  SharedZone zone({});
  zone.write([](Zone& z) { z.set_synced(); });
  auto server = serve(zone, kAny);
  Following f(server->addresses().front());
  server->set_lame_duck();
  ASSERT_TRUE(f.wait(1));
  server.reset();
  ASSERT_TRUE(f.wait(2));
  EXPECT_THAT(f.verdicts, ElementsAre(Health::ending, Health::down));
}

TEST(Liveness, OneThatStandsStillIsDown) {
  // The kernel accepts for it.
  auto listening = open_tcp(kAny, false);
  ASSERT_TRUE(listening) << listening.error().message;
  Following f(local_address(*listening));
  ASSERT_TRUE(f.wait(1));
  EXPECT_THAT(f.verdicts, ElementsAre(Health::down));
}

TEST(Liveness, OneThatMakesRoomStaysUp) {
  SharedZone zone({});
  zone.write([](Zone& z) { z.set_synced(); });
  auto server = serve(zone, kAny);
  // An answer that is late for want of a processor is no matter here.
  auto patient = kFast;
  patient.patience = 5s;
  Following f(server->addresses().front(), patient);
  ASSERT_TRUE(f.wait(1));
  // Each new connection may end the oldest one; a question is answered on the next.
  for (int round = 0; round < 3; ++round) {
    std::vector<Fd> others;
    for (int i = 0; i < 300; ++i) {
      Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_storage storage;
      auto size = server->addresses().front().to(storage);
      ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size), 0);
      others.push_back(std::move(fd));
    }
    auto until = Clock::now() + 200ms;
    while (Clock::now() < until) f.io.run_one_for(20ms);
  }
  EXPECT_THAT(f.verdicts, ElementsAre(Health::up));
  server.reset();
  ASSERT_TRUE(f.wait(2));
  EXPECT_THAT(f.why, testing::HasSubstr("refused")) << "it was still asking";
}

TEST(Liveness, CanGoInsideItsOwnVerdict) {
  SharedZone zone({});
  zone.write([](Zone& z) { z.set_synced(); });
  auto server = serve(zone, kAny);
  boost::asio::io_context io(1);
  std::unique_ptr<Liveness> liveness;
  int verdicts = 0;
  liveness = std::make_unique<Liveness>(io, server->addresses().front(), *IpAddr::parse("10.96.0.10"),
                                        [&](Health, const std::string&) {
                                          ++verdicts;
                                          liveness.reset();
                                        });
  io.run_for(20s);  // ends when nothing is left to wait for
  EXPECT_EQ(verdicts, 1);
}

}  // namespace
}  // namespace weft::dns
