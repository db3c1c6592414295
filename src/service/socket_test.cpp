// The socket load balancer with real sockets: what a process in the node's cgroup sees of a Service.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>

#include "service/engine.h"
#include "service/test_sockets.h"

namespace weft::service {
namespace {

using test::ask_from;
using test::Child;
using test::Client;
using test::endpoint;
using test::Port;
using test::serve;
using test::service;
using test::slice;
using test::udp_socket;
using test::World;

const std::vector<Port> kPorts = {{"t", "TCP", 80}, {"u", "UDP", 80}};
const std::vector<Port> kTargets = {{"t", "TCP", 8080}, {"u", "UDP", 8080}};
const std::string kV4 = "10.96.7.1", kV6 = "fd00:96::701";

/// A Service with four IPv4 and two IPv6 backends that answer.
class SocketTest : public testing::Test {
 protected:
  void SetUp() override {
    server = serve(world,
                   {"10.244.9.1", "10.244.9.2", "10.244.9.3", "10.244.9.4", "fd00:244:9::1", "fd00:244:9::2"},
                   8080);
    start();
  }
  void start() {
    auto opened = ServiceEngine::open({.bpf_dir = world.bpf_dir(),
                                       .cgroup_path = world.cgroup(),
                                       .node = {"node-1", ""},
                                       .wake_at = [this](auto when) { wake_at = when; }});
    ASSERT_TRUE(opened) << opened.error().message;
    engine = std::move(*opened);
    engine->service_changed(nullptr, service("a", {kV4, kV6}, kPorts));
    if (!v4)
      v4 = slice(
          "v4", "a", kTargets,
          {endpoint("10.244.9.1"), endpoint("10.244.9.2"), endpoint("10.244.9.3"), endpoint("10.244.9.4")});
    engine->slice_changed(nullptr, v4);
    engine->slice_changed(nullptr,
                          slice("v6", "a", kTargets, {endpoint("fd00:244:9::1"), endpoint("fd00:244:9::2")}));
    auto synced = engine->synced();
    ASSERT_TRUE(synced) << synced.error().message;
  }
  void set_v4(std::vector<kube::Endpoint> endpoints) {
    auto next = slice("v4", "a", kTargets, std::move(endpoints));
    engine->slice_changed(v4, next);
    v4 = next;
  }

