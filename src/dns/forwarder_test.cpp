#include "dns/forwarder.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "dns/server.h"
#include "dns/test_upstream.h"

// The real server between real sockets: a client of the test and upstreams of the test.
namespace weft::dns {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct Got {
  int rcode = -1;  ///< -1: no answer
  bool truncated = false;
  int answers = 0;
  std::vector<std::string> addresses;
  uint32_t ttl = 0;  ///< of the first record
  Bytes message;
};

Got read_got(std::span<const uint8_t> message) {
  Got got;
  ResponseHeader header;
  if (!read_header(message, header)) return got;
  got.message.assign(message.begin(), message.end());
  got.rcode = static_cast<int>(header.rcode);
  got.truncated = header.truncated;
  got.answers = header.answers;
  size_t at = kHeaderSize;
  Name name;
  EXPECT_TRUE(read_name(message, at, name));
  at += 4;
  for (int i = 0; i < header.answers + header.authorities; ++i) {
    RecordView record;
    EXPECT_TRUE(read_record(message, at, record));
    if (i == 0) got.ttl = record.ttl;
    if (record.type == Type::a && i < header.answers)
      got.addresses.push_back(fmt::format("{}.{}.{}.{}", message[record.data_at], message[record.data_at + 1],
                                          message[record.data_at + 2], message[record.data_at + 3]));
  }
  return got;
}

/// A question under way; the destructor of the socket gives it up.
class Client {
 public:
  Client(const SocketAddress& server, std::string_view name, Transport over = Transport::udp, Query like = {})
      : over_(over),
        fd_(::socket(AF_INET, (over == Transport::udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0)) {
    sockaddr_storage storage;
    const socklen_t size = server.to(storage);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&storage), size), 0);
    std::array<uint8_t, 2 + 512> out;
    const size_t length = write_query(std::span(out).subspan(2), 77, *Name::parse(name), like);
    out[0] = 0;
    out[1] = static_cast<uint8_t>(length);
    const size_t skip = over == Transport::udp ? 2 : 0;
    ::send(fd_.get(), out.data() + skip, length + 2 - skip, 0);
  }
  bool answered(std::chrono::milliseconds patience) const {
    pollfd ready{fd_.get(), POLLIN, 0};
    return ::poll(&ready, 1, static_cast<int>(patience.count())) == 1;
  }
  Got wait(std::chrono::milliseconds patience = 8s) {
    Bytes in;
    std::array<uint8_t, 65536> buffer;
    while (answered(patience)) {
      const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (size <= 0) break;
      if (over_ == Transport::udp) return read_got({buffer.data(), static_cast<size_t>(size)});
      in.insert(in.end(), buffer.begin(), buffer.begin() + size);
      if (in.size() >= 2 && in.size() >= 2U + (in[0] << 8 | in[1])) return read_got(std::span(in).subspan(2));
    }
    return {};
  }

 private:
  Transport over_;
  Fd fd_;
};

struct ForwarderTest : testing::Test {
  Config config;
  SharedZone zone{ZoneOptions{.zone = *Name::parse("cluster.local")}};
  std::unique_ptr<Server> server;

  Forward& forward_to(const std::vector<const TestUpstream*>& upstreams, std::string_view domain = "") {
    Forward forward{.domain = *Name::parse(domain), .policy = ForwardPolicy::sequential};
    for (const auto* upstream : upstreams) forward.upstreams.push_back({.address = upstream->address()});
    config.forwards.push_back(std::move(forward));
    return config.forwards.back();
  }
  /// An upstream that is late is neither asked again nor given a rival: for counts that are exact.
  static Forward& patiently(Forward& forward) {
    forward.hedge = forward.repeat = forward.timeout = 10s;
    return forward;
  }
  void start(int threads = 1) {
    auto started = Server::start({.listen = {*SocketAddress::parse("127.0.0.1:0")},
                                  .config = std::make_shared<const Config>(config),
                                  .threads = threads},
                                 zone);
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }
  /// In force when it returns, of one thread: what is answered meanwhile ends a round of events.
  void configure() {
    server->configure(std::make_shared<const Config>(config));
    EXPECT_EQ(ask("not.forwarded.cluster.local").rcode, 2);
  }
  const SocketAddress& address() const { return server->addresses().front(); }
  Got ask(std::string_view name, Transport over = Transport::udp, Query like = {}) {
    return Client(address(), name, over, like).wait();
  }
  uint64_t count(const std::function<uint64_t(const Counters&)>& of) const {
    uint64_t sum = 0;
    for (const Counters* counters : server->counters()) sum += of(*counters);
    return sum;
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 800 && !condition(); ++i) std::this_thread::sleep_for(10ms);
    return condition();
  }
};

