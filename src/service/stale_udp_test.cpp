#include "service/stale_udp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace weft::service {
namespace {

using namespace std::chrono_literals;
using Backend = StaleUdp::Backend;
using testing::ElementsAre;
using testing::IsEmpty;

/// Sockets by cookie, each with the port of its backend.
class StaleUdpTest : public testing::Test {
 protected:
  std::vector<uint64_t> ended(std::chrono::milliseconds at) {
    auto found = stale_.look(
        sockets_, [this](const weft_peer& peer) { return backends_.at(peer.backend_port); }, start_ + at);
    again_ = found.look_again ? std::optional(*found.look_again - start_) : std::nullopt;
    std::vector<uint64_t> out;
    for (const auto& socket : found.to_end) out.push_back(socket.cookie);
    return out;
  }
  void connect(uint64_t cookie, uint16_t backend) {
    weft_peer peer{};
    peer.backend_port = backend;
    sockets_.emplace_back(cookie, peer);
  }

  std::map<uint16_t, Backend> backends_;
  std::vector<std::pair<uint64_t, weft_peer>> sockets_;
  std::optional<StaleUdp::Clock::duration> again_;

 private:
  StaleUdp stale_;
  StaleUdp::Clock::time_point start_ = StaleUdp::Clock::now();
};

TEST_F(StaleUdpTest, ThoseOfABackendThatIsGoneEndAtOnce) {
  backends_ = {{1, Backend::serves}, {2, Backend::gone}};
  connect(10, 1);
  connect(20, 2);
  EXPECT_THAT(ended(0ms), ElementsAre(20));
  EXPECT_EQ(again_, std::nullopt);
}

TEST_F(StaleUdpTest, ThoseOfOneThatIsNotReadyHaveTime) {
  backends_ = {{1, Backend::not_ready}};
  connect(10, 1);
  EXPECT_THAT(ended(0ms), IsEmpty());
  EXPECT_EQ(again_, StaleUdp::kGrace);
  connect(11, 1);
  EXPECT_THAT(ended(100ms), IsEmpty());
  EXPECT_EQ(again_, StaleUdp::kGrace) << "the first one's does not begin anew";
  EXPECT_THAT(ended(StaleUdp::kGrace), ElementsAre(10));
  EXPECT_EQ(again_, StaleUdp::kGrace + 100ms);
}

TEST_F(StaleUdpTest, TimeEndsWithTheBackend) {
  backends_ = {{1, Backend::not_ready}};
  connect(10, 1);
  EXPECT_THAT(ended(0ms), IsEmpty());
  backends_[1] = Backend::gone;
  EXPECT_THAT(ended(1ms), ElementsAre(10));
}

TEST_F(StaleUdpTest, TimeBeginsAnewAfterItWasReadyAgain) {
  backends_ = {{1, Backend::not_ready}};
  connect(10, 1);
  EXPECT_THAT(ended(0ms), IsEmpty());
  backends_[1] = Backend::serves;
  EXPECT_THAT(ended(100ms), IsEmpty());
  EXPECT_EQ(again_, std::nullopt);
  backends_[1] = Backend::not_ready;
  EXPECT_THAT(ended(StaleUdp::kGrace), IsEmpty());
  EXPECT_EQ(again_, StaleUdp::kGrace * 2);
}

}  // namespace
}  // namespace weft::service