  World world;
  Child server;
  std::unique_ptr<ServiceEngine> engine;
  SlicePtr v4;
  std::optional<std::chrono::steady_clock::time_point> wake_at;
};

std::string connected(int type, const std::string& ip, bool mapped = false) {
  Client client(type, ip, 80, mapped);
  std::string name = client.ask();
  return name + " peer " + client.peer();
}

TEST_F(SocketTest, ConnectsAndShowsTheService) {
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    EXPECT_THAT(world.run([&] { return connected(type, kV4); }),
                testing::MatchesRegex("10\\.244\\.9\\.[1-4] peer 10\\.96\\.7\\.1 80"));
    EXPECT_THAT(world.run([&] { return connected(type, kV6); }),
                testing::MatchesRegex("fd00:244:9::[12] peer fd00:96::701 80"));
    EXPECT_THAT(world.run([&] { return connected(type, kV4, true); }),
                testing::MatchesRegex("10\\.244\\.9\\.[1-4] peer ::ffff:10\\.96\\.7\\.1 80"));
  }
}

TEST_F(SocketTest, MultipathTcpToo) {
  auto result = world.run([&]() -> std::string {
    Fd fd(socket(AF_INET, SOCK_STREAM, 262));
    if (!fd) return "no MPTCP here";
    auto addr = test::sock_addr(kV4, 80);
    if (connect(fd.get(), addr.get(), addr.size) != 0) return strerrorname_np(errno);
    char buffer[64];
    if (send(fd.get(), "?", 1, 0) != 1) return strerrorname_np(errno);
    ssize_t n = recv(fd.get(), buffer, sizeof(buffer), 0);
    return n < 0 ? strerrorname_np(errno) : std::string(buffer, n);
  });
  if (result == "no MPTCP here") GTEST_SKIP() << result;
  EXPECT_THAT(result, testing::StartsWith("10.244.9."));
}

TEST_F(SocketTest, OthersAreLeftAlone) {
  EXPECT_EQ(world.run([] {
    Client client(SOCK_STREAM, "10.244.9.3", 8080);
    return client.ask() + " peer " + client.peer();
  }),
            "10.244.9.3 peer 10.244.9.3 8080");
  EXPECT_EQ(world.run([] { return Client(SOCK_STREAM, kV4, 80).ask(); }, false), "ENETUNREACH")
      << "outside of the cgroup there are no Services";
}

TEST_F(SocketTest, ConnectedUdpAnswersComeFromTheService) {
  EXPECT_THAT(world.run([] {
    Client client(SOCK_DGRAM, kV4, 80);
    if (send(client.fd.get(), "?", 1, 0) != 1) return std::string("send");
    char buffer[64];
    test::SockAddr from;
    from.size = sizeof(from.storage);
    recvfrom(client.fd.get(), buffer, sizeof(buffer), 0, from.get(), &from.size);
    return test::text(from);
  }),
              "10.96.7.1 80");
}

TEST_F(SocketTest, AUdpSocketMayConnectAgain) {
  EXPECT_EQ(world.run([] {
    Client client(SOCK_DGRAM, kV4, 80);
    auto backend = client.ask();
    auto pod = test::sock_addr(backend, 8080);  // the very same backend, now by its own address
    (void)connect(client.fd.get(), pod.get(), pod.size);
    return client.peer() == backend + " 8080" ? std::string("pod") : client.peer();
  }),
            "pod");
}

TEST_F(SocketTest, UnconnectedUdpStaysWithItsBackend) {
  struct {
    int family;
    std::string ip;
    bool mapped;
    const char* from;
  } rows[] = {{AF_INET, kV4, false, "10.96.7.1 80"},
              {AF_INET6, kV6, false, "fd00:96::701 80"},
              {AF_INET6, kV4, true, "::ffff:10.96.7.1 80"}};
  for (const auto& row : rows) {
    auto result = world.run([&] {
      std::set<std::string> backends;
      for (int i = 0; i < 30; ++i) {
        Fd fd = udp_socket(row.family);
        auto first = ask_from(fd.get(), row.ip, 80, row.mapped);
        if (!first.ends_with(std::string(" from ") + row.from)) return first;
        for (int j = 0; j < 10; ++j) {
          if (ask_from(fd.get(), row.ip, 80, row.mapped) != first) return "left " + first;
        }
        backends.insert(first);
      }
      return std::to_string(backends.size());
    });
    EXPECT_EQ(result, row.ip == kV6 ? "2" : "4") << "30 sockets should meet every backend";
  }
}

TEST_F(SocketTest, AUdpSocketMayAskSeveralServices) {
  engine->service_changed(nullptr, service("b", {"10.96.7.4"}, kPorts));
  engine->slice_changed(nullptr, slice("b", "b", kTargets, {endpoint("10.244.9.4")}));
  set_v4({endpoint("10.244.9.1"), endpoint("10.244.9.2"), endpoint("10.244.9.3")});
  EXPECT_EQ(world.run([] {
    Fd fd = udp_socket(AF_INET);
    auto first = ask_from(fd.get(), kV4, 80);
    for (int i = 0; i < 10; ++i) {
      if (auto b = ask_from(fd.get(), "10.96.7.4", 80); b != "10.244.9.4 from 10.96.7.4 80") return b;
      if (auto a = ask_from(fd.get(), kV4, 80); a != first) return a;
      // Two questions before the answers: each shows whom it was asked.
      auto to_a = test::sock_addr(kV4, 80), to_b = test::sock_addr("10.96.7.4", 80);
      sendto(fd.get(), "?", 1, 0, to_a.get(), to_a.size);
      sendto(fd.get(), "?", 1, 0, to_b.get(), to_b.size);
      std::set<std::string> from;
      for (int n = 0; n < 2; ++n) {
        char buffer[64];
        test::SockAddr addr;
        addr.size = sizeof(addr.storage);
        recvfrom(fd.get(), buffer, sizeof(buffer), 0, addr.get(), &addr.size);
        from.insert(test::text(addr));
      }
      if (from != std::set<std::string>{"10.96.7.1 80", "10.96.7.4 80"}) return std::string("mixed up");
      auto direct = ask_from(fd.get(), "10.244.9.3", 8080);
      if (!first.starts_with("10.244.9.3") && direct != "10.244.9.3 from 10.244.9.3 8080") return direct;
    }
    return std::string("ok");
  }),
            "ok");
}

TEST_F(SocketTest, WhoWouldBeItsOwnBackendIsLeftToItsEdge) {
  engine->service_changed(nullptr, service("b", {"10.96.7.4"}, kPorts));
  engine->slice_changed(nullptr, slice("b", "b", kTargets, {endpoint("10.244.9.4")}));
  auto added = engine->socket().add_pod("/proc/self/fd/" + std::to_string(world.netns()),
                                        std::vector{*IpAddr::parse("10.244.9.1")});
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(world.run([] {
    int left = 0, others = 0;
    for (int i = 0; i < 40; ++i) {
      Fd fd = udp_socket(AF_INET);
      // There is no edge here, and no route to it.
      auto first = ask_from(fd.get(), kV4, 80);
      (first == "ENETUNREACH" ? left : others) += 1;
      if (first.starts_with("10.244.9.1 ")) return first;
      for (int j = 0; j < 10; ++j) {
        if (j % 3 == 2) ask_from(fd.get(), "10.96.7.4", 80);
        if (auto next = ask_from(fd.get(), kV4, 80); next != first) return first + ", then " + next;
      }
      if (auto asked = Client(SOCK_STREAM, kV4, 80).ask(); asked == "10.244.9.1") return "TCP from " + asked;
    }
    return std::string(left > 0 && others > 0 ? "ok" : "always the same");
  }),
            "ok");
}

TEST_F(SocketTest, RefusesAtOnceWithoutEndpoints) {
  engine->service_changed(nullptr, service("empty", {"10.96.7.2", "fd00:96::702"}, kPorts));
  auto started = std::chrono::steady_clock::now();
  for (const std::string ip : {"10.96.7.2", "fd00:96::702"}) {
    EXPECT_EQ(world.run([&] { return Client(SOCK_STREAM, ip, 80).error; }), "ECONNREFUSED");
    EXPECT_EQ(world.run([&] { return Client(SOCK_DGRAM, ip, 80).error; }), "ECONNREFUSED");
    EXPECT_EQ(
        world.run([&] { return ask_from(udp_socket(ip[0] == 'f' ? AF_INET6 : AF_INET).get(), ip, 80); }),
        "ECONNREFUSED");
  }
  EXPECT_EQ(world.run([&] { return Client(SOCK_STREAM, "10.96.7.2", 80, true).error; }), "ECONNREFUSED");
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(5))
      << "of them all; whoever waits for an answer waits 2 s each";
}