TestUpstream::Answering says(const std::string& ip, uint32_t ttl = 60) {
  return [=](const Query& query, Transport) { return Messages{test_answer(query, {ip}, ttl)}; };
}

Query with_edns(bool dnssec_ok = false) {
  Query like;
  like.has_edns = true;
  like.edns_udp_size = 1232;
  like.dnssec_ok = dnssec_ok;
  return like;
}

TEST_F(ForwarderTest, TheMostSpecificDomainIsAsked) {
  TestUpstream root(says("192.0.2.1")), corp(says("192.0.2.2")), lab(says("192.0.2.3"));
  forward_to({&root});
  forward_to({&corp}, "corp.example").except = {*Name::parse("out.corp.example")};
  forward_to({&lab}, "Lab.Corp.Example");
  start();
  EXPECT_THAT(ask("www.example").addresses, ElementsAre("192.0.2.1"));
  EXPECT_THAT(ask("xcorp.example").addresses, ElementsAre("192.0.2.1"));
  EXPECT_THAT(ask("corp.example").addresses, ElementsAre("192.0.2.2"));
  EXPECT_THAT(ask("a.b.CORP.example").addresses, ElementsAre("192.0.2.2"));
  EXPECT_THAT(ask("x.lab.corp.example").addresses, ElementsAre("192.0.2.3"));
  EXPECT_THAT(ask("x.out.corp.example").addresses, ElementsAre("192.0.2.1"));
}

TEST_F(ForwarderTest, NamesOfNoDomainAreRefused) {
  TestUpstream corp;
  forward_to({&corp}, "corp.example");
  start();
  EXPECT_EQ(ask("www.example").rcode, 5);
}

TEST_F(ForwarderTest, EqualQuestionsAreAskedOnce) {
  std::atomic<bool> go = false;
  TestUpstream upstream([&](const Query& query, Transport) {
    while (!go) std::this_thread::sleep_for(1ms);
    return Messages{test_answer(query, {"192.0.2.9"})};
  });
  patiently(forward_to({&upstream}));
  config.cache.enabled = false;
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 40; ++i)
    clients.push_back(std::make_unique<Client>(address(), i % 2 ? "www.EXAMPLE" : "www.example"));
  auto coalesced = [&] { return count([](const Counters& c) { return c.forward_coalesced.get(); }); };
  EXPECT_TRUE(eventually([&] { return coalesced() == 39; })) << coalesced();
  go = true;
  for (auto& client : clients) EXPECT_THAT(client->wait().addresses, ElementsAre("192.0.2.9"));
  EXPECT_THAT(upstream.asked(), SizeIs(1));
  EXPECT_EQ(coalesced(), 39U);
}

TEST_F(ForwarderTest, AnswersAreKeptAndCountedDown) {
  TestUpstream upstream(says("192.0.2.1", 30));
  patiently(forward_to({&upstream}));
  start(2);
  EXPECT_EQ(ask("www.example").ttl, 30U);
  std::this_thread::sleep_for(1100ms);
  for (int i = 0; i < 10; ++i) {
    auto got = ask("WWW.example");
    EXPECT_THAT(got.addresses, ElementsAre("192.0.2.1"));
    EXPECT_LE(got.ttl, 29U);
    EXPECT_EQ(got.message[13], 'W');
  }
  EXPECT_THAT(ask("www.example", Transport::tcp).addresses, ElementsAre("192.0.2.1"));
  EXPECT_THAT(upstream.asked(), SizeIs(1));
  EXPECT_THAT(ask("www.example", Transport::udp, with_edns(true)).addresses, SizeIs(1));
  EXPECT_THAT(upstream.asked(), SizeIs(2));
  EXPECT_EQ(count([](const Counters& c) { return c.cache.hits_positive.get(); }), 11U);
  EXPECT_TRUE(eventually(
      [&] { return count([](const Counters& c) { return c.cache.entries_positive.get(); }) == 2; }));
}

