#include "dns/server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <set>
#include <thread>

#include "dns/codec.h"
#include "dns/resolv_conf.h"

// The real server on real loopback sockets, asked by dig and by raw sockets.
namespace weft::dns {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

std::string run(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (size_t n = ::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
  ::pclose(pipe);
  return out;
}

/// A few Services, and a headless one with 3 endpoints or (`big`) 1000.
void fill(SharedZone& zone, bool big = false) {
  zone.write([&](Zone& z) {
    kube::Namespace ns;
    ns.metadata.name = "shop";
    z.apply(nullptr, &ns);
    kube::Service web;
    web.metadata.namespace_ = "shop";
    web.metadata.name = "web";
    web.spec.clusterIP = "10.96.0.20";
    web.spec.clusterIPs = {"10.96.0.20", "fd00:96::20"};
    z.apply(nullptr, &web);
    kube::Service away = web;
    away.metadata.name = "away";
    away.spec.type = "ExternalName";
    away.spec.externalName = "web.shop.svc.example.com";
    z.apply(nullptr, &away);
    kube::Service many = web;
    many.metadata.name = "many";
    many.spec.clusterIP = "None";
    many.spec.clusterIPs = {"None"};
    z.apply(nullptr, &many);
    kube::EndpointSlice slice;
    slice.metadata.namespace_ = "shop";
    slice.metadata.name = "many-1";
    slice.metadata.labels["kubernetes.io/service-name"] = "many";
    slice.addressType = "IPv4";
    for (int i = 0; i < (big ? 1000 : 3); ++i) {
      kube::Endpoint endpoint;
      endpoint.addresses = {fmt::format("10.244.{}.{}", i / 250, i % 250 + 1)};
      slice.endpoints.push_back(endpoint);
    }
    z.apply(nullptr, &slice);
    z.set_synced();
  });
}

/// All names go to these in turn, one that is silent gets a rival after a second, and nothing is cached. A
/// question that waits for the end of a try outlasts dig's patience.
ConfigPtr forwarding_to(const std::vector<SocketAddress>& upstreams,
                        std::chrono::milliseconds timeout = 10s) {
  auto config = std::make_shared<Config>();
  config->cache.enabled = false;
  if (upstreams.empty()) return config;
  Forward all{.policy = ForwardPolicy::sequential, .timeout = timeout, .hedge = 1s, .repeat = 1s};
  for (const auto& address : upstreams) all.upstreams.push_back({.address = address});
  config->forwards.push_back(all);
  return config;
}

/// A server and how to ask it.
struct Running {
  SharedZone zone;
  std::unique_ptr<Server> server;

  explicit Running(std::string_view zone_name = "cluster.local", std::vector<SocketAddress> upstreams = {},
                   std::string_view listen = "127.0.0.1:0", int threads = 1)
      : zone({.zone = *Name::parse(zone_name)}) {
    auto started = Server::start(
        {.listen = {*SocketAddress::parse(listen)}, .config = forwarding_to(upstreams), .threads = threads},
        zone);
    if (!started) throw std::runtime_error(started.error().message);
    server = std::move(*started);
  }
  SocketAddress address() const { return server->addresses().front(); }
  std::string dig(const std::string& arguments, const std::string& at = "127.0.0.1") const {
    return run(fmt::format("dig @{} -p {} +tries=1 +time=6 {}", at, address().port, arguments));
  }
};

Fd connected(const SocketAddress& address, int type) {
  Fd fd(::socket(address.ip.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0));
  sockaddr_storage storage;
  socklen_t size = address.to(storage);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size), 0);
  timeval timeout{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  return fd;
}

std::vector<uint8_t> query_bytes(std::string_view name, uint16_t id, bool tcp) {
  std::vector<uint8_t> out(514);
  Query like;
  size_t size = write_query(std::span(out).subspan(2), id, *Name::parse(name), like);
  out[0] = static_cast<uint8_t>(size >> 8);
  out[1] = static_cast<uint8_t>(size);
  out.resize(size + 2);
  if (!tcp) out.erase(out.begin(), out.begin() + 2);
  return out;
}

bool read_exactly(int fd, uint8_t* data, size_t size) {
  for (size_t at = 0; at < size;) {
    ssize_t n = ::recv(fd, data + at, size - at, 0);
    if (n <= 0) return false;
    at += static_cast<size_t>(n);
  }
  return true;
}

std::vector<uint8_t> read_tcp(int fd) {
  std::array<uint8_t, 2> length;
  if (!read_exactly(fd, length.data(), 2)) return {};
  std::vector<uint8_t> message(static_cast<size_t>(length[0]) << 8 | length[1]);
  if (!read_exactly(fd, message.data(), message.size())) return {};
  return message;
}

TEST(Server, AnswersOverUdpAndTcp) {
  Running s;
  EXPECT_THAT(s.dig("web.shop.svc.cluster.local"), HasSubstr("SERVFAIL"));
  fill(s.zone);
  for (std::string transport : {"+notcp ", "+tcp ", "+noedns ", "+keepopen +tcp "}) {
    EXPECT_EQ(s.dig(transport + "+short web.shop.svc.cluster.local A"), "10.96.0.20\n") << transport;
    EXPECT_EQ(s.dig(transport + "+short web.shop.svc.cluster.local AAAA"), "fd00:96::20\n") << transport;
    EXPECT_THAT(s.dig(transport + "nope.shop.svc.cluster.local"), HasSubstr("status: NXDOMAIN")) << transport;
    EXPECT_EQ(s.dig(transport + "+short -x 10.96.0.20"), "web.shop.svc.cluster.local.\n") << transport;
    EXPECT_EQ(s.dig(transport + "+short dns-version.cluster.local TXT"), "\"1.1.0\"\n") << transport;
  }
  auto soa = s.dig("+noall +authority web.shop.svc.cluster.local MX");
  EXPECT_THAT(soa,
              testing::ContainsRegex("^cluster.local.[ \t]+5[ \t]+IN[ \t]+SOA[ \t]+ns.dns.cluster.local. "
                                     "hostmaster.cluster.local. [0-9]+ 7200 1800 86400 5\n$"));
  EXPECT_THAT(s.dig("WeB.shop.SVC.cluster.local"),
              HasSubstr("WeB.shop.SVC.cluster.local. 5\tIN\tA\t10.96.0.20"));
  EXPECT_THAT(s.dig("+cookie=0123456789abcdef web.shop.svc.cluster.local"),
              testing::ContainsRegex("COOKIE: 0123456789abcdef01000000[0-9a-f]{24} \\(good\\)"));
  EXPECT_THAT(s.dig("+noall +answer +notcp web.shop.svc.cluster.local ANY"),
              HasSubstr("5\tIN\tHINFO\t\"RFC8482\" \"\""));
  EXPECT_THAT(s.dig("version.bind CH TXT"), HasSubstr("status: REFUSED"));
  EXPECT_THAT(s.dig("cluster.local AXFR"), HasSubstr("Transfer failed"));
  EXPECT_THAT(s.dig("+edns=1 +noednsneg web.shop.svc.cluster.local"), HasSubstr("status: BADVERS"));
  EXPECT_EQ(s.server->counters().front()->responses[16].get(), 1U) << "by its whole code";
  EXPECT_THAT(s.dig("+opcode=2 web.shop.svc.cluster.local"), HasSubstr("status: NOTIMP"));
  EXPECT_THAT(s.dig("example.com"), HasSubstr("status: REFUSED"));
}

TEST(Server, TruncatesUdpAndGivesAllOverTcp) {
  Running s;
  fill(s.zone, true);
  auto small = s.dig("+noedns +ignore many.shop.svc.cluster.local");
  EXPECT_THAT(small, testing::ContainsRegex("flags: qr aa tc"));
  EXPECT_THAT(small, testing::ContainsRegex("MSG SIZE  rcvd: (49[6-9]|50[0-9]|51[0-2])\n"));
  auto edns = s.dig("+bufsize=4096 +ignore many.shop.svc.cluster.local");
  EXPECT_THAT(edns, testing::ContainsRegex("flags: qr aa tc"));
  EXPECT_THAT(edns, testing::ContainsRegex("MSG SIZE  rcvd: 12[123][0-9]\n"));
  auto all = s.dig("many.shop.svc.cluster.local");  // dig itself turns to TCP
  EXPECT_THAT(all, HasSubstr("ANSWER: 1000,"));
  EXPECT_THAT(all, Not(testing::ContainsRegex("flags: qr aa tc")));
}

TEST(Server, TheFirstAddressRotates) {
  Running s;
  fill(s.zone);
  std::set<std::string> first;
  for (int i = 0; i < 9; ++i) {
    auto out = s.dig("+short many.shop.svc.cluster.local");
    first.insert(out.substr(0, out.find('\n')));
  }
  EXPECT_EQ(first.size(), 3U);
}

TEST(Server, ListensElsewhereLive) {
  for (int threads : {1, 3}) {
    Running s("cluster.local", {}, "127.0.0.1:0", threads);
    fill(s.zone);
    const auto first = s.address();
    const auto other = *SocketAddress::parse("127.0.0.9:0");
    ASSERT_TRUE(s.server->listen({*SocketAddress::parse("127.0.0.1:0"), other}));
    EXPECT_EQ(s.server->addresses().front(), first) << "what stays is not opened again";
    const auto second = s.server->addresses().back();
    auto dig = [](const SocketAddress& at, const char* how) {
      return run(fmt::format("dig @{} -p {} +tries=1 +time=6 +short {} web.shop.svc.cluster.local",
                             at.ip.str(), at.port, how));
    };
    EXPECT_EQ(dig(first, "+notcp"), "10.96.0.20\n");
    EXPECT_EQ(dig(second, "+notcp"), "10.96.0.20\n");
    EXPECT_EQ(dig(second, "+tcp"), "10.96.0.20\n");
    EXPECT_FALSE(s.server->listen({*SocketAddress::parse("192.0.2.1:0")})) << "no link has it";
    EXPECT_EQ(s.server->addresses().size(), 2U);
    ASSERT_TRUE(s.server->listen({other}));
    EXPECT_EQ(dig(second, "+notcp"), "10.96.0.20\n");
    auto is_closed = [&] { return dig(first, "+tcp").contains("refused"); };
    const auto patience = std::chrono::steady_clock::now() + 20s;
    while (!is_closed() && std::chrono::steady_clock::now() < patience) std::this_thread::sleep_for(5ms);
    EXPECT_TRUE(is_closed());
  }
}

TEST(Server, FindsALoopThroughAnotherServer) {
  SharedZone zone({}), away({.zone = *Name::parse("away")});
  zone.write([](Zone& z) { z.set_synced(); });
  away.write([](Zone& z) { z.set_synced(); });
  const auto any = *SocketAddress::parse("127.0.0.1:0");
  auto other = Server::start({.listen = {any}}, away);
  ASSERT_TRUE(other);
  auto looping = Server::start(
      {.listen = {any}, .config = forwarding_to({(*other)->addresses().front()}), .find_loops = true}, zone);
  ASSERT_TRUE(looping);
  const Counters& counters = *(*looping)->counters().front();
  // The other one asks back only now: a new configuration is another chance to find it.
  ASSERT_TRUE((*other)->configure(forwarding_to({(*looping)->addresses().front()}, 2s)));
  const auto patience = std::chrono::steady_clock::now() + 20s;
  auto asks_back = [&] {
    return !run(fmt::format("dig @127.0.0.1 -p {} +tries=1 +time=6 a.example",
                            (*other)->addresses().front().port))
                .contains("REFUSED");
  };
  while (!asks_back() && std::chrono::steady_clock::now() < patience) std::this_thread::sleep_for(5ms);
  ASSERT_TRUE((*looping)->configure(forwarding_to({(*other)->addresses().front()}, 1900ms)));
  while (counters.forward_loops.get() == 0 && std::chrono::steady_clock::now() < patience)
    std::this_thread::sleep_for(5ms);
  EXPECT_GT(counters.forward_loops.get(), 0U);
}

TEST(Server, AnswersFromTheAddressThatWasAsked) {
  Running any("cluster.local", {}, "0.0.0.0:0");
  fill(any.zone);
  // 127.0.0.0/8 is all ours: without care the answer would leave from 127.0.0.1, and dig would not take it.
  EXPECT_EQ(any.dig("+short web.shop.svc.cluster.local", "127.4.5.6"), "10.96.0.20\n");
  Running six("cluster.local", {}, "[::]:0");
  fill(six.zone);
  EXPECT_EQ(six.dig("+short web.shop.svc.cluster.local", "::1"), "10.96.0.20\n");
}

TEST(Server, PipelinedQueriesOverOneConnection) {
  Running s;
  fill(s.zone);
  Fd fd = connected(s.address(), SOCK_STREAM);
  std::vector<uint8_t> all;
  for (uint16_t id = 1; id <= 50; ++id) {
    auto one = query_bytes("web.shop.svc.cluster.local", id, true);
    all.insert(all.end(), one.begin(), one.end());
  }
  // In pieces that do not end where messages end.
  for (size_t at = 0; at < all.size(); at += 37) {
    size_t size = std::min<size_t>(37, all.size() - at);
    ASSERT_EQ(::send(fd.get(), all.data() + at, size, 0), static_cast<ssize_t>(size));
  }
  ::shutdown(fd.get(), SHUT_WR);  // half closed: the answers still come
  for (uint16_t id = 1; id <= 50; ++id) {
    auto answer = read_tcp(fd.get());
    ResponseHeader header;
    ASSERT_TRUE(read_header(answer, header));
    EXPECT_EQ(header.id, id);
    EXPECT_EQ(header.answers, 1);
  }
  uint8_t end;
  EXPECT_EQ(::recv(fd.get(), &end, 1, 0), 0);
}

TEST(Server, SilentAndSlowConnectionsDoNotKeepOthersOut) {
  Running s;
  fill(s.zone);
  std::vector<Fd> silent;
  for (int i = 0; i < 300; ++i) {
    silent.push_back(connected(s.address(), SOCK_STREAM));
    const uint8_t half[] = {0, 40, 1};
    ::send(silent.back().get(), half, sizeof half, MSG_NOSIGNAL);
  }
  EXPECT_EQ(s.dig("+tcp +short web.shop.svc.cluster.local"), "10.96.0.20\n");
  uint8_t end;
  EXPECT_LE(::recv(silent.front().get(), &end, 1, 0), 0);  // the oldest made room
}

TEST(Server, MalformedMessages) {
  Running s;
  fill(s.zone);
  Fd fd = connected(s.address(), SOCK_DGRAM);
  auto good = query_bytes("web.shop.svc.cluster.local", 9, false);
  auto next = [&] {
    std::array<uint8_t, 2048> answer;
    ResponseHeader header;
    const ssize_t size = ::recv(fd.get(), answer.data(), answer.size(), 0);
    EXPECT_TRUE(size > 0 && read_header({answer.data(), static_cast<size_t>(size)}, header));
    return header;
  };
  // A good one comes behind each: when that is answered, the one before was not, or has been.
  constexpr uint16_t kLast = 10;
  const auto last = query_bytes("web.shop.svc.cluster.local", kLast, false);
  auto rcode_of = [&](const std::vector<uint8_t>& message) {
    ::send(fd.get(), message.data(), message.size(), 0);
    ::send(fd.get(), last.data(), last.size(), 0);
    const auto first = next();
    if (first.id == kLast) return -1;
    EXPECT_EQ(next().id, kLast);
    return static_cast<int>(first.rcode);
  };
  EXPECT_EQ(rcode_of(good), 0);
  auto response = good;
  response[2] |= 0x80;
  EXPECT_EQ(rcode_of(response), -1);
  EXPECT_EQ(rcode_of({1, 2, 3}), -1);
  EXPECT_EQ(rcode_of(std::vector<uint8_t>(12)), 1);
  auto cut = good;
  cut.pop_back();
  EXPECT_EQ(rcode_of(cut), 1);
  auto huge = good;
  huge.resize(3000);
  EXPECT_EQ(rcode_of(huge), -1);
  EXPECT_EQ(rcode_of(good), 0);

  Fd tcp = connected(s.address(), SOCK_STREAM);
  const uint8_t too_long[] = {0xff, 0xff, 0, 0};
  ::send(tcp.get(), too_long, sizeof too_long, MSG_NOSIGNAL);
  EXPECT_TRUE(read_tcp(tcp.get()).empty());
}

TEST(Server, ThreadsShareTheAddress) {
  Running s("cluster.local", {}, "127.0.0.1:0", 3);
  fill(s.zone);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(s.dig("+short web.shop.svc.cluster.local"), "10.96.0.20\n");
}

TEST(Server, ChangesWhileItAnswers) {
  Running s("cluster.local", {}, "127.0.0.1:0", 2);
  fill(s.zone);
  std::atomic<bool> stop = false;
  std::thread changer([&] {
    for (int i = 0; !stop; ++i) {
      kube::Service service;
      service.metadata.namespace_ = "shop";
      service.metadata.name = fmt::format("s{}", i % 100);
      service.spec.clusterIPs = {"10.96.1.1"};
      s.zone.write([&](Zone& z) { z.apply(i % 2 ? &service : nullptr, i % 2 ? nullptr : &service); });
    }
  });
  std::vector<std::thread> askers;
  std::atomic<int> answered = 0;
  for (int t = 0; t < 2; ++t) {
    askers.emplace_back([&] {
      Fd fd = connected(s.address(), SOCK_DGRAM);
      for (int i = 0; i < 2000; ++i) {
        auto query = query_bytes("web.shop.svc.cluster.local", static_cast<uint16_t>(i), false);
        ::send(fd.get(), query.data(), query.size(), 0);
        std::array<uint8_t, 1500> answer;
        if (::recv(fd.get(), answer.data(), answer.size(), 0) > 0 && answer[7] == 1) ++answered;
      }
    });
  }
  for (auto& t : askers) t.join();
  stop = true;
  changer.join();
  EXPECT_EQ(answered, 4000);
}

// Another of our servers, for another zone, is the upstream.
TEST(Forwarding, RelaysAndCompletesExternalNames) {
  Running upstream("example.com");
  fill(upstream.zone, true);
  Running s("cluster.local", {upstream.address()});
  fill(s.zone);
  for (std::string transport : {"+notcp ", "+tcp "}) {
    EXPECT_EQ(s.dig(transport + "+short web.shop.svc.example.com"), "10.96.0.20\n");
    EXPECT_THAT(s.dig(transport + "WEB.shop.svc.Example.com"),
                HasSubstr("WEB.shop.svc.Example.com. 5\tIN\tA\t10.96.0.20"));
    EXPECT_THAT(s.dig(transport + "no.shop.svc.example.com"), HasSubstr("status: NXDOMAIN"));
    EXPECT_EQ(s.dig(transport + "+short away.shop.svc.cluster.local A"),
              "web.shop.svc.example.com.\n10.96.0.20\n");
    auto nodata = s.dig(transport + "away.shop.svc.cluster.local TXT");
    EXPECT_THAT(nodata, HasSubstr("ANSWER: 1, AUTHORITY: 1"));
  }
  // Too large for UDP: the client is told so; over TCP it is fetched over TCP.
  EXPECT_THAT(s.dig("+ignore many.shop.svc.example.com"), testing::ContainsRegex("flags: qr tc"));
  EXPECT_THAT(s.dig("+tcp many.shop.svc.example.com"), HasSubstr("ANSWER: 1000,"));
}

TEST(Forwarding, FailsOver) {
  Running upstream("example.com");
  fill(upstream.zone);
  auto silent = open_udp(*SocketAddress::parse("127.0.0.1:0"), false);
  ASSERT_TRUE(silent);
  SocketAddress closed{*IpAddr::parse("127.0.0.1"), 1};
  Running s("cluster.local", {closed, local_address(*silent), upstream.address()});
  fill(s.zone);
  // Of names: the health checks ask for the root.
  auto asked_of_silent = [&] {
    int asked = 0;
    std::array<uint8_t, 1500> question;
    while (true) {
      const ssize_t size = ::recv(silent->get(), question.data(), question.size(), MSG_DONTWAIT);
      if (size <= 0) return asked;
      Query query;
      parse_query({question.data(), static_cast<size_t>(size)}, query);
      asked += !query.name.is_root();
    }
  };
  EXPECT_EQ(s.dig("+short web.shop.svc.example.com"), "10.96.0.20\n");
  EXPECT_EQ(asked_of_silent(), 1);
  EXPECT_EQ(s.dig("+short web.shop.svc.example.com"), "10.96.0.20\n");
  EXPECT_EQ(asked_of_silent(), 0) << "the two that failed are asked last now";
}

TEST(Forwarding, NoUpstreamAnswers) {
  SocketAddress closed{*IpAddr::parse("127.0.0.1"), 1};
  Running s("cluster.local", {closed});
  fill(s.zone);
  EXPECT_THAT(s.dig("example.com"), HasSubstr("status: SERVFAIL"));
}

TEST(Forwarding, ALoopToItselfEnds) {
  // The upstream's address is only known once it listens: reserve a port, then use it for both.
  uint16_t port = Running().address().port;
  SocketAddress self{*IpAddr::parse("127.0.0.1"), port};
  Running s("cluster.local", {self}, self.str());
  fill(s.zone);
  EXPECT_THAT(s.dig("example.com"), HasSubstr("status: SERVFAIL"));
}

TEST(Forwarding, OnlyTheRightAnswerCounts) {
  // An upstream that answers with a wrong id, then with another question, then rightly.
  auto fd = open_udp(*SocketAddress::parse("127.0.0.1:0"), false);
  ASSERT_TRUE(fd);
  Running s("cluster.local", {local_address(*fd)});
  std::thread liar([&] {
    pollfd ready{.fd = fd->get(), .events = POLLIN, .revents = 0};
    ::poll(&ready, 1, 5000);
    std::array<uint8_t, 1500> question;
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    ssize_t length =
        ::recvfrom(fd->get(), question.data(), question.size(), 0, reinterpret_cast<sockaddr*>(&peer), &size);
    ASSERT_GT(length, 12);
    Query query;
    parse_query({question.data(), static_cast<size_t>(length)}, query);
    auto send = [&](uint16_t id, std::string_view name, std::string_view ip) {
      Query answer = query;
      answer.id = id;
      answer.name = *Name::parse(name);
      std::array<uint8_t, 512> out;
      Writer writer(out, 512, answer);
      writer.address(Section::answer, answer.name.wire(), 5, *IpAddr::parse(ip));
      size_t bytes = writer.finish();
      ::sendto(fd->get(), out.data(), bytes, 0, reinterpret_cast<sockaddr*>(&peer), size);
    };
    send(static_cast<uint16_t>(query.id + 1), query.name.str(), "6.6.6.1");
    send(query.id, "example.org", "6.6.6.2");
    send(query.id, query.name.str(), "192.0.2.1");
  });
  EXPECT_EQ(s.dig("+short example.com"), "192.0.2.1\n");
  liar.join();
}

TEST(ResolvConf, NameServers) {
  auto servers = parse_resolv_conf(
      "# comment\nnameserver 10.0.0.1\nsearch a b\n  nameserver\tfd00::1 # x\nnameserver "
      "fe80::1%eth0\nnameserver\n"
      "options ndots:5\nnameserver 300.1.1.1\n");
  ASSERT_EQ(servers.size(), 2U);
  EXPECT_EQ(servers[0].str(), "10.0.0.1:53");
  EXPECT_EQ(servers[1].str(), "[fd00::1]:53");
}

TEST(SocketAddress, Text) {
  for (const auto& [text, expected] :
       std::vector<std::pair<std::string, std::string>>{{"10.0.0.1", "10.0.0.1:53"},
                                                        {"10.0.0.1:5353", "10.0.0.1:5353"},
                                                        {"::1", "[::1]:53"},
                                                        {"[::1]", "[::1]:53"},
                                                        {"[::1]:54", "[::1]:54"}}) {
    ASSERT_TRUE(SocketAddress::parse(text)) << text;
    EXPECT_EQ(SocketAddress::parse(text)->str(), expected);
  }
  for (auto bad : {"", "x", "10.0.0.1:", "10.0.0.1:99999", "10.0.0.1:5x", "[::1", "[::1]x", ":53"}) {
    EXPECT_FALSE(SocketAddress::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace weft::dns