TEST_F(SocketTest, RefusesPortsThatTheServiceDoesNotHave) {
  EXPECT_EQ(world.run([] { return Client(SOCK_STREAM, kV4, 81).error; }), "ECONNREFUSED");
  EXPECT_EQ(world.run([] { return Client(SOCK_STREAM, kV6, 81).error; }), "ECONNREFUSED");
  EXPECT_EQ(world.run([] { return ask_from(udp_socket(AF_INET).get(), kV4, 81); }), "ECONNREFUSED");
}

TEST_F(SocketTest, LocalPolicyWithNothingHereDrops) {
  auto local = service("local", {"10.96.7.3"}, kPorts);
  local->spec.internalTrafficPolicy = "Local";
  engine->service_changed(nullptr, local);
  engine->slice_changed(nullptr, slice("l", "local", kTargets, {endpoint("10.244.9.1", "ready", "node-2")}));
  EXPECT_EQ(world.run([] { return Client(SOCK_STREAM, "10.96.7.3", 80).error; }), "ENETUNREACH")
      << "the packet is left to the node, which here has no route for Services";
}

TEST_F(SocketTest, SpreadsEvenly) {
  auto result = world.run([] {
    std::map<std::string, int> seen;
    for (int i = 0; i < 800; ++i) ++seen[Client(SOCK_STREAM, kV4, 80).ask()];
    for (const auto& [name, count] : seen) {
      if (count < 140 || count > 260) return name + " got " + std::to_string(count) + " of 800";
    }
    return std::to_string(seen.size());
  });
  EXPECT_EQ(result, "4");
}