TEST_F(ForwarderTest, NegativeAnswersAreKeptByTheirSoa) {
  TestUpstream upstream([](const Query& query, Transport) {
    const bool with_soa = query.name.str().starts_with('s') || query.name.str().starts_with('S');
    return Messages{test_negative(query, Rcode::nxdomain, with_soa ? std::optional(7U) : std::nullopt)};
  });
  patiently(forward_to({&upstream}));
  start();
  for (int i = 0; i < 3; ++i) {
    auto got = ask("soa.example");
    EXPECT_EQ(got.rcode, 3);
    EXPECT_LE(got.ttl, 7U);
  }
  EXPECT_THAT(upstream.asked(), SizeIs(1));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("bare.example").rcode, 3);
  EXPECT_THAT(upstream.asked(), SizeIs(4));
}

TEST_F(ForwarderTest, WhatIsTruncatedIsFetchedOverTcp) {
  std::vector<std::string> many;
  for (int i = 0; i < 200; ++i) many.push_back(fmt::format("192.0.2.{}", i));
  TestUpstream upstream([&](const Query& query, Transport over) {
    auto answer = test_answer(query, over == Transport::tcp ? many : std::vector<std::string>{});
    if (over == Transport::udp) answer[2] |= 2;
    return Messages{answer};
  });
  patiently(forward_to({&upstream}));
  start();
  auto udp = ask("www.example");
  EXPECT_TRUE(udp.truncated);
  EXPECT_LE(udp.message.size(), 512U);
  auto tcp = ask("www.example", Transport::tcp);
  EXPECT_FALSE(tcp.truncated);
  EXPECT_EQ(tcp.answers, 200);
  EXPECT_THAT(upstream.asked(Transport::tcp), SizeIs(1));  // kept
  EXPECT_THAT(upstream.asked(Transport::udp), SizeIs(1));
}

TEST_F(ForwarderTest, TheCaseIsRandomAndHasToComeBack) {
  // A forged answer has the right id, but not the case.
  TestUpstream upstream([](const Query& query, Transport over) {
    if (over == Transport::tcp) return Messages{test_answer(query, {"192.0.2.1"})};
    Query forged = query;
    forged.name.lower();
    return Messages{test_answer(forged, {"192.0.2.66"}), test_answer(query, {"192.0.2.1"})};
  });
  patiently(forward_to({&upstream}));
  start();
  const std::string name = "abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz.example";
  EXPECT_THAT(ask(name).addresses, ElementsAre("192.0.2.1"));
  auto asked = upstream.asked(Transport::udp).at(0).name;
  EXPECT_NE(asked.str(), name + ".");
  EXPECT_EQ(asked, *Name::parse(name));
  EXPECT_THAT(upstream.asked(Transport::tcp), SizeIs(1));
  EXPECT_THAT(ask("other." + name).addresses, ElementsAre("192.0.2.1"));
  EXPECT_NE(upstream.asked(Transport::udp).at(1).name.str(), "other." + name + ".");
}

TEST_F(ForwarderTest, AnUpstreamThatChangesTheCaseIsLearned) {
  TestUpstream upstream([](const Query& query, Transport) {
    Query lower = query;
    lower.name.lower();
    return Messages{test_answer(lower, {"192.0.2.1"})};
  });
  patiently(forward_to({&upstream}));
  start();
  for (int i = 0; i < 4; ++i)
    EXPECT_THAT(ask(fmt::format("abcdefghijklmnopqrstuvwxyz{}.example", i)).addresses,
                ElementsAre("192.0.2.1"));
  EXPECT_THAT(upstream.asked(Transport::tcp), SizeIs(1));
  EXPECT_THAT(upstream.asked(Transport::udp), SizeIs(4));
  EXPECT_EQ(upstream.asked(Transport::udp).at(3).name.str(), "abcdefghijklmnopqrstuvwxyz3.example.");
}

TEST_F(ForwarderTest, AnUpstreamWithoutEdns) {
  TestUpstream upstream([](const Query& query, Transport) {
    Query plain = query;
    plain.has_edns = false;
    if (query.has_edns) return Messages{test_negative(plain, Rcode::formerr, {})};
    return Messages{test_answer(plain, {"192.0.2.1"})};
  });
  patiently(forward_to({&upstream}));
  start();
  EXPECT_THAT(ask("a.example", Transport::udp, with_edns()).addresses, ElementsAre("192.0.2.1"));
  EXPECT_THAT(ask("b.example", Transport::udp, with_edns()).addresses, ElementsAre("192.0.2.1"));
  EXPECT_THAT(upstream.asked(), SizeIs(3));
}

