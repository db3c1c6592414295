#include "service/health_ports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/http/client.h"
#include "service/test_world.h"

namespace weft::service {
namespace {

using namespace std::chrono_literals;
using test::endpoint;
using test::slice;
using testing::HasSubstr;
using testing::IsEmpty;

const IpAddr kHere = *IpAddr::parse("127.0.0.1");

/// A port of loopback that nobody has right now.
uint16_t free_port(asio::io_context& io) {
  http::Server server(io);
  return (*server.listen({kHere, 0}, http::answer_with([](const auto&) { return http::Answer{}; })))->port();
}

class HealthPortsTest : public testing::Test {
 protected:
  HealthPortsTest()
      : ports_(server_, io_,
               {.node = "node-1",
                .healthy = [this] { return healthy_; },
                .complain = [this](const auto&, const auto& text) { complaints_.push_back(text); },
                .retry = 30ms}) {
    ports_.set_addresses({kHere});
  }

  static SlicePtr ready(int count) {
    std::vector<kube::Endpoint> endpoints;
    for (int i = 1; i <= count; ++i)
      endpoints.push_back(endpoint("10.0.0." + std::to_string(i), "ready", "node-1"));
    return slice("a", "web", {{"p", "TCP", 80}}, std::move(endpoints));
  }
  void change(uint16_t port, int endpoints) {
    auto service = test::service("web", {"10.96.0.1"}, {{"p", "TCP", 80}});
    service->spec.type = "LoadBalancer";
    service->spec.externalTrafficPolicy = "Local";
    service->spec.healthCheckNodePort = port;
    std::vector<SlicePtr> slices{ready(endpoints)};
    ports_.service_changed("shop/web", service, slices);
  }
  /// "200 …" or what went wrong.
  std::string ask(uint16_t port) {
    std::string out;
    asio::co_spawn(io_, http::get(io_, {kHere, port}, "/anything", 2s),
                   [&](const std::exception_ptr&, Expected<http::Response> answer) {
                     out = answer ? std::to_string(answer->status) + " " + answer->body
                                  : answer.error().message;
                     io_.stop();
                   });
    io_.restart();
    io_.run();
    return out;
  }
  void run_for(std::chrono::milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }

  asio::io_context io_{1};
  http::Server server_{io_};
  bool healthy_ = true;
  std::vector<std::string> complaints_;
  HealthPorts ports_;
};

TEST_F(HealthPortsTest, AnswersToTheByteAsKubeProxy) {
  auto port = free_port(io_);
  change(port, 2);
  EXPECT_EQ(ask(port),
            "200 {\n\t\"service\": {\n\t\t\"namespace\": \"shop\",\n\t\t\"name\": \"web\"\n\t},\n"
            "\t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}");
  healthy_ = false;
  EXPECT_THAT(ask(port), HasSubstr("503 {"));
  EXPECT_THAT(ask(port), HasSubstr("\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": false"));
  healthy_ = true;
  change(port, 0);
  EXPECT_THAT(ask(port), HasSubstr("503 {"));
  EXPECT_THAT(ask(port), HasSubstr("\"localEndpoints\": 0,"));
}

TEST_F(HealthPortsTest, PortsFollowTheService) {
  auto port = free_port(io_), other = free_port(io_);
  change(port, 1);
  EXPECT_THAT(ask(port), HasSubstr("200 "));
  change(other, 1);
  EXPECT_THAT(ask(port), HasSubstr("refused"));
  EXPECT_THAT(ask(other), HasSubstr("200 "));
  ports_.set_addresses({});
  EXPECT_THAT(ask(other), HasSubstr("refused"));
  ports_.set_addresses({kHere});
  EXPECT_THAT(ask(other), HasSubstr("200 "));
  ports_.service_changed("shop/web", nullptr, {});
  EXPECT_THAT(ask(other), HasSubstr("refused"));
  EXPECT_THAT(complaints_, IsEmpty());
}

TEST_F(HealthPortsTest, ATakenPortIsToldOnceAndTriedAgain) {
  http::Server somebody(io_);
  auto taken =
      somebody.listen({kHere, 0}, http::answer_with([](const auto&) { return http::Answer{.status = 404}; }));
  auto port = (*taken)->port();
  change(port, 1);
  run_for(100ms);
  ASSERT_EQ(complaints_.size(), 1U);
  EXPECT_THAT(complaints_[0], HasSubstr("node node-1 failed to start healthcheck \"shop/web\" on port " +
                                        std::to_string(port)));
  EXPECT_THAT(ask(port), HasSubstr("404 "));
  taken->reset();
  run_for(200ms);
  EXPECT_THAT(ask(port), HasSubstr("200 "));
  EXPECT_EQ(complaints_.size(), 1U);
}

}  // namespace
}  // namespace weft::service
