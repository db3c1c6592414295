#include "dns/status_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/http/client.h"
#include "dns/metrics.h"

namespace weft::dns {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

class DnsStatusPages : public testing::Test {
 protected:
  void open(bool one_address) {
    http::Address first{*IpAddr::parse("127.0.0.1"), 0}, second{*IpAddr::parse("127.0.0.2"), 0};
    auto opened = StatusPages::open(
        io_, {.health = first,
              .ready = first,
              .metrics = one_address ? first : second,
              .synced = [this] { return synced_; },
              .families =
                  [this] {
                    return metric_families(
                        {.threads = {&a_, &b_}, .failed_reloads = 2, .last_reload_failed = true}, old_);
                  }});
    ASSERT_TRUE(opened) << opened.error().message;
    pages_ = std::move(*opened);
  }

  http::Response get(const std::string& path, bool second = false) {
    http::Response out;
    http::Address at{*IpAddr::parse(second ? "127.0.0.2" : "127.0.0.1"), pages_->ports().at(second)};
    asio::co_spawn(
        io_,
        [&]() -> asio::awaitable<void> {
          auto answer = co_await http::get(io_, at, path, 20s);
          if (answer) out = *answer;
          io_.stop();
        },
        asio::detached);
    io_.restart();
    io_.run();
    return out;
  }

  asio::io_context io_;
  Counters a_, b_;
  bool synced_ = false, old_ = false;
  std::unique_ptr<StatusPages> pages_;
};

TEST_F(DnsStatusPages, ReadyOnceSyncedAndNeitherInTheEnd) {
  open(true);
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(get("/ready").status, 503);
  synced_ = true;
  EXPECT_EQ(get("/ready").status, 200);
  pages_->set_lame_duck();
  EXPECT_EQ(get("/health").status, 503);
  EXPECT_EQ(get("/ready").status, 503);
  EXPECT_EQ(get("/metrics").status, 200);
}

TEST_F(DnsStatusPages, EachPageOnlyWhereItIsWanted) {
  open(false);
  EXPECT_EQ(get("/metrics").status, 404);
  EXPECT_EQ(get("/metrics", true).status, 200);
  auto health = get("/health", true);
  EXPECT_EQ(health.status, 404);
  EXPECT_THAT(health.body, AllOf(HasSubstr("/metrics"), Not(HasSubstr("/health"))));
}

TEST_F(DnsStatusPages, MoveWhileTheyAreServed) {
  open(true);
  const http::Address first{*IpAddr::parse("127.0.0.1"), 0}, second{*IpAddr::parse("127.0.0.2"), 0};
  const auto port = pages_->ports().at(0);
  ASSERT_TRUE(pages_->move(first, std::nullopt, second));
  EXPECT_EQ(pages_->ports().at(0), port) << "what stays is not opened again";
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(get("/ready").status, 404);
  EXPECT_EQ(get("/metrics").status, 404);
  EXPECT_EQ(get("/metrics", true).status, 200);
  // An address that no link has.
  EXPECT_FALSE(pages_->move(http::Address{*IpAddr::parse("192.0.2.1"), 0}, std::nullopt, std::nullopt));
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(get("/metrics", true).status, 200);
}

TEST_F(DnsStatusPages, MetricsAreOfAllThreads) {
  open(true);
  a_.requests[0][1][type_slot(28)].add(2);
  b_.requests[0][1][type_slot(28)].add(3);
  b_.requests[1][0][type_slot(4711)].add();
  a_.responses[3].add(4);
  a_.durations[0].add(1);
  b_.durations[12].add(1);
  b_.duration_us.add(9'000'000);
  a_.cache.entries_negative.set(6);
  auto body = get("/metrics").body;
  EXPECT_THAT(body, HasSubstr("weft_dns_requests_total{proto=\"udp\",family=\"2\",type=\"AAAA\"} 5\n"));
  EXPECT_THAT(body, HasSubstr("weft_dns_requests_total{proto=\"tcp\",family=\"1\",type=\"other\"} 1\n"));
  EXPECT_THAT(body, HasSubstr("weft_dns_responses_total{rcode=\"NXDOMAIN\"} 4\n"));
  EXPECT_THAT(body, HasSubstr("weft_dns_request_duration_seconds_bucket{le=\"5e-05\"} 1\n"));
  EXPECT_THAT(body, HasSubstr("weft_dns_request_duration_seconds_bucket{le=\"8\"} 1\n"));
  EXPECT_THAT(body, HasSubstr("weft_dns_request_duration_seconds_count 2\n"));
  EXPECT_THAT(body, HasSubstr("weft_dns_request_duration_seconds_sum 9\n"));
  EXPECT_THAT(body, HasSubstr("weft_dns_cache_entries{type=\"denial\"} 6\n"));
  EXPECT_THAT(body, HasSubstr("weft_dns_config_reloads_total{result=\"failure\"} 2\n"));
  EXPECT_THAT(body, HasSubstr("weft_dns_config_last_reload_successful 0\n"));
  EXPECT_THAT(body, Not(HasSubstr("coredns_")));
}

TEST_F(DnsStatusPages, TheOldNamesWhenAskedFor) {
  old_ = true;
  open(true);
  a_.requests[0][0][0].add(7);
  auto body = get("/metrics").body;
  EXPECT_THAT(body, HasSubstr("weft_dns_requests_total{proto=\"udp\",family=\"1\",type=\"A\"} 7\n"));
  EXPECT_THAT(body, HasSubstr("coredns_dns_requests_total{proto=\"udp\",family=\"1\",type=\"A\",server=\"dns:"
                              "//:53\",zone=\".\",view=\"\"} 7\n"));
  EXPECT_THAT(body, HasSubstr("coredns_cache_hits_total{"));
  EXPECT_THAT(body, HasSubstr("coredns_dns_request_duration_seconds_bucket{"));
}

}  // namespace
}  // namespace weft::dns