TEST_F(ForwarderTest, OneThatIsSilentCostsOneQuestion) {
  TestUpstream dead(says("192.0.2.1")), well(says("192.0.2.2"));
  dead.silent = true;
  auto& forward = patiently(forward_to({&dead, &well}));
  forward.hedge = 1s;
  forward.health_check = 50ms;
  start();
  for (int i = 0; i < 20; ++i)
    EXPECT_THAT(ask(fmt::format("n{}.example", i)).addresses, ElementsAre("192.0.2.2"));
  EXPECT_THAT(dead.asked(), SizeIs(1));
  EXPECT_THAT(well.asked(), SizeIs(20));
  auto is_down = [&] {
    bool down = false;
    for (const UpstreamBook* book : server->upstreams())
      book->each([&](const std::string& name, const UpstreamCounters& c) {
        if (name == dead.address().str()) down = c.down.get() == 1 && c.probes_failed.get() >= 2;
      });
    return down;
  };
  EXPECT_TRUE(eventually(is_down));
  dead.silent = false;
  EXPECT_TRUE(eventually([&] { return !is_down(); }));
  EXPECT_THAT(ask("back.example").addresses, ElementsAre("192.0.2.1"));
  const size_t probes = dead.probes();
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(dead.probes(), probes);  // nobody probes what is well
  EXPECT_EQ(well.probes(), 0U);
}

TEST_F(ForwarderTest, WhenAllAreDownTheyAreAskedAnyway) {
  TestUpstream one(says("192.0.2.1")), two(says("192.0.2.2"));
  one.silent = two.silent = true;
  auto& forward = forward_to({&one, &two});
  forward.timeout = 300ms;
  forward.health_check = 60s;
  forward.max_fails = 1;
  start();
  EXPECT_EQ(ask("a.example").rcode, 2);
  two.silent = false;
  EXPECT_THAT(ask("b.example").addresses, ElementsAre("192.0.2.2"));
  EXPECT_THAT(ask("c.example").addresses, ElementsAre("192.0.2.2"));
}

TEST_F(ForwarderTest, AnErrorOfOneIsNotTheLastWord) {
  TestUpstream broken(
      [](const Query& query, Transport) { return Messages{test_negative(query, Rcode::servfail, {})}; });
  TestUpstream well;
  forward_to({&broken, &well});
  start();
  EXPECT_THAT(ask("a.example").addresses, ElementsAre("192.0.2.1"));
  config.forwards[0].upstreams.pop_back();
  configure();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("b.example").rcode, 2);
  EXPECT_LE(broken.asked().size(), 3U);  // remembered for a second
}

TEST_F(ForwarderTest, AnErrorIsTheLastWordWhenTheOthersAreDown) {
  TestUpstream broken(
      [](const Query& query, Transport) { return Messages{test_negative(query, Rcode::servfail, {})}; });
  TestUpstream dead;
  dead.silent = true;
  auto& forward = patiently(forward_to({&dead, &broken}));
  forward.hedge = 500ms;
  forward.timeout = 1s;
  forward.health_check = 20ms;
  start();
  EXPECT_EQ(ask("first.example").rcode, 2);
  ASSERT_TRUE(eventually([&] { return dead.probes() >= 3; }));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(fmt::format("n{}.example", i)).rcode, 2);
  EXPECT_THAT(dead.asked(), SizeIs(1));
}

TEST_F(ForwarderTest, Policies) {
  TestUpstream one, two, three;
  patiently(forward_to({&one, &two, &three})).policy = ForwardPolicy::round_robin;
  start();
  for (int i = 0; i < 9; ++i) EXPECT_EQ(ask(fmt::format("r{}.example", i)).rcode, 0);
  EXPECT_THAT(one.asked(), SizeIs(3));
  EXPECT_THAT(two.asked(), SizeIs(3));
  config.forwards[0].policy = ForwardPolicy::random;
  configure();
  for (int i = 0; i < 60; ++i) EXPECT_EQ(ask(fmt::format("x{}.example", i)).rcode, 0);
  EXPECT_GT(one.asked().size(), 5U);
  EXPECT_GT(two.asked().size(), 5U);
  EXPECT_GT(three.asked().size(), 5U);
}

