#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gateway/proxy/test_proxy.h"

namespace weft::gateway {
namespace {

/// A real server behind the proxy that notes each request it has seen and answers with its target.
class Nginx {
 public:
  explicit Nginx(uint16_t port) : port_(port) {
    char folder[] = "/tmp/weft-smuggling.XXXXXX";
    folder_ = ::mkdtemp(folder);
    std::ofstream(folder_ + "/conf") << fmt::format(
        "daemon off; master_process off; pid {0}/pid; error_log {0}/errors; events {{}}\n"
        "http {{ log_format seen '$request_method $request_uri'; access_log {0}/seen seen;\n"
        "client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c; uwsgi_temp_path "
        "{0}/d;\n"
        "scgi_temp_path {0}/e; server {{ listen 127.0.0.1:{1} reuseport; location / {{ return 200 "
        "$request_uri; }} }} "
        "}}\n",
        folder_, port);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      auto conf = folder_ + "/conf", errors = folder_ + "/errors";
      ::execlp("nginx", "nginx", "-e", errors.c_str(), "-c", conf.c_str(), nullptr);
      ::_exit(127);
    }
  }
  ~Nginx() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }
  Nginx(const Nginx&) = delete;

  static bool is_installed() { return std::system("command -v nginx >/dev/null 2>&1") == 0; }
  bool listens() const {
    for (int i = 0; i < 500; ++i) {
      if (TestSocket::connect(port_).good()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  /// Whether this is the last line, be it a while after the answer: it is written behind that.
  bool saw_last(const std::string& line) const {
    for (int i = 0; i < 500; ++i) {
      if (auto lines = seen(); !lines.empty() && lines.back() == line) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  /// All so far, a line each.
  std::vector<std::string> seen() const {
    std::ifstream file(folder_ + "/seen");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

 private:
  std::string folder_;
  uint16_t port_;
  pid_t pid_ = -1;
};

constexpr std::string_view kHidden = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// A request with these lines in its head, behind which another one hides.
std::string with(std::string_view lines, std::string_view body = kHidden, std::string_view method = "POST") {
  return fmt::format("{} /case HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n{}", method, lines, body);
}
std::string with_length(std::string_view more = "") {
  return with(fmt::format("Content-Length: {}{}", kHidden.size(), more));
}
std::string chunked(std::string_view body) { return with("Transfer-Encoding: chunked", body); }
/// The hidden request as a chunk's data.
std::string chunk(std::string_view size_suffix = "\r\n", std::string_view end = "\r\n0\r\n\r\n") {
  return fmt::format("{:x}{}{}{}", kHidden.size(), size_suffix, kHidden, end);
}

/// By what they try. Whoever reads a message's end where RFC 9112 does not finds the hidden request.
std::vector<std::pair<std::string, std::string>> cases() {
  const std::string both = fmt::format("Content-Length: {}\r\n", kHidden.size() + 5);
  std::vector<std::pair<std::string, std::string>> out = {
      {"a length and chunks", with(both + "Transfer-Encoding: chunked", "0\r\n\r\n" + std::string(kHidden))},
      {"chunks and a length", with("Transfer-Encoding: chunked\r\nContent-Length: 4", chunk())},
      {"HTTP/1.0 with chunks",
       "POST /case HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n" +
           std::string(kHidden)},
      {"a body of GET", with(fmt::format("Content-Length: {}", kHidden.size()), kHidden, "GET")},
      {"a body of HEAD", with(fmt::format("Content-Length: {}", kHidden.size()), kHidden, "HEAD")},
      {"a body of OPTIONS", with(fmt::format("Content-Length: {}", kHidden.size()), kHidden, "OPTIONS")},
      {"the length as a field of the connection", with_length("\r\nConnection: keep-alive, Content-Length")},
      {"chunks as a field of the connection",
       with("Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding", chunk())},
      {"Expect with a body at once", with_length("\r\nExpect: 100-continue")},
      {"Expect that nobody knows", with_length("\r\nExpect: x")},
      {"an upgrade with a body", with_length("\r\nConnection: Upgrade\r\nUpgrade: websocket")},
      {"an upgrade to HTTP/2", with_length("\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                           "HTTP2-Settings: AAMAAABkAAQAAP__")},
      {"CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + std::string(kHidden)},
      {"a bare CR in a value", with("X: a\rGET /smuggled HTTP/1.1\rHost: a", "")},
      {"a bare LF in a value", "GET /case HTTP/1.1\r\nHost: a\r\nX: a\n\n" + std::string(kHidden)},
      {"a NUL in a value", with(std::string("X: a\0b", 6) + "\r\nContent-Length: 0")},
      {"a target with a tab",
       "GET /case\tHTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" + std::string(kHidden)},
      {"a target with a space", "GET /case HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(kHidden)},
      {"an escaped line end in a target", "GET /case%0d%0aGET%20/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"no version", "GET /case\r\n\r\n" + std::string(kHidden)},
      {"two hosts", "GET /case HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + std::string(kHidden)},
      {"a length in the trailers", chunked("1\r\nx\r\n0\r\nContent-Length: 40\r\n\r\n")},
      {"chunks in the trailers", chunked("1\r\nx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")},
      {"a bare LF in the trailers", chunked("0\r\nX: y\n\n" + std::string(kHidden))},
  };
  for (std::string_view coding :
       {"Transfer-Encoding : chunked", " Transfer-Encoding: chunked", "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "Transfer-Encoding: \vchunked",
        "Transfer-Encoding: \"chunked\"", "Transfer-Encoding:\r\n chunked",
        "X: y\nTransfer-Encoding: chunked", "Transfer-Encoding\n: chunked", "Transfer_Encoding: chunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chunk\xff"
        "ed",
        "Transfer-Encoding: "}) {
    out.emplace_back(fmt::format("coding {:?}", coding),
                     with(both + std::string(coding), "0\r\n\r\n" + std::string(kHidden)));
    out.emplace_back(fmt::format("coding {:?} alone", coding),
                     with(coding, "0\r\n\r\n" + std::string(kHidden)));
  }
  for (std::string_view length :
       {"0\r\nContent-Length: 36", "36\r\nContent-Length: 0", "0, 36", "36, 0", "+36", "-0", "0x24", "3 6",
        "36 ,", "", "18446744073709551652", "36;", "3_6", "\v36", "36\r\n 0", "0\r\nContent-Length : 36"})
    out.emplace_back(fmt::format("length {:?}", length), with(fmt::format("Content-Length: {}", length)));
  for (std::string_view size :
       {"\n", ";x\n", ";x=\"\n\"\r\n", " \r\n", "\r\r\n", "\r", ";\r\r\n", "_\r\n", "g\r\n"})
    out.emplace_back(fmt::format("a chunk's line that ends with {:?}", size), chunked(chunk(size)));
  for (std::string_view size : {"0x24", "-24", "+24", "", "10000000000000024", " 24", "2 4"})
    out.emplace_back(fmt::format("a chunk of {:?}", size),
                     chunked(fmt::format("{}\r\n{}\r\n0\r\n\r\n", size, kHidden)));
  for (std::string_view end :
       {"0\r\n\r\n", "\n0\r\n\r\n", "\r0\r\n\r\n", "xx0\r\n\r\n", "\r\n0\n\n", "\r\n0\r\n"})
    out.emplace_back(fmt::format("a chunk that is followed by {:?}", end), chunked(chunk("\r\n", end)));
  return out;
}

/// Until the connection ends or is quiet: a reader that waits for more of the request says nothing.
void wait_for_answers(const TestSocket& socket) {
  pollfd waits{.fd = socket.fd(), .events = POLLIN, .revents = 0};
  char bytes[4096];
  for (int patience = 150; ::poll(&waits, 1, patience) == 1; patience = 20) {
    if (::recv(socket.fd(), bytes, sizeof bytes, 0) <= 0) return;
  }
}

/// What hides in a request reaches no backend, and the next one on whatever connection gets its own answer.
TEST_F(ProxyTest, WhatHidesInARequestStaysHidden) {
  if (!Nginx::is_installed()) GTEST_SKIP() << "nginx is not installed";
  const ReservedPort port(ReservedPort::For::listener);
  Nginx nginx(port.number());
  ASSERT_TRUE(nginx.listens());
  config.backend("b", {port.number()});
  config.rule("/", "b");
  start();
  size_t number = 0;
  for (const auto& [name, bytes] : cases()) {
    TestSocket socket = client();
    socket.send(bytes);
    wait_for_answers(socket);
    // More than one connection may be kept.
    for (int i = 0; i < 3; ++i) {
      auto target = fmt::format("/after-{}", ++number);
      auto [head, body] = ask("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
      ASSERT_EQ(body, target) << name << "\n" << head;
    }
    for (const auto& line : nginx.seen())
      ASSERT_EQ(line.find(" /smuggled"), std::string::npos) << name << ": " << line;
  }
  EXPECT_GT(nginx.seen().size(), number) << "some of the cases are good requests";
  // One that does not hide is seen.
  ask(std::string(kHidden));
  EXPECT_TRUE(nginx.saw_last("GET /smuggled"));
}

}  // namespace
}  // namespace weft::gateway
