#include "service/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "datapath/map_fill.h"
#include "service/dump.h"
#include "service/image.h"
#include "service/maglev.h"
#include "service/test_sockets.h"

namespace weft::service {
namespace {

using test::endpoint;
using test::Port;
using test::service;
using test::slice;
using test::World;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<Port> kPort = {{"p", "TCP", 80}};
const std::vector<Port> kTarget = {{"p", "TCP", 8080}};

std::unique_ptr<ServiceEngine> open_engine(const World& world, datapath::ServiceMapSizes sizes = {}) {
  auto engine = ServiceEngine::open({world.bpf_dir(), world.cgroup(), {"node-1", ""}, sizes});
  EXPECT_TRUE(engine) << (engine ? "" : engine.error().message);
  return engine ? std::move(*engine) : nullptr;
}

/// "10.96.0.1:80 > 10.244.0.1:8080,…" for each frontend that is not a whole address; backends sorted.
std::vector<std::string> programmed(const World& world) {
  std::vector<std::string> out;
  auto dump = dump_frontends(world.bpf_dir());
  EXPECT_TRUE(dump) << (dump ? "" : dump.error().message);
  if (!dump) return out;
  for (const auto& frontend : *dump) {
    if (frontend.whole_address) continue;
    std::vector<std::string> targets;
    for (const auto& t : frontend.backends) targets.push_back(t.addr.str() + ":" + std::to_string(t.port));
    std::sort(targets.begin(), targets.end());
    std::string line = frontend.addr.str() + ":" + std::to_string(frontend.port) + " >";
    for (const auto& target : targets) line += " " + target;
    out.push_back(line);
  }
  return out;
}

std::map<std::string, uint64_t> ids(const World& world) {
  std::map<std::string, uint64_t> out;
  auto dump = dump_frontends(world.bpf_dir());
  for (const auto& frontend : *dump) {
    for (const auto& t : frontend.backends) out[t.addr.str()] = t.id;
  }
  return out;
}

std::string ip(int n) { return "10.244." + std::to_string(n / 250) + "." + std::to_string(n % 250 + 1); }

SlicePtr slice_of(const std::string& of, const std::vector<int>& numbers) {
  std::vector<kube::Endpoint> endpoints;
  for (int n : numbers) endpoints.push_back(endpoint(ip(n)));
  return slice(of + "-1", of, kTarget, std::move(endpoints));
}

TEST(EngineTest, ProgramsNothingBeforeBothCachesAreSynced) {
  World world;
  auto engine = open_engine(world);
  engine->service_changed(nullptr, service("a", {"10.96.0.1"}, kPort));
  engine->slice_changed(nullptr, slice_of("a", {1, 2}));
  EXPECT_THAT(programmed(world), IsEmpty());
  ASSERT_TRUE(engine->synced());
  EXPECT_THAT(programmed(world), ElementsAre("10.96.0.1:80 > 10.244.0.2:8080 10.244.0.3:8080"));
}

TEST(EngineTest, FollowsChangesWithFewWrites) {
  World world;
  auto engine = open_engine(world);
  auto svc = service("a", {"10.96.0.1"}, kPort);
  engine->service_changed(nullptr, svc);
  std::vector<int> hundred(100);
  for (int i = 0; i < 100; ++i) hundred[i] = i;
  auto before = slice_of("a", hundred);
  engine->slice_changed(nullptr, before);
  ASSERT_TRUE(engine->synced());
  auto known = ids(world);

  hundred.erase(hundred.begin() + 10);  // backends, slots, frontend: two written, two removed
  auto after = slice_of("a", hundred);
  auto writes = engine->stats().kernel_writes;
  engine->slice_changed(before, after);
  EXPECT_EQ(engine->stats().kernel_writes - writes, 4);
  EXPECT_EQ(engine->stats().backends, 99);
  for (const auto& [addr, id] : ids(world)) EXPECT_EQ(id, known[addr]);

  hundred.push_back(10);
  writes = engine->stats().kernel_writes;
  engine->slice_changed(after, slice_of("a", hundred));
  EXPECT_EQ(engine->stats().kernel_writes - writes, 3);
  EXPECT_NE(ids(world)[ip(10)], known[ip(10)]) << "a backend that comes back is another backend";

  engine->service_changed(svc, nullptr);
  EXPECT_EQ(engine->stats().frontends + engine->stats().slots + engine->stats().backends, 0);
  EXPECT_THAT(programmed(world), IsEmpty());
}

TEST(EngineTest, ASliceMayMoveToAnotherService) {
  World world;
  auto engine = open_engine(world);
  engine->service_changed(nullptr, service("a", {"10.96.0.1"}, kPort));
  engine->service_changed(nullptr, service("b", {"10.96.0.2"}, kPort));
  ASSERT_TRUE(engine->synced());
  auto one = slice("s", "a", kTarget, {endpoint(ip(1))});
  auto other = slice("s", "b", kTarget, {endpoint(ip(1))});
  engine->slice_changed(nullptr, one);
  EXPECT_THAT(programmed(world), ElementsAre("10.96.0.1:80 > 10.244.0.2:8080", "10.96.0.2:80 >"));
  engine->slice_changed(one, other);
  EXPECT_THAT(programmed(world), ElementsAre("10.96.0.1:80 >", "10.96.0.2:80 > 10.244.0.2:8080"));
}

TEST(EngineTest, RestartKeepsIdentitiesAndWritesOnlyDifferences) {
  World world;
  auto a = service("a", {"10.96.0.1"}, kPort), b = service("b", {"10.96.0.2"}, kPort);
  auto slice_a = slice_of("a", {1, 2, 3}), slice_b = slice_of("b", {4, 5});
  {
    auto engine = open_engine(world);
    engine->service_changed(nullptr, a);
    engine->service_changed(nullptr, b);
    engine->slice_changed(nullptr, slice_a);
    engine->slice_changed(nullptr, slice_b);
    ASSERT_TRUE(engine->synced());
  }
  auto known = ids(world);
  {
    auto engine = open_engine(world);
    engine->service_changed(nullptr, b);
    engine->slice_changed(nullptr, slice_b);
    engine->service_changed(nullptr, a);
    engine->slice_changed(nullptr, slice_a);
    ASSERT_TRUE(engine->synced());
    EXPECT_EQ(engine->stats().kernel_writes, 0);
    EXPECT_EQ(ids(world), known);
  }
  auto engine = open_engine(world);  // b went while nobody was there, and one of a's endpoints changed
  engine->service_changed(nullptr, a);
  engine->slice_changed(nullptr, slice_of("a", {1, 3, 6}));
  ASSERT_TRUE(engine->synced());
  EXPECT_THAT(programmed(world),
              ElementsAre("10.96.0.1:80 > 10.244.0.2:8080 10.244.0.4:8080 10.244.0.7:8080"));
  EXPECT_EQ(ids(world)[ip(1)], known[ip(1)]);
  EXPECT_EQ(engine->stats().backends, 3);
  EXPECT_EQ(engine->stats().slots, 3);
  EXPECT_EQ(engine->stats().frontends, 2);
}

TEST(EngineTest, AFullMapIsAClearErrorAndOthersGoOn) {
  World world;
  std::vector<std::string> told;
  auto open_small = [&] {
    return std::move(*ServiceEngine::open({.bpf_dir = world.bpf_dir(),
                                           .cgroup_path = world.cgroup(),
                                           .node = {"node-1", ""},
                                           .sizes = {.frontends = 100, .slots = 8, .backends = 8},
                                           .on_failing = [&](const std::string& service, const Error* why) {
                                             told.push_back(service + ": " + (why ? why->message : "good"));
                                           }}));
  };
  auto engine = open_small();
  auto big = service("big", {"10.96.0.1"}, kPort), small = service("small", {"10.96.0.2"}, kPort);
  auto fits = slice_of("big", {1, 2, 3, 4, 5});
  engine->service_changed(nullptr, big);
  engine->slice_changed(nullptr, fits);
  engine->service_changed(nullptr, small);
  auto small_slice = slice_of("small", {10});
  engine->slice_changed(nullptr, small_slice);
  ASSERT_TRUE(engine->synced());
  auto good = programmed(world);

  auto too_many = slice_of("big", {1, 2, 3, 4, 5, 6, 7, 8});
  engine->slice_changed(fits, too_many);
  ASSERT_TRUE(engine->stats().failing.contains("shop/big"));
  EXPECT_EQ(engine->stats().failing["shop/big"].code, ErrorCode::exhausted);
  EXPECT_THAT(engine->stats().failing["shop/big"].message, HasSubstr("BPF map slots is full: 6 of 8"));
  EXPECT_EQ(programmed(world), good) << "the last good state stays";
  EXPECT_THAT(told, ElementsAre(HasSubstr("shop/big: BPF map slots is full: 6 of 8")));

  auto two = slice_of("small", {10, 11});
  engine->slice_changed(small_slice, two);
  EXPECT_THAT(programmed(world)[1], HasSubstr("10.244.0.12"));

  engine.reset();  // the last good state also survives a restart
  engine = open_small();
  engine->service_changed(nullptr, big);
  engine->slice_changed(nullptr, too_many);
  engine->service_changed(nullptr, small);
  engine->slice_changed(nullptr, two);
  ASSERT_TRUE(engine->synced());
  EXPECT_EQ(programmed(world)[0], good[0]);
  EXPECT_TRUE(engine->stats().failing.contains("shop/big"));

  engine->service_changed(small, nullptr);  // makes room
  EXPECT_THAT(engine->stats().failing, IsEmpty());
  EXPECT_EQ(engine->stats().backends, 8);
  EXPECT_EQ(told.back(), "shop/big: good");
}

TEST(EngineTest, AnAddressIsTheOldersUntilItGoes) {
  World world;
  auto engine = open_engine(world);
  auto old = service("z-old", {"10.96.0.1"}, kPort), young = service("a-young", {"10.96.0.1"}, kPort);
  old->metadata.creationTimestamp = "2026-01-01T00:00:00Z";
  young->metadata.creationTimestamp = "2026-01-02T00:00:00Z";
  engine->service_changed(nullptr, young);
  engine->service_changed(nullptr, old);
  engine->slice_changed(nullptr, slice_of("z-old", {1}));
  engine->slice_changed(nullptr, slice_of("a-young", {2}));
  ASSERT_TRUE(engine->synced());
  EXPECT_THAT(programmed(world), ElementsAre("10.96.0.1:80 > 10.244.0.2:8080"));
  EXPECT_THAT(engine->stats().failing["shop/a-young"].message, HasSubstr("belongs to Service shop/z-old"));
  engine->service_changed(old, nullptr);
  EXPECT_THAT(programmed(world), ElementsAre("10.96.0.1:80 > 10.244.0.3:8080"));
  EXPECT_THAT(engine->stats().failing, IsEmpty());
}

TEST(EngineTest, OtherSizesReplaceTheMapsOnlyWhenTheNewOnesAreFull) {
  World world;
  auto a = service("a", {"10.96.0.1"}, kPort);
  {
    auto engine = open_engine(world);
    engine->service_changed(nullptr, a);
    engine->slice_changed(nullptr, slice_of("a", {1}));
    ASSERT_TRUE(engine->synced());
  }
  auto folders = [&] {
    int count = 0;
    for (const auto& e : std::filesystem::directory_iterator(world.bpf_dir() + "/service")) {
      count += e.path().filename().string().starts_with("v");
    }
    return count;
  };
  auto engine = open_engine(world, {.frontends = 1000, .slots = 1000, .backends = 1000});
  EXPECT_EQ(folders(), 2);
  engine->service_changed(nullptr, a);
  engine->slice_changed(nullptr, slice_of("a", {2}));
  ASSERT_TRUE(engine->synced());
  EXPECT_EQ(folders(), 1);
  EXPECT_THAT(programmed(world), ElementsAre("10.96.0.1:80 > 10.244.0.3:8080"));
}

TEST(EngineTest, RefusesASecondEngineAndWrongFolders) {
  World world;
  auto engine = open_engine(world);
  auto second = ServiceEngine::open({world.bpf_dir(), world.cgroup(), {}, {}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  auto nowhere = ServiceEngine::open({"/tmp", world.cgroup(), {}, {}});
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("/tmp: is not on a BPF file system"));
  engine.reset();
  auto no_cgroup = ServiceEngine::open({world.bpf_dir(), "/tmp", {}, {}});
  ASSERT_TRUE(no_cgroup);
  auto synced = (*no_cgroup)->synced();
  ASSERT_FALSE(synced);
  EXPECT_THAT(synced.error().message, HasSubstr("/tmp: is not a cgroup of version 2"));
}

TEST(EngineTest, TellsItsObserverWhatItDid) {
  World world;
  auto engine = open_engine(world);
  std::vector<std::string> seen;
  engine->observe({.service =
                       [&](const auto& key, const auto& service, auto slices) {
                         seen.push_back(key + (service ? " with " : " gone, ") +
                                        std::to_string(slices.size()));
                       },
                   .round =
                       [&](auto took, bool complete) {
                         EXPECT_GT(took.count(), 0);
                         seen.push_back(complete ? "complete" : "behind");
                       }});
  auto web = service("web", {"10.96.0.1"}, kPort);
  web->spec.type = "LoadBalancer";
  web->spec.externalTrafficPolicy = "Local";
  web->spec.internalTrafficPolicy = "Local";
  web->spec.externalIPs = {"198.51.100.1"};
  engine->service_changed(nullptr, web);
  EXPECT_THAT(seen, IsEmpty());
  ASSERT_TRUE(engine->synced());
  EXPECT_THAT(seen, ElementsAre("shop/web with 0", "complete"));
  seen.clear();
  auto elsewhere = slice("web-1", "web", kTarget, {endpoint("10.244.0.1", "ready", "node-2")});
  engine->slice_changed(nullptr, elsewhere);
  EXPECT_THAT(seen, ElementsAre("shop/web with 1", "complete"));
  EXPECT_EQ(engine->stats().no_local_internal, 1);
  EXPECT_EQ(engine->stats().no_local_external, 1);
  auto here = slice("web-1", "web", kTarget, {endpoint("10.244.0.1", "ready", "node-1")});
  engine->slice_changed(elsewhere, here);
  EXPECT_EQ(engine->stats().no_local_internal, 0);
  EXPECT_EQ(engine->stats().no_local_external, 0);
  seen.clear();
  engine->service_changed(web, nullptr);
  EXPECT_THAT(seen, ElementsAre("shop/web gone, 1", "complete"));
}

TEST(EngineTest, WithoutRoomForTablesNodesChooseForThemselves) {
  World world;
  // A table for five backends takes eight entries.
  auto engine = open_engine(world, {.frontends = 100, .slots = 100, .backends = 100, .maglev = 10});
  ASSERT_TRUE(engine->synced());
  for (const char* number : {"1", "2"}) {
    auto name = std::string("web-") + number;
    auto web = service(name, {std::string("10.96.0.") + number}, kPort);
    web->spec.externalIPs = {std::string("198.51.100.") + number};
    engine->service_changed(nullptr, web);
    std::vector<kube::Endpoint> endpoints;
    for (int i = 0; i < 5; ++i) endpoints.push_back(endpoint(ip(i)));
    engine->slice_changed(nullptr, slice(name + "-1", name, kTarget, std::move(endpoints)));
  }
  auto maps = datapath::open_service_maps(world.bpf_dir());
  ASSERT_TRUE(maps);
  auto table_of = [&](const char* external) {
    return maps->frontends.lookup(frontend_key(*IpAddr::parse(external), 80, IPPROTO_TCP))
        ->value()
        .maglev_size;
  };
  EXPECT_EQ(table_of("198.51.100.1"), maglev_size(5));
  EXPECT_EQ(table_of("198.51.100.2"), 0);
  EXPECT_THAT(engine->stats().failing, IsEmpty());
  EXPECT_EQ(programmed(world).size(), 4);
}

TEST(MapFillTest, CountsWhatIsPinned) {
  World world;
  EXPECT_EQ(datapath::read_map_fill(world.bpf_dir()).error().code, ErrorCode::not_found);
  auto engine = open_engine(world, {.frontends = 4, .slots = 9000, .backends = 9000});
  auto web = service("web", {"10.96.0.1"}, kPort);
  web->spec.externalIPs = {"198.51.100.1"};
  engine->service_changed(nullptr, web);
  std::vector<kube::Endpoint> endpoints;
  for (int i = 0; i < 5000; ++i) endpoints.push_back(endpoint(ip(i)));
  engine->slice_changed(nullptr, slice("web-1", "web", kTarget, std::move(endpoints)));
  ASSERT_TRUE(engine->synced());
  auto maps = datapath::read_map_fill(world.bpf_dir());
  ASSERT_TRUE(maps) << maps.error().message;
  std::map<std::string, std::string> fill;
  for (const auto& map : *maps)
    fill[map.name] =
        std::to_string(map.entries) + "/" + std::to_string(map.capacity) + (map.evicts ? " evicts" : "");
  EXPECT_EQ(fill["service/frontends"], std::to_string(engine->stats().frontends) + "/4");
  EXPECT_EQ(fill["service/slots"], "5000/9000");
  EXPECT_EQ(fill["service/backends"], "5000/9000");
  EXPECT_GT(fill["service/maglev"], "1");
  EXPECT_THAT(fill["service/affinity"], testing::StartsWith("0/"));
  EXPECT_THAT(fill["service/affinity"], testing::EndsWith(" evicts"));
  EXPECT_FALSE(fill.contains("service/ids"));
}

TEST(DumpTest, SaysWhenThereIsNothing) {
  World world;
  auto dump = dump_frontends(world.bpf_dir());
  ASSERT_FALSE(dump);
  EXPECT_EQ(dump.error().code, ErrorCode::not_found);
}

/// An engine that changes Services at random until it is killed; the next one must find its way from there.
TEST(EngineTest, IsSafeToKillAtAnyMoment) {
  World world;
  std::mt19937 random(7);
  auto numbers = [](std::mt19937& from) {
    std::vector<int> out;
    for (int n = 0; n < 40; ++n) {
      if (from() % 3 == 0) out.push_back(n);
    }
    return out;
  };
  for (int round = 0; round < 15; ++round) {
    auto child = world.spawn([&] {
      auto engine = open_engine(world);
      std::mt19937 mine(round);
      std::map<std::string, SlicePtr> slices;
      for (int i = 0; i < 3; ++i) {
        engine->service_changed(
            nullptr, service("s" + std::to_string(i), {"10.96.0." + std::to_string(i + 1)}, kPort));
      }
      if (!engine->synced()) return 1;
      for (;;) {
        std::string name = "s" + std::to_string(mine() % 3);
        auto next = slice_of(name, numbers(mine));
        engine->slice_changed(slices[name], next);
        slices[name] = next;
      }
    });
    usleep(40'000 + random() % 40'000);
    child.kill();

    auto engine = open_engine(world);
    ASSERT_TRUE(engine);
    std::vector<std::string> expected;
    size_t backends = 0;
    for (int i = 0; i < 3; ++i) {
      std::string name = "s" + std::to_string(i), addr = "10.96.0." + std::to_string(i + 1);
      auto wanted = numbers(random);
      std::set<std::string> targets;
      for (int n : wanted) targets.insert(" " + ip(n) + ":8080");
      expected.push_back(addr + ":80 >");
      for (const auto& target : targets) expected.back() += target;
      backends += wanted.size();
      engine->service_changed(nullptr, service(name, {addr}, kPort));
      engine->slice_changed(nullptr, slice_of(name, wanted));
    }
    ASSERT_TRUE(engine->synced());
    EXPECT_EQ(programmed(world), expected);
    engine.reset();
    auto again = open_engine(world);  // counts what is really there
    EXPECT_EQ(again->stats().backends, backends);
    EXPECT_EQ(again->stats().slots, backends);
    EXPECT_EQ(again->stats().frontends, 6);
  }
}

}  // namespace
}  // namespace weft::service
