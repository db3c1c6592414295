#include "gateway/proxy/metrics.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

namespace weft::gateway {
namespace {

TEST(GatewayMetrics, TellsByListener) {
  Stats stats{.connections = 3, .connections_total = 9, .refused = 1, .listeners = {}};
  auto& http = stats.listeners["shop/edge/http"];
  http.requests[2] = 5;
  http.requests[0] = 1;
  http.durations[0] = 4;
  http.durations[kDurationBounds.size()] = 2;
  http.duration_ms = 30'500;
  auto text = prometheus::TextSerializer().Serialize(metric_families(stats));
  for (const auto* line :
       {R"(weft_gateway_requests_total{gateway="shop/edge",listener="http",code="2xx"} 5)",
        R"(weft_gateway_requests_total{gateway="shop/edge",listener="http",code="none"} 1)",
        R"(weft_gateway_request_duration_seconds_bucket{gateway="shop/edge",listener="http",le="0.005"} 4)",
        R"(weft_gateway_request_duration_seconds_bucket{gateway="shop/edge",listener="http",le="+Inf"} 6)",
        R"(weft_gateway_request_duration_seconds_sum{gateway="shop/edge",listener="http"} 30.5)",
        "weft_gateway_connections 3", "weft_gateway_connections_refused_total 1"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
}

}  // namespace
}  // namespace weft::gateway
