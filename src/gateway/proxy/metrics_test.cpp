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
  http.flags[static_cast<size_t>(Flag::no_route)] = 4;
  auto& tcp = stats.listeners["shop/edge/db"];
  tcp.streams = 8;
  tcp.streams_active = 2;
  tcp.stream_bytes_in = 700;
  tcp.stream_bytes_out = 900;
  auto text = prometheus::TextSerializer().Serialize(metric_families(stats));
  for (const auto* line :
       {R"(weft_gateway_requests_total{gateway="shop/edge",listener="http",code="2xx"} 5)",
        R"(weft_gateway_requests_total{gateway="shop/edge",listener="http",code="none"} 1)",
        R"(weft_gateway_request_duration_seconds_bucket{gateway="shop/edge",listener="http",le="0.005"} 4)",
        R"(weft_gateway_request_duration_seconds_bucket{gateway="shop/edge",listener="http",le="+Inf"} 6)",
        R"(weft_gateway_request_duration_seconds_sum{gateway="shop/edge",listener="http"} 30.5)",
        R"(weft_gateway_failures_total{gateway="shop/edge",listener="http",flag="no_route"} 4)",
        R"(weft_gateway_streams_total{gateway="shop/edge",listener="db"} 8)",
        R"(weft_gateway_streams_active{gateway="shop/edge",listener="db"} 2)",
        R"(weft_gateway_stream_received_bytes_total{gateway="shop/edge",listener="db"} 700)",
        R"(weft_gateway_stream_sent_bytes_total{gateway="shop/edge",listener="db"} 900)",
        "weft_gateway_connections 3", "weft_gateway_connections_refused_total 1"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  EXPECT_EQ(text.find(R"(weft_gateway_streams_total{gateway="shop/edge",listener="http"})"),
            std::string::npos);
}

}  // namespace
}  // namespace weft::gateway
