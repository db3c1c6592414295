/// Load for the scenarios: short connections at a given rate, or lasting ones, and what became of each; and
/// the server for them. Runs inside a pod or any other namespace.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include "client.h"
#include "server.h"

namespace {

using namespace weft;

/// "10.96.0.1:80" or "[fd00::1]:80".
load::Target parse_target(const std::string& text) {
  auto colon = text.rfind(':');
  auto host = text.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  auto port = colon == std::string::npos ? 0 : std::atoi(text.c_str() + colon + 1);
  load::Target target;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&target.address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&target.address);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    target.size = sizeof(*v4);
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    target.size = sizeof(*v6);
  }
  if (target.size == 0 || port < 1 || port > 65535)
    throw CLI::ValidationError(text, "not like 10.96.0.1:80 or [fd00::1]:80");
  return target;
}

load::Clock::duration seconds(double value) {
  return std::chrono::duration_cast<load::Clock::duration>(std::chrono::duration<double>(value));
}

void allow_many_sockets() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Short TCP connections at a rate; prints one line of JSON; exit 1 if any failed");
  std::vector<std::string> targets;
  double rate = 1000, time = 5, timeout = 10;
  bool raw = false;
  int held = 0;
  uint16_t port = 0;
  app.add_option("targets", targets, "ADDRESS:PORT…, in turns");
  app.add_option("--rate", rate, "connections a second")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--time", time, "seconds")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--timeout", timeout, "of one exchange, seconds")->capture_default_str();
  app.add_flag("--raw", raw, "a few bytes that come back, instead of HTTP");
  app.add_option("--hold", held, "instead: keep that many connections and use them all the time");
  app.add_option("--serve", port, "instead: answer on that port");
  try {
    app.parse(argc, argv);
    allow_many_sockets();
    if (port != 0) return load::serve(port);
    if (targets.empty()) throw CLI::RequiredError("targets");
    load::LoadOptions options{
        .targets = {}, .rate = rate, .time = seconds(time), .timeout = seconds(timeout), .raw = raw};
    for (const auto& text : targets) options.targets.push_back(parse_target(text));
    auto report = held > 0 ? load::hold(options, held) : load::open_and_close(options);
    fmt::print("{}\n", report.json());
    return report.good() ? 0 : 1;
  } catch (const CLI::ParseError& error) {
    int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
}
