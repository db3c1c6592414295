#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "dns/server.h"
#include "dns/test_pods.h"

// What no client should send, over real sockets, beside a client that must get every answer.
namespace weft::dns {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<uint8_t>;

constexpr std::string_view kGood = "web.shop.svc.cluster.local";

void fill(SharedZone& zone) {
  zone.write([](Zone& z) {
    kube::Namespace ns;
    ns.metadata.name = "shop";
    z.apply(nullptr, &ns);
    kube::Service web;
    web.metadata.namespace_ = "shop";
    web.metadata.name = "web";
    web.spec.clusterIP = "10.96.0.20";
    web.spec.clusterIPs = {"10.96.0.20"};
    z.apply(nullptr, &web);
    web.metadata.name = "many";
    web.spec.clusterIP = "None";
    web.spec.clusterIPs = {"None"};
    z.apply(nullptr, &web);
    kube::EndpointSlice slice;
    slice.metadata.namespace_ = "shop";
    slice.metadata.name = "many-1";
    slice.metadata.labels["kubernetes.io/service-name"] = "many";
    slice.addressType = "IPv4";
    for (int i = 0; i < 1000; ++i)
      slice.endpoints.emplace_back().addresses = {fmt::format("10.244.{}.{}", i / 250, i % 250 + 1)};
    z.apply(nullptr, &slice);
    z.set_synced();
  });
}

std::unique_ptr<Server> serve(SharedZone& zone, const std::string& listen, const Config& config = {}) {
  fill(zone);
  ServerOptions options;
  options.listen = {*SocketAddress::parse(listen)};
  options.config = std::make_shared<const Config>(config);
  auto server = Server::start(options, zone);
  if (!server) throw std::runtime_error(server.error().message);
  return std::move(*server);
}

Fd connected(const SocketAddress& address, int type, const char* from = nullptr) {
  Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_storage storage;
  socklen_t size = 0;
  if (from) {
    size = SocketAddress{*IpAddr::parse(from), 0}.to(storage);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), size), 0) << std::strerror(errno);
  }
  size = address.to(storage);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size), 0) << std::strerror(errno);
  timeval timeout{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  return fd;
}

Bytes query(std::string_view name, uint16_t id = 1) {
  Bytes out(512);
  out.resize(write_query(out, id, *Name::parse(name), Query{}));
  return out;
}

Bytes framed(Bytes message) {
  const auto size = message.size();
  message.insert(message.begin(), {static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)});
  return message;
}

