#include "standalone/sandbox/echo.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "base/fd.h"
#include "kube/json.h"
#include "standalone/sandbox/echo_h2.h"
#include "standalone/sandbox/echo_http.h"
#include "standalone/sandbox/grpc_health.h"

namespace weft::standalone::sandbox {
namespace {

using namespace std::chrono_literals;
using State = HttpReader::State;
using testing::HasSubstr;
using testing::StartsWith;

TEST(HttpReader, RequestsInPieces) {
  const std::string text = "GET /a?b HTTP/1.1\r\nHost: x\r\nA:  b \r\n\r\n";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    HttpReader reader;
    for (size_t at = 0; at < text.size(); at += piece) {
      ASSERT_NE(reader.state(), State::complete);
      reader.feed(std::string_view(text).substr(at, piece));
    }
    ASSERT_EQ(reader.state(), State::complete) << piece;
    EXPECT_EQ(reader.request().path, "/a?b");
    EXPECT_EQ(reader.request().host, "x");
    EXPECT_EQ(reader.request().headers[1], std::pair(std::string("A"), std::string("b")));
    EXPECT_TRUE(reader.request().keep_alive);
  }
}

TEST(HttpReader, BodiesEndWhereTheNextRequestBegins) {
  for (std::string request :
       {"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: v\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n"}) {
    HttpReader reader;
    EXPECT_EQ(reader.feed(request + "GET"), request.size()) << request;
    EXPECT_EQ(reader.state(), State::complete);
  }
}

TEST(HttpReader, RefusesWhatIsNoRequest) {
  auto status = [](const std::string& text) {
    HttpReader reader;
    reader.feed(text);
    return reader.state() == State::bad ? reader.error_status() : 0;
  };
  EXPECT_EQ(status("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/2.0\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nno colon\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"), 413);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nA: " + std::string(HttpReader::kMaxHead, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), 400);
}

TEST(EchoAnswer, IsJsonWhateverTheBytes) {
  EchoRequest request{"GET", "/\"\\\x01\xff", "h", "HTTP/1.1", {{"A", "\"b\""}}, true};
  auto body = json::parse(answer(request, {"p", "n", "i", "o"}, "1.2.3.4:5").body);
  EXPECT_EQ(kube::string_at(body, "pod"), "p");
  EXPECT_EQ(kube::string_at(body, "client"), "1.2.3.4:5");
  EXPECT_EQ(kube::string_at(body, "headers.A"), "\"b\"");
}

TEST(EchoHttp2, HealthAndOrdinaryRequests) {
  GrpcHealthCheck check("", "x");
  EchoHttp2 server({"p", "n", "i", "o"}, "c");
  for (int i = 0; i < 10 && !check.done(); ++i) {
    ASSERT_TRUE(server.received(check.to_send()));
    check.received(server.to_send());
  }
  EXPECT_TRUE(check.serving()) << check.message();
  GrpcHealthCheck confused("", "x");
  confused.received("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_TRUE(confused.done());
  EXPECT_FALSE(confused.serving());
}

/// weft/echo as a process of its own, on the loopback of a network namespace where nobody else has its ports.
class EchoProcess : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    before_ = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
    ASSERT_EQ(std::system("ip link set lo up"), 0);
  }
  static void TearDownTestSuite() {
    ASSERT_EQ(::setns(before_.get(), CLONE_NEWNET), 0);
    before_.reset();
  }
  void SetUp() override {
    pid_ = ::fork();
    if (pid_ == 0) {
      const char* env[] = {"PORT=39181", "TCP_PORT=39182", "UDP_PORT=39183", "POD_NAME=me", nullptr};
      ::execle("/proc/self/exe", "weft", "echo", nullptr, env);
      ::_exit(127);
    }
    // The ports open one after the other.
    for (int i = 0; i < 5000 && !(connect(39181) && connect(39182)); ++i) ::usleep(2000);
  }
  void TearDown() override {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  static Fd connect(uint16_t port, bool v6 = false, int type = SOCK_STREAM) {
    Fd fd(::socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    six.sin6_addr = in6addr_loopback;
    auto* address = v6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&v4);
    timeval limit{10, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(fd.get(), address, v6 ? sizeof six : sizeof v4) != 0) return Fd();
    return fd;
  }
  static void send(const Fd& fd, const std::string& text) {
    ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  static std::string receive(const Fd& fd, const std::string& until) {
    std::string out;
    char buffer[4096];
    while (out.find(until) == std::string::npos) {
      auto n = ::recv(fd.get(), buffer, sizeof buffer, 0);
      if (n <= 0) break;
      out.append(buffer, static_cast<size_t>(n));
    }
    return out;
  }
  inline static Fd before_;
  pid_t pid_ = -1;
};

TEST_F(EchoProcess, HttpKeepsAliveAndTakesPipelines) {
  for (bool v6 : {false, true}) {
    auto fd = connect(39181, v6);
    ASSERT_TRUE(fd);
    send(fd, "GET /hostname HTTP/1.1\r\nHost: a\r\n\r\nGET /status/418 HTTP/1.1\r\nHost: a\r\n\r\n");
    auto answers = receive(fd, "\n}\n");
    EXPECT_THAT(answers, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answers, HasSubstr("\r\n\r\nmeHTTP/1.1 418"));
    EXPECT_THAT(answers, HasSubstr(v6 ? "\"client\": \"[::1]:" : "\"client\": \"127.0.0.1:"));
    send(fd, "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(receive(fd, "never"), testing::EndsWith("Connection: close\r\n\r\n"));
    auto bad = connect(39181, v6);
    send(bad, "nonsense\r\n\r\n");
    EXPECT_THAT(receive(bad, "never"), StartsWith("HTTP/1.1 400"));
  }
}

TEST_F(EchoProcess, DelayHoldsOneConnectionOnly) {
  auto slow = connect(39181), quick = connect(39181);
  auto begun = std::chrono::steady_clock::now();
  send(slow, "GET /delay/3000 HTTP/1.1\r\n\r\n");
  send(quick, "GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_THAT(receive(quick, "ok"), HasSubstr("200 OK"));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2500ms);
  EXPECT_THAT(receive(slow, "\n}\n"), HasSubstr("/delay/3000"));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 3000ms);
}

TEST_F(EchoProcess, TcpAndUdpComeBack) {
  for (bool v6 : {false, true}) {
    auto tcp = connect(39182, v6);
    std::string big(3 << 20, 'x');
    big += "END";
    pid_t writer = ::fork();
    if (writer == 0) {
      send(tcp, big);
      ::_exit(0);
    }
    EXPECT_EQ(receive(tcp, "END").size(), big.size());
    ::waitpid(writer, nullptr, 0);
    auto udp = connect(39183, v6, SOCK_DGRAM);
    send(udp, "hello");
    EXPECT_EQ(receive(udp, "hello"), "hello");
  }
}

TEST_F(EchoProcess, SigtermAnswersWhatIsUnderWayAndStillAcceptsForAMoment) {
  auto slow = connect(39181), idle = connect(39181);
  send(slow, "GET /delay/400 HTTP/1.1\r\n\r\n");
  ::usleep(20'000);
  ::kill(pid_, SIGTERM);
  ::usleep(20'000);
  auto late = connect(39181);
  ASSERT_TRUE(late) << "a load balancer that does not know yet";
  send(late, "GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_THAT(receive(late, "never"), HasSubstr("Connection: close"));
  EXPECT_THAT(receive(slow, "never"), HasSubstr("/delay/400"));
  int status = 0;
  EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
  EXPECT_EQ(status, 0);
  pid_ = -1;
}

}  // namespace
}  // namespace weft::standalone::sandbox