TEST_F(ForwarderTest, OverTcpOneConnectionIsKept) {
  TestUpstream upstream;
  patiently(forward_to({&upstream})).force_tcp = true;
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 50; ++i)
    clients.push_back(std::make_unique<Client>(address(), fmt::format("n{}.example", i)));
  for (auto& client : clients) EXPECT_THAT(client->wait().addresses, ElementsAre("192.0.2.1"));
  EXPECT_THAT(upstream.asked(Transport::udp), IsEmpty());
  EXPECT_EQ(upstream.connections, 1);
  // What it closes is opened again, and nobody notices.
  upstream.close_after_answer = true;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(fmt::format("c{}.example", i)).rcode, 0);
  EXPECT_EQ(upstream.connections, 5);
}

TEST_F(ForwarderTest, OverTlsTheCertificateIsVerified) {
  TestServerTls tls("dns.example");
  TestUpstream upstream({}, &tls);
  auto& forward = forward_to({&upstream});
  forward.upstreams[0].tls_server_name = "dns.example";
  forward.upstreams[0].tls_ca_file = tls.ca_file();
  start();
  for (int i = 0; i < 5; ++i)
    EXPECT_THAT(ask(fmt::format("n{}.example", i)).addresses, ElementsAre("192.0.2.1"));
  EXPECT_EQ(upstream.connections, 1);
  upstream.close_after_answer = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(fmt::format("c{}.example", i)).rcode, 0);
  EXPECT_GE(upstream.resumed, 1);
  EXPECT_THAT(upstream.asked(Transport::udp), IsEmpty());
}

TEST_F(ForwarderTest, ACertificateForAnotherNameIsNotTaken) {
  TestServerTls tls("dns.example");
  TestUpstream upstream({}, &tls);
  auto& forward = forward_to({&upstream});
  forward.timeout = 500ms;
  forward.upstreams[0].tls_server_name = "other.example";
  forward.upstreams[0].tls_ca_file = tls.ca_file();
  start();
  EXPECT_EQ(ask("a.example").rcode, 2);
  config.forwards[0].upstreams[0].tls_server_name = "dns.example";
  config.forwards[0].upstreams[0].tls_ca_file = "/nonexistent";
  configure();
  EXPECT_EQ(ask("b.example").rcode, 2);
  EXPECT_THAT(upstream.asked(), IsEmpty());
}

TEST_F(ForwarderTest, NoMoreInFlightThanAllowed) {
  TestUpstream silent;
  silent.silent = true;
  auto& forward = patiently(forward_to({&silent}));
  forward.max_in_flight = 3;
  forward.timeout = 5s;
  start();
  std::vector<std::unique_ptr<Client>> waiting;
  for (int i = 0; i < 3; ++i)
    waiting.push_back(std::make_unique<Client>(address(), fmt::format("n{}.example", i)));
  ASSERT_TRUE(eventually([&] { return silent.asked().size() >= 3; }));
  EXPECT_EQ(ask("more.example").rcode, 2);
  EXPECT_EQ(count([](const Counters& c) { return c.forward_overloaded.get(); }), 1U);
  for (auto& client : waiting) EXPECT_EQ(client->wait().rcode, 2);
  silent.silent = false;
  EXPECT_EQ(ask("again.example").rcode, 0);
}

TEST_F(ForwarderTest, AnswersThatPointIntoTheClusterAreRefused) {
  TestUpstream upstream(says("10.96.0.1"));
  patiently(forward_to({&upstream}));
  config.rebind_refused = {*IpPrefix::parse("10.96.0.0/16")};
  config.rebind_allowed = {*Name::parse("corp.example")};
  start();
  for (int i = 0; i < 2; ++i) {
    auto got = ask("evil.example", Transport::udp, with_edns());
    EXPECT_EQ(got.rcode, 3);
    EXPECT_EQ(got.answers, 0);
  }
  EXPECT_THAT(upstream.asked(), SizeIs(1));
  EXPECT_EQ(count([](const Counters& c) { return c.rebind_refused.get(); }), 1U);
  EXPECT_THAT(ask("www.corp.example").addresses, ElementsAre("10.96.0.1"));
}