void send(const Fd& fd, const Bytes& bytes) {
  (void)::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

bool read_exactly(const Fd& fd, uint8_t* data, size_t size) {
  for (size_t at = 0; at < size;) {
    ssize_t n = ::recv(fd.get(), data + at, size - at, 0);
    if (n <= 0) return false;
    at += static_cast<size_t>(n);
  }
  return true;
}

/// The next message of a TCP connection; empty at its end.
Bytes read_tcp(const Fd& fd) {
  std::array<uint8_t, 2> length;
  if (!read_exactly(fd, length.data(), 2)) return {};
  Bytes message(static_cast<size_t>(length[0]) << 8 | length[1]);
  if (!read_exactly(fd, message.data(), message.size())) return {};
  return message;
}

ResponseHeader header_of(const Bytes& message) {
  ResponseHeader header;
  EXPECT_TRUE(read_header(message, header));
  return header;
}

/// A well-formed question with something wrong about it, and the answer it deserves.
struct Bad {
  const char* what;
  Bytes message;
  std::optional<Rcode> rcode;  ///< nothing: it is not answered
};

std::vector<Bad> bad_messages() {
  const Bytes good = query(kGood);
  auto with = [&](auto change) {
    Bytes out = good;
    change(out);
    return out;
  };
  auto question_end = kHeaderSize + Name::parse(kGood)->size() + 4;
  auto set16 = [](Bytes& m, size_t at, uint16_t value) {
    m[at] = static_cast<uint8_t>(value >> 8);
    m[at + 1] = static_cast<uint8_t>(value);
  };
  Bytes many = good;
  set16(many, 4, 20);
  for (int i = 1; i < 20; ++i)
    many.insert(many.begin() + static_cast<ptrdiff_t>(question_end), good.begin() + kHeaderSize,
                good.begin() + static_cast<ptrdiff_t>(question_end));
  Bytes opt{0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};
  Bytes two_opts = good, version = good;
  set16(two_opts, 10, 2);
  set16(version, 10, 1);
  two_opts.resize(question_end);
  version.resize(question_end);
  for (int i = 0; i < 2; ++i) two_opts.insert(two_opts.end(), opt.begin(), opt.end());
  opt[6] = 1;
  version.insert(version.end(), opt.begin(), opt.end());
  return {
      {"a response", with([](Bytes& m) { m[2] |= 0x80; }), std::nullopt},
      {"too short", Bytes(11, 1), std::nullopt},
      {"one byte", Bytes{7}, std::nullopt},
      {"no question", with([&](Bytes& m) { set16(m, 4, 0); }), Rcode::formerr},
      {"a header alone", Bytes(12), Rcode::formerr},
      {"many questions", many, Rcode::formerr},
      {"questions that are not there", with([&](Bytes& m) { set16(m, 4, 65535); }), Rcode::formerr},
      {"an answer in the question", with([&](Bytes& m) { set16(m, 6, 1); }), Rcode::formerr},
      {"a name that points at itself", with([](Bytes& m) { m[12] = 0xc0, m[13] = 12; }), Rcode::formerr},
      {"two that point at each other",
       with([](Bytes& m) { m[12] = 0xc0, m[13] = 14, m[14] = 0xc0, m[15] = 12; }), Rcode::formerr},
      {"a name that points forwards", with([](Bytes& m) { m[12] = 0xc0, m[13] = 20; }), Rcode::formerr},
      {"a name that points outside", with([](Bytes& m) { m[12] = 0xff, m[13] = 0xff; }), Rcode::formerr},
      {"a reserved kind of label", with([](Bytes& m) { m[12] = 0x80; }), Rcode::formerr},
      {"a name without end", with([](Bytes& m) { m.resize(20); }), Rcode::formerr},
      {"no class", with([&](Bytes& m) { m.resize(question_end - 2); }), Rcode::formerr},
      {"class CHAOS", with([&](Bytes& m) { m[question_end - 1] = 3; }), Rcode::refused},
      {"class ANY", with([&](Bytes& m) { m[question_end - 1] = 255; }), Rcode::refused},
      {"a transfer", with([&](Bytes& m) { m[question_end - 3] = 252; }), Rcode::refused},
      {"opcode IQUERY", with([](Bytes& m) { m[2] = 1 << 3; }), Rcode::notimp},
      {"opcode UPDATE", with([](Bytes& m) { m[2] = 5 << 3; }), Rcode::notimp},
      {"opcode 15", with([](Bytes& m) { m[2] = 15 << 3; }), Rcode::notimp},
      {"two OPT records", two_opts, Rcode::formerr},
      {"EDNS version 1", version, Rcode::noerror},  // the lower bits of BADVERS
  };
}

/// Asks one question after the other until told to stop, by UDP and by TCP; each must be answered rightly.
/// From an address of its own: those that one client has too many of are its own loss.
class GoodClient {
 public:
  explicit GoodClient(const SocketAddress& server)
      : udp_(connected(server, SOCK_DGRAM, kAddress)),
        tcp_(connected(server, SOCK_STREAM, kAddress)),
        thread_([this] { run(); }) {}
  ~GoodClient() {
    stop_ = true;
    thread_.join();
    EXPECT_GT(asked_, 0);
    EXPECT_EQ(answered_, asked_);
  }

 private:
  static constexpr const char* kAddress = "127.0.0.2";
  void run() {
    for (uint16_t id = 1; !stop_; ++id) {
      asked_ += 2;
      send(udp_, query(kGood, id));
      Bytes answer(2048);
      ssize_t size = ::recv(udp_.get(), answer.data(), answer.size(), 0);
      answer.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
      answered_ += is_right(answer, id);
      send(tcp_, framed(query(kGood, id)));
      answered_ += is_right(read_tcp(tcp_), id);
    }
  }
  static bool is_right(const Bytes& answer, uint16_t id) {
    ResponseHeader header;
    return read_header(answer, header) && header.id == id && header.rcode == Rcode::noerror &&
           header.answers == 1;
  }

  Fd udp_, tcp_;
  int asked_ = 0, answered_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

uint64_t sum(const Server& server, Count Counters::* what) {
  uint64_t out = 0;
  for (const auto* counters : server.counters()) out += (counters->*what).get();
  return out;
}

TEST(Hostile, EveryBadMessageHasItsAnswerOverUdp) {
  SharedZone zone({});
  auto server = serve(zone, "127.0.0.1:0");
  GoodClient good(server->addresses().front());
  for (const auto& bad : bad_messages()) {
    // A good question after it says that no answer comes any more.
    Fd fd = connected(server->addresses().front(), SOCK_DGRAM);
    send(fd, bad.message);
    send(fd, query(kGood, 4242));
    Bytes answer(2048);
    ssize_t size = ::recv(fd.get(), answer.data(), answer.size(), 0);
    ASSERT_GE(size, 12) << bad.what;
    auto header = header_of(answer);
    if (!bad.rcode) {
      EXPECT_EQ(header.id, 4242) << bad.what;
      continue;
    }
    EXPECT_NE(header.id, 4242) << bad.what;
    EXPECT_TRUE(header.response) << bad.what;
    EXPECT_EQ(header.rcode, *bad.rcode) << bad.what;
    EXPECT_EQ(header.answers, 0) << bad.what;
    EXPECT_LE(size, std::max<ssize_t>(static_cast<ssize_t>(bad.message.size()), 12) + 11)
        << bad.what << ": nobody gets more than he sent";
  }
}

TEST(Hostile, AndOverTcp) {
  SharedZone zone({});
  auto server = serve(zone, "127.0.0.1:0");
  GoodClient good(server->addresses().front());
  for (const auto& bad : bad_messages()) {
    Fd fd = connected(server->addresses().front(), SOCK_STREAM);
    send(fd, framed(bad.message));
    auto answer = read_tcp(fd);
    if (!bad.rcode) {
      EXPECT_TRUE(answer.empty()) << bad.what << ": closes the connection";
      continue;
    }
    ASSERT_GE(answer.size(), 12U) << bad.what;
    EXPECT_EQ(header_of(answer).rcode, *bad.rcode) << bad.what;
    send(fd, framed(query(kGood, 4242)));
    EXPECT_EQ(header_of(read_tcp(fd)).id, 4242) << bad.what << ": the connection goes on";
  }
}

TEST(Hostile, AnyBytes) {
  SharedZone zone({});
  auto server = serve(zone, "127.0.0.1:0");
  GoodClient good(server->addresses().front());
  std::mt19937 random(6);
  auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  Fd udp = connected(server->addresses().front(), SOCK_DGRAM);
  auto bad = bad_messages();
  for (int i = 0; i < 5000; ++i) {
    Bytes message = i % 2 ? bad[below(bad.size())].message : query(kGood);
    for (size_t flips = below(8); flips > 0; --flips)
      message[below(message.size())] = static_cast<uint8_t>(random());
    if (i % 7 == 0) message.resize(below(200));
    if (i % 100 == 0) message.resize(1000 + below(60'000));
    send(udp, message);
    if (i % 20 != 0) continue;
    Fd tcp = connected(server->addresses().front(), SOCK_STREAM);
    auto bytes = i % 40 ? framed(message) : message;
    send(tcp, Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(below(bytes.size() + 1))));
    if (i % 60 == 0) {  // ended by a reset
      linger hard{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(tcp.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
  }
}

size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}

TEST(Hostile, WhoDoesNotReadGetsNoMoreAnswered) {
  SharedZone zone({});
  auto server = serve(zone, "127.0.0.1:0");
  GoodClient good(server->addresses().front());
  Fd fd = connected(server->addresses().front(), SOCK_STREAM);
  constexpr int kQuestions = 3000;  // of 16 KB of answer each
  const size_t before = resident_kib();
  std::thread sender([&] {
    for (int i = 0; i < kQuestions; ++i) {
      auto bytes = framed(query("many.shop.svc.cluster.local", static_cast<uint16_t>(i)));
      for (size_t at = 0; at < bytes.size();) {
        ssize_t sent = ::send(fd.get(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
        if (sent <= 0) return;
        at += static_cast<size_t>(sent);
      }
    }
  });
  std::this_thread::sleep_for(500ms);
  EXPECT_LT(resident_kib(), before + 24 * 1024);
  for (int i = 0; i < kQuestions; ++i) {
    auto header = header_of(read_tcp(fd));
    ASSERT_EQ(header.id, i);
    ASSERT_EQ(header.answers, 1000);
  }
  sender.join();
}

TEST(Hostile, HalfClosedWithMuchAskedStillGetsAll) {
  SharedZone zone({});
  auto server = serve(zone, "127.0.0.1:0");
  Fd fd = connected(server->addresses().front(), SOCK_STREAM);
  Bytes all;
  constexpr int kQuestions = 300;
  for (int i = 0; i < kQuestions; ++i) {
    auto bytes = framed(query("many.shop.svc.cluster.local", static_cast<uint16_t>(i)));
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  all.push_back(0);  // and the start of one more, which never comes
  send(fd, all);
  ::shutdown(fd.get(), SHUT_WR);
  for (int i = 0; i < kQuestions; ++i) ASSERT_EQ(header_of(read_tcp(fd)).id, i);
  EXPECT_TRUE(read_tcp(fd).empty());
}

/// A node with a server, and two pods of it.
class HostilePod : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    pods.emplace();
    pods->add("bad", 2, "weft-pod/1 shop");
    pods->add("good", 3, "weft-pod/2 shop");
  }
  void TearDown() override {
    server.reset();
    pods.reset();
  }
  void start(const Config& config) { server = serve(zone, "172.31.0.1:53", config); }
  Fd from(const std::string& pod, int type) {
    auto inside = InNetns::enter(netns_path(pods->netns(pod)));
    EXPECT_TRUE(inside);
    return connected(*SocketAddress::parse("172.31.0.1:53"), type);
  }

  std::optional<TestPods> pods;
  SharedZone zone{{}};
  std::unique_ptr<Server> server;
};

TEST_F(HostilePod, AFloodIsItsOwnLoss) {
  Config config;
  config.client_rate = 100;
  start(config);
  // Under other addresses it is the same pod.
  for (int i = 10; i < 20; ++i)
    TestPods::shell(fmt::format("ip -n {} addr add 10.0.0.{}/32 dev eth0", pods->netns("bad"), i));
  std::vector<Fd> flood;
  auto began = std::chrono::steady_clock::now();
  {
    auto inside = InNetns::enter(netns_path(pods->netns("bad")));
    for (int i = 10; i < 20; ++i) {
      auto fd = open_udp(*SocketAddress::parse(fmt::format("10.0.0.{}:0", i)), false);
      ASSERT_TRUE(fd) << fd.error().message;
      flood.push_back(std::move(*fd));
    }
  }
  sockaddr_storage to;
  auto length = SocketAddress::parse("172.31.0.1:53")->to(to);
  Fd good = from("good", SOCK_DGRAM);
  auto question = query(kGood, 1);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 2000; ++i)  // the server's socket holds as many
      ::sendto(flood[static_cast<size_t>(i % 10)].get(), question.data(), question.size(), 0,
               reinterpret_cast<sockaddr*>(&to), length);
    send(good, query(kGood, static_cast<uint16_t>(round)));
    Bytes answer(512);
    ASSERT_GT(::recv(good.get(), answer.data(), answer.size(), 0), 0) << "round " << round;
    EXPECT_EQ(header_of(answer).id, round);
  }
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  EXPECT_GE(static_cast<double>(sum(*server, &Counters::client_limited)), 40'000 - 100 * (took.count() + 2));
  EXPECT_GT(sum(*server, &Counters::client_limited), 30'000U);
}

TEST_F(HostilePod, ATcpFloodEndsItsConnection) {
  Config config;
  config.client_rate = 50;
  start(config);
  Fd bad = from("bad", SOCK_STREAM);
  Bytes all;
  for (int i = 0; i < 1000; ++i) {
    auto bytes = framed(query(kGood, static_cast<uint16_t>(i)));
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  send(bad, all);
  int answers = 0;
  while (!read_tcp(bad).empty()) ++answers;
  EXPECT_LT(answers, 1000);
  Fd good = from("good", SOCK_STREAM);
  send(good, framed(query(kGood, 5)));
  EXPECT_EQ(header_of(read_tcp(good)).id, 5);
}

TEST_F(HostilePod, ConnectionsOfOnePodPushNobodyElsesOut) {
  start({});
  std::vector<Fd> held;
  held.push_back(from("good", SOCK_STREAM));
  send(held.front(), framed(query(kGood, 1)));
  EXPECT_EQ(header_of(read_tcp(held.front())).id, 1);
  std::vector<Fd> many;
  for (int i = 0; i < 400; ++i) {
    many.push_back(from("bad", SOCK_STREAM));
    send(many.back(), framed(query(kGood, 2)));
    EXPECT_EQ(header_of(read_tcp(many.back())).id, 2) << "the newest one is served";
  }
  send(held.front(), framed(query(kGood, 3)));
  EXPECT_EQ(header_of(read_tcp(held.front())).id, 3);
  EXPECT_TRUE(read_tcp(many.front()).empty()) << "its own oldest made room";
}

TEST_F(HostilePod, WhatOneAsksUpstreamsLeavesRoomForOthers) {
  auto silent = open_udp(*SocketAddress::parse("127.0.0.1:0"), false);
  ASSERT_TRUE(silent);
  Config config;
  Forward all;
  all.upstreams.push_back({.address = local_address(*silent)});
  config.forwards.push_back(all);
  start(config);
  Fd bad = from("bad", SOCK_DGRAM);
  int refused = 0;
  for (int i = 0; i < 1200; ++i)
    send(bad, query(fmt::format("n{}.example.com", i), static_cast<uint16_t>(i)));
  pollfd ready{.fd = bad.get(), .events = POLLIN, .revents = 0};
  while (refused == 0 && ::poll(&ready, 1, 10'000) == 1) {
    Bytes answer(512);
    ::recv(bad.get(), answer.data(), answer.size(), 0);
    refused += header_of(answer).rcode == Rcode::servfail;
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(sum(*server, &Counters::client_limited), 0U);
  Fd good = from("good", SOCK_DGRAM);
  send(good, query("other.example.com", 1));
  Bytes asked(512);
  bool seen = false;
  for (int i = 0; i < 2000 && !seen; ++i) {
    pollfd upstream{.fd = silent->get(), .events = POLLIN, .revents = 0};
    if (::poll(&upstream, 1, 10'000) != 1) break;
    asked.resize(512);
    ssize_t size = ::recv(silent->get(), asked.data(), asked.size(), 0);
    Query query;
    parse_query({asked.data(), static_cast<size_t>(size)}, query);
    seen = query.name == *Name::parse("other.example.com");
  }
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace weft::dns
