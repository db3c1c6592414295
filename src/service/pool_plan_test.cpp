#include "service/pool_plan.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace weft::service {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::shared_ptr<kube::AddressPool> make_pool(const std::string& name, std::vector<std::string> addresses) {
  auto out = std::make_shared<kube::AddressPool>();
  out->metadata.name = name;
  out->metadata.creationTimestamp = "2026-01-01T00:00:00Z";
  out->spec.addresses = std::move(addresses);
  return out;
}

kube::LabelSelector labels(kube::StringMap match) {
  kube::LabelSelector out;
  out.matchLabels = std::move(match);
  return out;
}

/// A planner and the objects it was told of; statuses are written at once unless told otherwise.
class World {
 public:
  PoolPlanner planner;
  std::map<std::string, kube::Service> services;
  bool write = true;

  World() {
    for (const auto* name : {"shop", "bank"}) planner.namespace_changed(name, {{"name", name}});
  }
  kube::Service& service(const std::string& key, std::vector<std::string> families = {"IPv4"}, int age = 0) {
    auto& out = services[key];
    auto slash = key.find('/');
    out.metadata.namespace_ = key.substr(0, slash);
    out.metadata.name = key.substr(slash + 1);
    out.metadata.uid = "uid-" + key;
    out.metadata.creationTimestamp = fmt::format("2026-01-01T00:{:02}:00Z", age);
    out.spec.type = "LoadBalancer";
    out.spec.ipFamilies = std::move(families);
    out.spec.ports.resize(1);
    out.spec.ports[0].port = 80;
    out.spec.ports[0].protocol = "TCP";
    return out;
  }
  void feed(const std::string& key) {
    apply(planner.service_changed(key, std::make_shared<const kube::Service>(services.at(key))));
  }
  void erase(const std::string& key) {
    services.erase(key);
    apply(planner.service_changed(key, nullptr));
  }
  void pool(const std::shared_ptr<kube::AddressPool>& object) {
    apply(planner.pool_changed(object->metadata.name, object));
  }
  void no_pool(const std::string& name) { apply(planner.pool_changed(name, nullptr)); }
  void begin() { apply(planner.begin()); }

  void apply(const PoolPlanner::Changes& changes) {
    last = changes;
    if (!write) return;
    for (const auto& key : changes.services) write_status(key);
  }
  void write_status(const std::string& key) {
    auto at = services.find(key);
    const auto decision = planner.decision(key);
    if (at == services.end() || !decision.ours) return;
    auto& ingress = at->second.status.loadBalancer.ingress;
    auto before = ingress;
    ingress.clear();
    for (const auto& address : decision.addresses) ingress.emplace_back().ip = address.addr.str();
    if (before != ingress) feed(key);
  }
  std::vector<std::string> addresses(const std::string& key) const {
    std::vector<std::string> out;
    for (const auto& address : planner.decision(key).addresses) out.push_back(address.addr.str());
    return out;
  }
  std::string problem(const std::string& key) const { return planner.decision(key).problem; }
  /// A planner that starts over from the same objects.
  void restart(const std::vector<std::shared_ptr<kube::AddressPool>>& pools) {
    planner = PoolPlanner();
    for (const auto* name : {"shop", "bank"}) planner.namespace_changed(name, {{"name", name}});
    for (const auto& [key, service] : services)
      planner.service_changed(key, std::make_shared<const kube::Service>(service));
    for (const auto& one : pools) planner.pool_changed(one->metadata.name, one);
    begin();
  }

  PoolPlanner::Changes last;
};

class PoolPlanTest : public testing::Test, public World {};

TEST_F(PoolPlanTest, GivesAnAddressOfEachFamilyAndUsesAllOfANetwork) {
  pool(make_pool("a", {"192.0.2.0/31", "2001:db8::/32"}));
  begin();
  service("shop/a", {"IPv6", "IPv4"});
  feed("shop/a");
  EXPECT_THAT(addresses("shop/a"), ElementsAre("2001:db8::", "192.0.2.0"));
  service("shop/b");
  feed("shop/b");
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.1"));
  service("shop/c");
  feed("shop/c");
  EXPECT_THAT(addresses("shop/c"), IsEmpty());
  EXPECT_EQ(problem("shop/c"), "no IPv4 address is free in AddressPool a");
  EXPECT_EQ(planner.report("a")->assigned, 3);
  EXPECT_EQ(planner.report("a")->available, INT64_MAX);
  erase("shop/b");
  EXPECT_THAT(addresses("shop/c"), ElementsAre("192.0.2.1")) << "who waits gets what is freed";
  EXPECT_EQ(problem("shop/c"), "");
}

