#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft::standalone::sandbox {

/// Who answers, for the JSON of weft/echo.
struct EchoIdentity {
  std::string pod, ns, ip, node;
};

struct EchoOptions {
  std::vector<uint16_t> http;  ///< HTTP/1.1, and h2c (gRPC echo, grpc.health.v1) by prior knowledge
  std::vector<uint16_t> tcp;   ///< every byte comes back
  std::vector<uint16_t> udp;   ///< every datagram comes back
  EchoIdentity identity;
};

/// From the environment: PORT (default 8080) for HTTP, TCP_PORT and UDP_PORT lists with commas, POD_NAME
/// (else the host name), POD_NAMESPACE, POD_IP, NODE_NAME.
Expected<EchoOptions> echo_options_from_environment();

/// Serves on all addresses of both families until SIGTERM or SIGINT; then stops listening, answers what is
/// under way and returns. Fails when a port cannot be had.
Expected<void> run_echo(const EchoOptions& options);

}  // namespace weft::standalone::sandbox