/// A client process that keeps sockets open and asks through them when told to.
struct Held {
  explicit Held(World& world, const std::function<std::vector<std::string>(bool first)>& step) {
    int down[2], up[2];
    test::require(pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0, "pipe");
    tell.reset(down[1]);
    hear.reset(up[0]);
    child = world.spawn([&] {
      tell.reset();
      char byte;
      for (bool first = true; first || read(down[0], &byte, 1) == 1; first = false) {
        std::string all;
        for (const auto& line : step(first)) all += line + "\n";
        all += ".\n";
        if (write(up[1], all.data(), all.size()) < 0) return 1;
      }
      return 0;
    });
    close(down[0]);
    close(up[1]);
    answers = read_lines();
  }
  std::vector<std::string> again() {
    EXPECT_EQ(write(tell.get(), "x", 1), 1);
    return read_lines();
  }
  std::vector<std::string> read_lines() {
    std::string text;
    char byte;
    while (!text.ends_with(".\n") || (text.size() > 2 && text[text.size() - 3] != '\n')) {
      if (read(hear.get(), &byte, 1) != 1) break;
      text += byte;
    }
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line) && line != ".";) lines.push_back(line);
    return lines;
  }
  Child child;
  Fd tell, hear;
  std::vector<std::string> answers;
};

/// For Held: so many clients of a Service that keep their sockets.
auto clients(int count, int type, const std::string& ip) {
  return [=, all = std::make_shared<std::vector<std::unique_ptr<Client>>>()](bool first) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) {
      if (first) all->push_back(std::make_unique<Client>(type, ip, 80));
      out.push_back((*all)[i]->ask());
    }
    return out;
  };
}

TEST_F(SocketTest, TcpConnectionsSurviveEveryChange) {
  Held held(world, clients(40, SOCK_STREAM, kV4));
  set_v4({endpoint("10.244.9.2"), endpoint("10.244.9.4", "unready")});
  EXPECT_EQ(held.again(), held.answers);
  auto fresh = world.run([] {
    for (int i = 0; i < 100; ++i) {
      if (auto name = Client(SOCK_STREAM, kV4, 80).ask(); name != "10.244.9.2") return name;
    }
    return std::string("all");
  });
  EXPECT_EQ(fresh, "all");
  engine.reset();
  start();
  EXPECT_EQ(held.again(), held.answers);
}

TEST_F(SocketTest, UdpMovesOnWhenItsBackendIsGone) {
  std::vector<std::unique_ptr<Client>> through;  // 40 through the Service, 4 straight to the pods
  std::vector<Fd> unconnected;
  Held held(world, [&](bool first) {
    std::vector<std::string> out;
    for (int i = 0; i < 44; ++i) {
      std::string pod = "10.244.9." + std::to_string(i - 39);
      if (first) {
        if (i < 20) through.push_back(std::make_unique<Client>(SOCK_DGRAM, kV4, 80, false));
        if (i >= 20 && i < 40) through.push_back(std::make_unique<Client>(SOCK_DGRAM, kV4, 80, true));
        if (i >= 40) through.push_back(std::make_unique<Client>(SOCK_DGRAM, pod, 8080));
      }
      out.push_back(through[i]->ask());
    }
    for (int i = 0; i < 20; ++i) {
      if (first) unconnected.push_back(udp_socket(AF_INET));
      out.push_back(ask_from(unconnected[i].get(), kV4, 80));
    }
    return out;
  });
  // 1 stays, 2 terminates but serves, 3 serves no more but may answer for a while, 4 is gone.
  set_v4({endpoint("10.244.9.1"), endpoint("10.244.9.2", "terminating"), endpoint("10.244.9.3", "gone")});
  auto expect_ended = [&](const std::vector<std::string>& after, const std::set<std::string>& gone) {
    int ended = 0;
    for (int i = 0; i < 40; ++i) {
      bool ends = gone.contains(held.answers[i]);
      EXPECT_EQ(after[i], ends ? "EDESTADDRREQ" : held.answers[i]);
      ended += ends;
    }
    EXPECT_GT(ended, 0);
    EXPECT_EQ(engine->stats().destroyed_udp_sockets, ended);
  };
  expect_ended(held.again(), {"10.244.9.4"});
  ASSERT_TRUE(wake_at);
  std::this_thread::sleep_until(*wake_at);
  engine->wake();
  auto after = held.again();
  expect_ended(after, {"10.244.9.3", "10.244.9.4"});
  for (int i = 40; i < 44; ++i)
    EXPECT_EQ(after[i], held.answers[i]) << "not through the Service: none of its business";
  for (int i = 44; i < 64; ++i) EXPECT_EQ(after[i], "10.244.9.1 from 10.96.7.1 80");
}

