#include "standalone/sandbox/echo.h"

#include <fmt/core.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

namespace weft::standalone::sandbox {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Expected<std::vector<uint16_t>> ports(const char* name) {
  std::vector<uint16_t> out;
  std::string text = variable(name);
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    uint16_t port = 0;
    auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, port);
    if (error != std::errc() || stop != text.data() + end || port == 0)
      return fail(
          ErrorCode::invalid,
          fmt::format("{}={}: must be port numbers from 1 to 65535, with commas between them", name, text));
    out.push_back(port);
    begin = end + 1;
  }
  return out;
}

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

Expected<EchoOptions> echo_options_from_environment() {
  EchoOptions options;
  WEFT_TRY(options.http, ports("PORT"));
  WEFT_TRY(options.tcp, ports("TCP_PORT"));
  WEFT_TRY(options.udp, ports("UDP_PORT"));
  if (variable("PORT").empty() && options.tcp.empty() && options.udp.empty()) options.http = {8080};
  options.identity = {variable("POD_NAME"), variable("POD_NAMESPACE"), variable("POD_IP"),
                      variable("NODE_NAME")};
  if (options.identity.pod.empty()) options.identity.pod = host_name();
  return options;
}

}  // namespace weft::standalone::sandbox