TEST_F(ForwarderTest, ANewConfigurationLeavesWhatIsInFlight) {
  std::atomic<bool> asked = false, go = false;
  TestUpstream before([&](const Query& query, Transport) {
    asked = true;
    while (!go) std::this_thread::sleep_for(1ms);
    return Messages{test_answer(query, {"192.0.2.1"})};
  });
  TestUpstream after(says("192.0.2.2"));
  patiently(forward_to({&before}));
  start();
  Client early(address(), "a.example", Transport::tcp);
  EXPECT_TRUE(eventually([&] { return asked.load(); }));
  config.forwards.clear();
  forward_to({&after});
  configure();
  EXPECT_THAT(ask("b.example").addresses, ElementsAre("192.0.2.2"));
  EXPECT_FALSE(early.answered(0ms));
  go = true;
  EXPECT_THAT(early.wait().addresses, ElementsAre("192.0.2.1"));
  EXPECT_THAT(ask("a.example").addresses, ElementsAre("192.0.2.2"));  // kept nowhere
}

TEST_F(ForwarderTest, OldAnswersAreServedWhileNobodyAnswers) {
  TestUpstream upstream(says("192.0.2.1", 1));
  auto& forward = forward_to({&upstream});
  forward.health_check = 50ms;
  forward.timeout = 700ms;
  config.cache.positive_min = 1s;
  config.cache.serve_stale = 1h;
  start();
  EXPECT_EQ(ask("a.example").ttl, 1U);
  std::this_thread::sleep_for(1100ms);
  upstream.silent = true;
  auto got = ask("a.example", Transport::udp, with_edns());
  EXPECT_THAT(got.addresses, ElementsAre("192.0.2.1"));
  EXPECT_EQ(got.ttl, 30U);
  EXPECT_THAT(std::vector(got.message.end() - 6, got.message.end()), ElementsAre(0, 15, 0, 2, 0, 3));
  EXPECT_EQ(ask("never.example").rcode, 2);
  upstream.answer(says("192.0.2.2"));
  upstream.silent = false;
  EXPECT_TRUE(
      eventually([&] { return ask("a.example").addresses == std::vector<std::string>{"192.0.2.2"}; }));
  EXPECT_GE(count([](const Counters& c) { return c.cache.served_stale.get(); }), 1U);
}

TEST_F(ForwarderTest, NamesThatAreWantedOftenAreFetchedBeforeTheyEnd) {
  TestUpstream upstream(says("192.0.2.1", 2));
  forward_to({&upstream});
  config.cache.positive_min = 1s;
  config.cache.prefetch_hits = 3;
  config.cache.prefetch_percent = 90;
  start();
  EXPECT_TRUE(eventually([&] {
    EXPECT_THAT(ask("a.example").addresses, ElementsAre("192.0.2.1"));
    return upstream.asked().size() >= 3;
  }));
  EXPECT_GE(count([](const Counters& c) { return c.cache.prefetches.get(); }), 2U);
  const auto misses =
      count([](const Counters& c) { return c.cache.requests.get() - c.cache.hits_positive.get(); });
  EXPECT_EQ(misses, 1U);
}

TEST_F(ForwarderTest, TheEndOfAnExternalNameIsKeptToo) {
  TestUpstream upstream(says("192.0.2.7"));
  patiently(forward_to({&upstream}));
  start();
  zone.write([](Zone& z) {
    kube::Namespace ns;
    ns.metadata.name = "shop";
    z.apply(nullptr, &ns);
    kube::Service away;
    away.metadata.namespace_ = "shop";
    away.metadata.name = "away";
    away.spec.type = "ExternalName";
    away.spec.externalName = "db.example";
    z.apply(nullptr, &away);
    z.set_synced();
  });
  for (auto over : {Transport::udp, Transport::tcp, Transport::udp}) {
    auto got = ask("away.shop.svc.cluster.local", over, with_edns());
    EXPECT_EQ(got.answers, 2);
    EXPECT_THAT(got.addresses, ElementsAre("192.0.2.7"));
  }
  EXPECT_THAT(upstream.asked(), SizeIs(1));
}

TEST_F(ForwarderTest, ALoopThroughAnotherThreadEnds) {
  start(4);
  Forward self;
  self.upstreams.push_back({.address = address()});
  config.forwards.push_back(self);
  configure();
  for (int i = 0; i < 10; ++i)
    EXPECT_TRUE(eventually([&] { return ask(fmt::format("n{}.example", i)).rcode == 2; }));
}

}  // namespace
}  // namespace weft::dns