TEST_F(SocketTest, UdpMovesOnAtOnceWhenABackendGoesThatWasNotReady) {
  Held held(world, clients(40, SOCK_DGRAM, kV4));
  std::vector<kube::Endpoint> rest = {endpoint("10.244.9.1"), endpoint("10.244.9.2"), endpoint("10.244.9.3")};
  auto with = rest;
  with.push_back(endpoint("10.244.9.4", "gone"));
  set_v4(with);
  EXPECT_EQ(engine->stats().destroyed_udp_sockets, 0);
  set_v4(rest);
  auto after = held.again();
  EXPECT_THAT(held.answers, testing::Contains("10.244.9.4"));
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i], held.answers[i] == "10.244.9.4" ? "EDESTADDRREQ" : held.answers[i]);
  }
}

TEST_F(SocketTest, UdpMovesOnAlsoWhenTheChangeCameWhileNobodyWasThere) {
  Held held(world, clients(12, SOCK_DGRAM, kV6));
  engine.reset();
  auto opened = ServiceEngine::open({world.bpf_dir(), world.cgroup(), {"node-1", ""}, {}});
  ASSERT_TRUE(opened);
  (*opened)->service_changed(nullptr, service("a", {kV4, kV6}, kPorts));
  (*opened)->slice_changed(nullptr, slice("v6", "a", kTargets, {endpoint("fd00:244:9::1")}));
  ASSERT_TRUE((*opened)->synced());
  auto after = held.again();
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i], held.answers[i] == "fd00:244:9::1" ? held.answers[i] : "EDESTADDRREQ");
  }
}

/// Clients connect in a loop while the engine's process is killed and others take over: not one attempt
/// fails.
TEST_F(SocketTest, KillingTheAgentInterruptsNothing) {
  engine.reset();
  auto agent = [&](datapath::ServiceMapSizes sizes) {
    int ends[2];
    test::require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    auto child = world.spawn([&] {
      auto opened = ServiceEngine::open({world.bpf_dir(), world.cgroup(), {"node-1", ""}, sizes});
      if (!opened) return fprintf(stderr, "%s\n", opened.error().message.c_str());
      (*opened)->service_changed(nullptr, service("a", {kV4, kV6}, kPorts));
      (*opened)->slice_changed(nullptr, v4);
      if (!(*opened)->synced() || write(ends[1], "x", 1) != 1) return 1;
      // Changes all the time, so that it is killed in the middle of one; 10.244.9.1 is always there.
      SlicePtr before = v4;
      for (unsigned i = 0;; ++i) {
        std::vector<kube::Endpoint> endpoints = {endpoint("10.244.9.1")};
        for (unsigned n = 2; n <= 4; ++n) {
          if ((i >> n) & 1) endpoints.push_back(endpoint("10.244.9." + std::to_string(n)));
        }
        SlicePtr after = slice("v4", "a", kTargets, std::move(endpoints));
        (*opened)->slice_changed(before, after);
        before = after;
      }
    });
    close(ends[1]);
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return child;
  };
  auto running = agent({});
  int ends[2];
  test::require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Fd stop(ends[1]);
  Fd result(open("/tmp", O_TMPFILE | O_RDWR, 0600));
  auto client = world.spawn([&] {
    stop.reset();
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    int tried = 0, failed = 0;
    std::string first_failure;
    char byte;
    while (read(ends[0], &byte, 1) != 0) {
      auto tcp = Client(SOCK_STREAM, kV4, 80).ask();
      auto udp = ask_from(udp_socket(AF_INET).get(), kV4, 80);
      tried += 2;
      bool bad = !tcp.starts_with("10.244.9.") || !udp.starts_with("10.244.9.");
      if (bad && failed++ == 0) first_failure = fmt::format("{}, {}", tcp, udp);
    }
    dprintf(result.get(), "%d %d %s", tried, failed, first_failure.c_str());
    return 0;
  });
  close(ends[0]);
  for (int round = 0; round < 8; ++round) {
    usleep(50'000);
    running.kill();
    usleep(20'000);
    // Every other one has maps of other sizes: the programs move over while clients connect.
    running = agent(round % 2 ? datapath::ServiceMapSizes{} : datapath::ServiceMapSizes{1000, 1000, 1000});
  }
  running.kill();
  stop.reset();
  EXPECT_EQ(client.wait(), 0);
  char text[256] = {};
  ASSERT_GT(pread(result.get(), text, sizeof(text) - 1, 0), 0);
  int tried = 0, failed = -1;
  sscanf(text, "%d %d", &tried, &failed);
  EXPECT_GT(tried, 1000);
  EXPECT_EQ(failed, 0) << text;
}

}  // namespace
}  // namespace weft::service
