#include "client.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/fd.h"

namespace weft::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::string_view kRequest = "GET /hostname HTTP/1.1\r\nHost: rollout\r\nConnection: close\r\n\r\n";
constexpr std::string_view kAnswer = "HTTP/1.1 200";

/// "": answered; otherwise what went wrong.
std::string attempt(const sockaddr_in& service) {
  Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
  timeval patience{5, 0};
  for (int option : {SO_RCVTIMEO, SO_SNDTIMEO})
    ::setsockopt(fd.get(), SOL_SOCKET, option, &patience, sizeof patience);
  auto failed = [](const char* step) { return std::string(step) + ": " + std::strerror(errno); };
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&service), sizeof service) != 0)
    return failed("connect");
  if (::send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) return failed("send");
  std::string answer;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0) answer.append(buffer, static_cast<size_t>(n));
  if (n < 0) return failed("receive");
  return answer.starts_with(kAnswer) ? "" : "answer: " + answer.substr(0, answer.find('\r'));
}

}  // namespace

int attempt_until_stopped(const std::string& address, const std::string& folder) {
  sockaddr_in service{};
  service.sin_family = AF_INET;
  service.sin_port = htons(80);
  ::inet_pton(AF_INET, address.c_str(), &service.sin_addr);
  Attempts attempts;
  for (long n = 0; n % 256 || !std::filesystem::exists(folder + "/stop"); ++n) {
    auto start = Clock::now();
    auto problem = attempt(service);
    if (!problem.empty()) {
      ++attempts.failed[problem];
      continue;
    }
    ++attempts.answered;
    double took = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    attempts.longest_ms = std::max(attempts.longest_ms, took);
  }
  std::ofstream out(folder + "/attempts.new");
  out << attempts.answered << " " << attempts.longest_ms << "\n";
  for (const auto& [problem, count] : attempts.failed) out << count << " " << problem << "\n";
  out.close();
  std::filesystem::rename(folder + "/attempts.new", folder + "/attempts");
  ::pause();
  return 0;
}

Attempts read_attempts(const std::string& folder) {
  Attempts out;
  std::ifstream in(folder + "/attempts");
  in >> out.answered >> out.longest_ms;
  long count = 0;
  for (std::string problem; in >> count && std::getline(in, problem);) out.failed[problem.substr(1)] += count;
  return out;
}

}  // namespace weft::bench