TEST_F(PoolPlanTest, TheOldestOfThoseWhoWaitGetsWhatIsFreed) {
  pool(make_pool("a", {"192.0.2.1-192.0.2.1"}));
  begin();
  for (int age : {5, 9, 7}) {
    auto key = fmt::format("shop/{}", age);
    service(key, {"IPv4"}, age);
    feed(key);
  }
  EXPECT_THAT(addresses("shop/5"), ElementsAre("192.0.2.1"));
  erase("shop/5");
  EXPECT_THAT(addresses("shop/7"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(addresses("shop/9"), IsEmpty());
}

TEST_F(PoolPlanTest, LeavesServicesOfOthersAlone) {
  pool(make_pool("a", {"192.0.2.0/24"}));
  begin();
  service("shop/a").spec.loadBalancerClass = "else.where/lb";
  services["shop/a"].status.loadBalancer.ingress.emplace_back().ip = "192.0.2.0";
  feed("shop/a");
  EXPECT_FALSE(planner.decision("shop/a").ours);
  service("shop/b").spec.loadBalancerClass = "weft.dev/weft";
  feed("shop/b");
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.1"))
      << "what another load balancer shows is not free";
}

TEST_F(PoolPlanTest, WithoutPoolsTheAddressesOfAnotherLoadBalancerStay) {
  begin();
  service("shop/a").status.loadBalancer.ingress.emplace_back().ip = "198.51.100.1";
  feed("shop/a");
  EXPECT_FALSE(planner.decision("shop/a").ours);
  service("shop/b");
  feed("shop/b");
  EXPECT_EQ(problem("shop/b"), "there is no AddressPool");
  pool(make_pool("a", {"192.0.2.0/24"}));
  EXPECT_THAT(addresses("shop/a"), ElementsAre("192.0.2.0"));
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.1"));
  no_pool("a");
  EXPECT_TRUE(services["shop/a"].status.loadBalancer.ingress.empty());
}

TEST_F(PoolPlanTest, RequestedAddresses) {
  auto manual = make_pool("a", {"192.0.2.0/24", "2001:db8::/64"});
  manual->spec.autoAssign = false;
  pool(manual);
  begin();
  service("shop/a", {"IPv4", "IPv6"}).metadata.annotations[kAddressesAnnotation] = "192.0.2.7, 2001:db8::7";
  feed("shop/a");
  EXPECT_THAT(addresses("shop/a"), ElementsAre("192.0.2.7", "2001:db8::7"));
  service("shop/b").spec.loadBalancerIP = "192.0.2.7";
  feed("shop/b");
  EXPECT_THAT(problem("shop/b"), HasSubstr("spec.loadBalancerIP: 192.0.2.7 is in use by Service shop/a"));
  service("shop/c");
  feed("shop/c");
  EXPECT_EQ(problem("shop/c"), "no AddressPool that gives addresses by itself matches the Service");
  services["shop/c"].metadata.annotations[kAddressPoolAnnotation] = "a";
  feed("shop/c");
  EXPECT_THAT(addresses("shop/c"), ElementsAre("192.0.2.0"));
  erase("shop/a");
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.7"));
  services["shop/b"].spec.loadBalancerIP = "192.0.2.9";
  feed("shop/b");
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.9")) << "another request moves it";
}

TEST_F(PoolPlanTest, RequestsThatCannotBeMet) {
  auto other = make_pool("b", {"198.51.100.0/24"});
  other->spec.serviceSelector = labels({{"tier", "edge"}});
  pool(make_pool("a", {"192.0.2.0/24"}));
  pool(other);
  begin();
  auto ask = [&](const char* annotation, const char* value) {
    service("shop/a").metadata.annotations = {{annotation, value}};
    feed("shop/a");
    EXPECT_TRUE(planner.decision("shop/a").ours);
    return problem("shop/a");
  };
  EXPECT_EQ(ask(kAddressesAnnotation, "203.0.113.1"),
            "metadata.annotations[weft.dev/addresses]: 203.0.113.1 is in no AddressPool");
  EXPECT_THAT(ask(kAddressesAnnotation, "198.51.100.1"), HasSubstr("whose selectors do not match"));
  EXPECT_THAT(ask(kAddressPoolAnnotation, "b"), HasSubstr("AddressPool b has selectors that do not match"));
  EXPECT_THAT(ask(kAddressPoolAnnotation, "c"), HasSubstr("AddressPool c does not exist"));
  EXPECT_THAT(addresses("shop/a"), IsEmpty());
  EXPECT_THAT(ask(kAddressesAnnotation, "192.0.2.5"), IsEmpty());
  for (const auto* bad : {"nope", "192.0.2.1,192.0.2.2", "2001:db8::1", "192.0.2.1,"}) {
    EXPECT_THAT(ask(kAddressesAnnotation, bad), HasSubstr("metadata.annotations[weft.dev/addresses]: "));
    EXPECT_THAT(addresses("shop/a"), ElementsAre("192.0.2.5")) << "a slip takes nothing away";
  }
}

TEST_F(PoolPlanTest, SelectorsOfNamespacesAndServices) {
  auto bank = make_pool("bank", {"192.0.2.0/28"});
  bank->spec.namespaceSelector = labels({{"name", "bank"}});
  auto edge = make_pool("edge", {"192.0.2.16/28"});
  edge->spec.serviceSelector = labels({{"tier", "edge"}});
  pool(bank);
  pool(edge);
  pool(make_pool("all", {"192.0.2.32/28"}));
  begin();
  for (const auto* key : {"bank/a", "shop/b", "shop/c", "new/d"}) service(key);
  services["shop/b"].metadata.labels["tier"] = "edge";
  for (const auto* key : {"bank/a", "shop/b", "shop/c", "new/d"}) feed(key);
  EXPECT_THAT(addresses("bank/a"), ElementsAre("192.0.2.0")) << "the pool for few comes before that for all";
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.16"));
  EXPECT_THAT(addresses("shop/c"), ElementsAre("192.0.2.32"));
  EXPECT_FALSE(planner.decision("new/d").ours) << "its namespace is not known yet";
  apply(planner.namespace_changed("new", {{"name", "bank"}}));
  EXPECT_THAT(addresses("new/d"), ElementsAre("192.0.2.1"));
  apply(planner.namespace_changed("new", {}));
  EXPECT_THAT(addresses("new/d"), ElementsAre("192.0.2.33"));
}

TEST_F(PoolPlanTest, SharingOnRequest) {
  pool(make_pool("a", {"192.0.2.0/24"}));
  begin();
  int n = 0;
  auto sharer = [&](const std::string& key, int port) -> kube::Service& {
    auto& out = service(key, {"IPv4"}, ++n);
    out.metadata.annotations[kSharingKeyAnnotation] = "k";
    out.spec.ports[0].port = port;
    out.spec.selector = {{"app", key.substr(5)}};
    return out;
  };
  sharer("shop/a", 80);
  sharer("shop/b", 81);
  sharer("shop/c", 80).spec.ports[0].protocol = "UDP";
  sharer("shop/d", 80);
  sharer("bank/e", 82);
  sharer("shop/f", 83).spec.externalTrafficPolicy = "Local";
  auto& g = sharer("shop/g", 84);
  g.spec.externalTrafficPolicy = "Local";
  g.spec.selector = {{"app", "f"}};
  for (const auto* key : {"shop/a", "shop/b", "shop/c", "shop/d", "bank/e", "shop/f", "shop/g"}) feed(key);
  EXPECT_THAT(addresses("shop/a"), ElementsAre("192.0.2.0"));
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.0"));
  EXPECT_THAT(addresses("shop/c"), ElementsAre("192.0.2.0"));
  EXPECT_THAT(addresses("shop/d"), ElementsAre("192.0.2.1")) << "port clash";
  EXPECT_THAT(addresses("bank/e"), ElementsAre("192.0.2.2")) << "another namespace";
  EXPECT_THAT(addresses("shop/f"), ElementsAre("192.0.2.3")) << "Local with another selector";
  EXPECT_THAT(addresses("shop/g"), ElementsAre("192.0.2.3")) << "Local with the same selector";
  // The younger one has to go when they begin to clash, whoever changed.
  services["shop/a"].spec.ports[0].port = 81;
  feed("shop/a");
  EXPECT_THAT(addresses("shop/a"), ElementsAre("192.0.2.0"));
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.1")) << "it shares with d now";
}

TEST_F(PoolPlanTest, StatusIsTheRecord) {
  auto a = make_pool("a", {"192.0.2.0/24"});
  pool(a);
  begin();
  service("shop/a").status.loadBalancer.ingress.emplace_back().ip = "192.0.2.77";
  feed("shop/a");
  EXPECT_THAT(addresses("shop/a"), ElementsAre("192.0.2.77"));
  service("shop/old", {"IPv4"}, 1).status.loadBalancer.ingress.emplace_back().ip = "192.0.2.5";
  service("shop/elder", {"IPv4"}, 0).status.loadBalancer.ingress.emplace_back().ip = "192.0.2.5";
  restart({a});
  EXPECT_THAT(addresses("shop/a"), ElementsAre("192.0.2.77"));
  EXPECT_THAT(addresses("shop/elder"), ElementsAre("192.0.2.5")) << "the oldest wins a conflict";
  EXPECT_THAT(addresses("shop/old"), ElementsAre("192.0.2.0"));
}

TEST_F(PoolPlanTest, NobodyGetsAnAddressThatAStatusStillShows) {
  pool(make_pool("a", {"192.0.2.0/30"}));
  begin();
  service("shop/a").spec.loadBalancerIP = "192.0.2.1";
  feed("shop/a");
  write = false;
  services["shop/a"].spec.loadBalancerIP = "192.0.2.2";
  feed("shop/a");
  service("shop/b").spec.loadBalancerIP = "192.0.2.1";
  feed("shop/b");
  EXPECT_THAT(addresses("shop/a"), ElementsAre("192.0.2.2"));
  EXPECT_THAT(addresses("shop/b"), IsEmpty()) << "shop/a's status is not written yet";
  write = true;
  write_status("shop/a");
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.1"));
}

TEST_F(PoolPlanTest, ChangeOfTypeOrClassReleases) {
  pool(make_pool("a", {"192.0.2.1-192.0.2.2"}));
  begin();
  service("shop/a");
  feed("shop/a");
  services["shop/a"].spec.type = "ClusterIP";
  feed("shop/a");
  EXPECT_TRUE(services["shop/a"].status.loadBalancer.ingress.empty());
  EXPECT_EQ(planner.report("a")->assigned, 0);
  service("shop/b");
  feed("shop/b");
  services["shop/b"].spec.loadBalancerClass = "else.where/lb";
  feed("shop/b");
  EXPECT_TRUE(services["shop/b"].status.loadBalancer.ingress.empty());
  EXPECT_FALSE(planner.decision("shop/b").ours);
  EXPECT_EQ(planner.report("a")->assigned, 0);
}

TEST_F(PoolPlanTest, PoolsWithProblems) {
  pool(make_pool("a", {"192.0.2.0/24", "192.0.2.128-192.0.2.130", "192.0.2.1/24", "x", "192.0.2.9-192.0.2.1",
                       "192.0.2.1-2001:db8::1", "127.0.0.0/8", "::/0"}));
  auto younger = make_pool("b", {"192.0.2.200-192.0.3.5", "198.51.100.0/24"});
  younger->metadata.creationTimestamp = "2026-02-01T00:00:00Z";
  pool(younger);
  begin();
  EXPECT_THAT(last.pools, Contains("b"));
  auto a = planner.report("a")->conditions[0];
  EXPECT_EQ(a.status, "False");
  EXPECT_THAT(a.message, HasSubstr("spec.addresses[1]: \"192.0.2.128-192.0.2.130\" overlaps"));
  for (const auto* part : {"[2]: \"192.0.2.1/24\" has bits behind", "[3]: \"x\" is neither",
                           "[4]: \"192.0.2.9-192.0.2.1\" ends before", "[5]: ", "[6]: ", "[7]: "})
    EXPECT_THAT(a.message, HasSubstr(part));
  EXPECT_EQ(planner.report("a")->available, 256);
  EXPECT_THAT(planner.report("b")->conditions[0].message,
              HasSubstr("overlaps 192.0.2.0-192.0.2.255 in spec.addresses[0] of AddressPool a"));
  EXPECT_EQ(planner.report("b")->available, 256);
  no_pool("a");
  EXPECT_THAT(last.pools, Contains("b")) << "the end of an overlap is news of the other pool";
  EXPECT_EQ(planner.report("b")->conditions[0].status, "True");
  EXPECT_EQ(planner.report("b")->available, 256 + 62);
}

TEST_F(PoolPlanTest, ASmallerPoolMovesOnlyWhoHasTo) {
  pool(make_pool("a", {"192.0.2.0/30"}));
  begin();
  for (const auto* key : {"shop/a", "shop/b", "shop/c"}) {
    service(key);
    feed(key);
  }
  pool(make_pool("a", {"192.0.2.1-192.0.2.1", "192.0.2.8/30"}));
  EXPECT_THAT(addresses("shop/a"), ElementsAre("192.0.2.8"));
  EXPECT_THAT(addresses("shop/b"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(addresses("shop/c"), ElementsAre("192.0.2.9"));
}

TEST_F(PoolPlanTest, AnEventTouchesNobodyElse) {
  pool(make_pool("a", {"10.0.0.0/8"}));
  begin();
  for (int n = 0; n < 100; ++n) {
    auto key = fmt::format("shop/{}", n);
    write = false;
    service(key);
    feed(key);
    EXPECT_THAT(last.services, ElementsAre(key));
    EXPECT_THAT(last.pools, ElementsAre("a"));
  }
}

TEST(AddressSetTest, IsASetWithoutBeingOne) {
  std::mt19937 random(7);
  AddressSet set;
  std::set<IpAddr> model;
  auto base = *IpAddr::parse("2001:db8::ffff:ffff:ffff:ffe0");
  for (int i = 0; i < 20'000; ++i) {
    auto addr =
        random() % 2 ? base.plus(random() % 64) : *IpAddr::parse(fmt::format("192.0.2.{}", random() % 64));
    bool insert = random() % 2;
    ASSERT_EQ(insert ? set.insert(addr) : set.erase(addr),
              insert ? model.insert(addr).second : model.erase(addr) > 0);
    auto v4 = model.lower_bound(IpAddr::v4({}));
    ASSERT_EQ(set.lowest(false), v4 == model.end() ? std::nullopt : std::optional(*v4));
    ASSERT_EQ(set.lowest(true),
              model.empty() || model.begin()->is_v4() ? std::nullopt : std::optional(*model.begin()));
  }
}

TEST(AddressRangeTest, Sizes) {
  auto size = [](const char* text) { return AddressRange::parse(text).value().size(); };
  EXPECT_EQ(size("192.0.2.0/24"), 256);
  EXPECT_EQ(size("192.0.2.7/32"), 1);
  EXPECT_EQ(size(" 192.0.2.1 - 192.0.2.3 "), 3);
  EXPECT_EQ(size("2001:db8::/96"), int64_t{1} << 32);
  EXPECT_EQ(size("2001:db8::/64"), INT64_MAX);
  EXPECT_EQ(size("2001:db8:0:0:ffff:ffff:ffff:fffe-2001:db8:0:1::1"), 4);
}

/// Histories at random, statuses written late and in any order, planners that start over.
class PoolHistoryTest : public testing::TestWithParam<int>, public World {
 public:
  std::mt19937 random{static_cast<uint32_t>(GetParam())};
  std::map<std::string, std::shared_ptr<kube::AddressPool>> pools;
  std::set<std::string> unwritten;

  uint32_t dice(uint32_t n) { return random() % n; }
  std::string any_key() { return fmt::format("{}/{}", dice(2) ? "shop" : "bank", dice(8)); }

  void change_service() {
    auto key = any_key();
    if (services.contains(key) && dice(3) == 0) return erase(key);
    static int made = 0;
    static const std::vector<std::vector<std::string>> kFamilies = {{"IPv4"}, {"IPv6"}, {"IPv4", "IPv6"}};
    const bool is_new = !services.contains(key);
    auto status = services[key].status;
    auto created = services[key].metadata;
    auto& svc = service(key, kFamilies[dice(3)], static_cast<int>(dice(60)));
    if (is_new) {
      svc.metadata.uid += std::to_string(++made);
    } else {
      svc.metadata.uid = created.uid;
      svc.metadata.creationTimestamp = created.creationTimestamp;
    }
    svc.status = status;
    svc.spec.ports[0].port = static_cast<int32_t>(80 + dice(3));
    svc.spec.loadBalancerIP = dice(4) == 0 ? fmt::format("192.0.2.{}", dice(6)) : "";
    svc.spec.type = dice(8) == 0 ? "ClusterIP" : "LoadBalancer";
    svc.metadata.annotations.clear();
    if (dice(2)) svc.metadata.annotations[kSharingKeyAnnotation] = dice(2) ? "k" : "l";
    if (dice(5) == 0) svc.metadata.annotations[kAddressPoolAnnotation] = dice(2) ? "a" : "b";
    feed(key);
  }
  void change_pool() {
    std::string name = dice(2) ? "a" : "b";
    if (dice(4) == 0) {
      pools.erase(name);
      return no_pool(name);
    }
    auto first = dice(6);
    auto made = make_pool(name, {fmt::format("192.0.2.{}-192.0.2.{}", first, first + dice(4)),
                                 fmt::format("2001:db8::{}-2001:db8::{}", first, first + dice(4))});
    if (dice(3) == 0) made->spec.namespaceSelector = labels({{"name", "bank"}});
    made->spec.autoAssign = dice(4) != 0;
    pool(pools[name] = made);
  }
  void note() { unwritten.insert(last.services.begin(), last.services.end()); }
  std::string everything() {
    std::string out;
    for (const auto& [name, one] : pools)
      out += fmt::format("\n{} {} {}", name, one->spec.addresses[0], one->spec.addresses[1]);
    for (const auto& [key, service] : services) {
      const auto& meta = service.metadata;
      out += fmt::format("\n{} {} {} port {} ip {} pool {} key {}:", key, meta.creationTimestamp,
                         service.spec.type, service.spec.ports[0].port, service.spec.loadBalancerIP,
                         meta.annotations.count(kAddressPoolAnnotation), sharing_of(service));
      for (const auto& addr : addresses(key)) out += " " + addr;
      for (const auto& way : service.status.loadBalancer.ingress) out += " shows " + way.ip;
    }
    return out;
  }
  /// A write that takes place some time later, as the engine does it.
  void write_one(const std::string key) {
    unwritten.erase(key);
    last = {};
    write_status(key);
    note();
  }
  /// No address is decided for two that cannot share it.
  void check_exclusive() {
    std::map<std::string, std::set<std::string>> users;
    for (const auto& [key, service] : services) {
      for (const auto& addr : addresses(key)) users[addr].insert(key);
    }
    for (const auto& [addr, keys] : users) {
      for (const auto& a : keys) {
        for (const auto& b : keys) {
          if (a < b) ASSERT_EQ(why_not_shared(services[a], services[b]), "") << addr << " " << a << " " << b;
        }
      }
    }
  }
};

TEST_P(PoolHistoryTest, NoAddressTwiceAndStable) {
  write = false;
  begin();
  for (int step = 0; step < 400; ++step) {
    if (dice(4) == 0) {
      change_pool();
    } else {
      change_service();
    }
    note();
    ASSERT_NO_FATAL_FAILURE(check_exclusive());
    while (!unwritten.empty() && dice(3)) write_one(*std::next(unwritten.begin(), dice(unwritten.size())));
    if (dice(10)) continue;
    for (int turns = 0; !unwritten.empty(); ++turns) {
      ASSERT_LT(turns, 1000) << "it never comes to rest";
      write_one(*unwritten.begin());
    }
    ASSERT_NO_FATAL_FAILURE(check_exclusive());
    std::map<std::string, std::vector<std::string>> settled;
    for (const auto& [key, service] : services) {
      settled[key] = addresses(key);
      feed(key);
      // Of several who are in the way, another one may be named.
      ASSERT_EQ(addresses(key), settled[key]) << "the same again at " << step << everything();
    }
    std::vector<std::shared_ptr<kube::AddressPool>> all;
    for (const auto& [name, one] : pools) all.push_back(one);
    if (all.empty()) continue;
    restart(all);
    for (const auto& [key, kept] : settled)
      ASSERT_EQ(addresses(key), kept) << key << " after a restart at " << step << everything();
    for (const auto& [name, one] : pools) {
      int64_t used = 0;
      std::set<std::string> distinct;
      for (const auto& [key, service] : services) {
        for (const auto& address : planner.decision(key).addresses) {
          if (address.pool == name && distinct.insert(address.addr.str()).second) ++used;
        }
      }
      ASSERT_EQ(planner.report(name)->assigned, used);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PoolHistoryTest, testing::Range(1, 41));

}  // namespace
}  // namespace weft::service
