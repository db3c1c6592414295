#include "policy/domain_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "policy/test_world.h"

namespace weft::policy {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const char* const kPolicy =
    "{metadata: {name: p}, spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: ["
    "{action: Accept, to: [{domainNames: [a.example, '*.b.example']}]}, {action: Deny, to: [{networks: "
    "[0.0.0.0/0]}]}]}}";

/// A keeper with a plan, and a DNS server's end of its socket.
class DomainKeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/weft-keeper-XXXXXX";
    ASSERT_TRUE(::mkdtemp(folder));
    folder_ = folder;
    begin();
  }
  void TearDown() override {
    keeper_.reset();
    std::filesystem::remove_all(folder_);
  }
  void begin() {
    world_.emplace();
    world_->namespace_("shop");
    world_->pod("shop/web", "10.0.0.1");
    world_->put(test::object<kube::ClusterNetworkPolicy>(kPolicy));
    auto keeper = DomainKeeper::start(
        io_,
        {.socket = folder_ + "/socket",
         .file = domain_file_in(folder_),
         .user = ::geteuid(),
         .on_serving = [this](const auto* server) { return heard(server); }},
        world_->plan,
        {.changed = [this] { in_force_ = false; },
         .when_in_force = [this](auto then) { in_force_ ? then() : awaited_.push_back(std::move(then)); },
         .in_use = [this] { return Expected<std::set<IpAddr>>(in_use_); }});
    ASSERT_TRUE(keeper) << keeper.error().message;
    keeper_ = std::move(*keeper);
  }
  void connect() {
    server_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strncpy(address.sun_path, (folder_ + "/socket").c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::connect(server_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    reader_ = {};
  }
  void say(const std::string& text) const {
    ASSERT_EQ(::send(server_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  void answer(uint32_t number, const std::string& name, const char* address, uint32_t ttl = 300) const {
    say(domain_feed::encode(
        domain_feed::Answer{.number = number, .name = name, .addresses = {{test::ip(address), ttl}}}));
  }
  void run(std::chrono::milliseconds time = 50ms) {
    io_.restart();
    io_.run_for(time);
  }
  std::vector<domain_feed::Message> heard() {
    run();
    std::array<uint8_t, 4096> buffer;
    for (ssize_t size; (size = ::recv(server_.get(), buffer.data(), buffer.size(), 0)) > 0;)
      reader_.append({buffer.data(), static_cast<size_t>(size)});
    std::vector<domain_feed::Message> out;
    while (auto message = reader_.next()) out.push_back(*message);
    return out;
  }
  void ask_for_names_of_the_zone() {
    auto policy = test::object<kube::ClusterNetworkPolicy>(kPolicy);
    policy.spec.egress[0].to[0].domainNames = {"web.shop.svc.cluster.local"};
    world_->put(policy);
    keeper_->names_changed();
  }
  bool heard(const domain_feed::Serving* server) {
    if (server && server->zone == "of another node") return false;
    serving_.push_back(server ? server->zone : "");
    return true;
  }
  void written() {
    world_->plan.take_changes();
    in_force_ = true;
    for (auto& then : std::exchange(awaited_, {})) then();
  }
  bool allowed(const char* address) const {
    return world_->plan.evaluate({"shop/web", {}}, {{}, test::ip(address)}, IPPROTO_TCP, 80).value().allowed;
  }

  boost::asio::io_context io_;
  std::string folder_;
  std::optional<test::World> world_;
  std::unique_ptr<DomainKeeper> keeper_;
  Fd server_;
  domain_feed::Reader reader_;
  bool in_force_ = true;
  std::vector<std::function<void()>> awaited_;
  std::set<IpAddr> in_use_;
  std::vector<std::string> serving_;  ///< zones of servers, as told
};

TEST_F(DomainKeeperTest, TellsWhatIsAskedForWhenAllIsKnown) {
  connect();
  EXPECT_THAT(heard(), IsEmpty());
  keeper_->names_changed();
  using namespace domain_feed;
  EXPECT_THAT(heard(),
              ElementsAre(Message(Asked{"*.b.example"}), Message(Asked{"a.example"}), Message(Complete{})));
  auto policy = test::object<kube::ClusterNetworkPolicy>(kPolicy);
  policy.spec.egress[0].to[0].domainNames = {"a.example", "c.example"};
  world_->put(policy);
  keeper_->names_changed();
  EXPECT_THAT(heard(), ElementsAre(Message(Asked{"c.example"}), Message(Dropped{"*.b.example"})));
  connect();
  EXPECT_THAT(heard(),
              ElementsAre(Message(Asked{"a.example"}), Message(Asked{"c.example"}), Message(Complete{})));
}

TEST_F(DomainKeeperTest, SaysThatAnAnswerIsInForceWhenItIs) {
  keeper_->names_changed();
  connect();
  heard();
  EXPECT_FALSE(allowed("192.0.2.1"));
  answer(5, "x.b.example", "192.0.2.1");
  EXPECT_THAT(heard(), IsEmpty());
  written();
  EXPECT_TRUE(allowed("192.0.2.1"));
  EXPECT_THAT(heard(), ElementsAre(domain_feed::Message(domain_feed::InForce{5})));
  answer(6, "x.b.example", "192.0.2.1");
  EXPECT_THAT(heard(), ElementsAre(domain_feed::Message(domain_feed::InForce{6}))) << "it is already";
  answer(7, "z.example", "192.0.2.2");
  EXPECT_THAT(heard(), ElementsAre(domain_feed::Message(domain_feed::InForce{7}))) << "nobody asks for it";
  EXPECT_EQ(keeper_->size(), 1U);
}

TEST_F(DomainKeeperTest, TheNextAgentKnowsBeforeItIsTold) {
  keeper_->names_changed();
  connect();
  answer(5, "a.example", "192.0.2.1");
  run();
  keeper_.reset();
  begin();
  written();
  EXPECT_TRUE(allowed("192.0.2.1"));
}

TEST_F(DomainKeeperTest, WhatIsTooOldGoesUnlessItIsInUse) {
  keeper_.reset();
  std::ofstream(domain_file_in(folder_)) << "1000 192.0.2.1 a.example\n1000 192.0.2.2 a.example\n";
  begin();
  in_use_ = {test::ip("192.0.2.2")};
  written();
  EXPECT_TRUE(allowed("192.0.2.1")) << "who is talked with is not known yet";
  keeper_->names_changed();
  run(1500ms);
  written();
  EXPECT_FALSE(allowed("192.0.2.1"));
  EXPECT_TRUE(allowed("192.0.2.2"));
  auto kept = DomainFile::read(domain_file_in(folder_)).value();
  EXPECT_EQ(kept.size(), 1U);
}

TEST_F(DomainKeeperTest, TheSocketIsForOneUser) {
  struct stat seen;
  ASSERT_EQ(::stat((folder_ + "/socket").c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777, 0600U);
  EXPECT_EQ(seen.st_uid, ::geteuid());
}

std::string serves(const char* zone) {
  return domain_feed::encode(domain_feed::Serving{.ttl = 5, .serial = 1, .zone = zone, .at = {}});
}

TEST_F(DomainKeeperTest, OneServerIsHeardUntilItIsSilentOrGone) {
  keeper_->names_changed();
  connect();
  say(serves("of another node"));
  run();
  Fd other = std::move(server_);
  connect();
  say(serves("first"));
  run();
  Fd first = std::move(server_);
  connect();
  // Again, as what it says counts for a second only, however long the second one took.
  std::swap(first, server_);
  say(serves("first"));
  std::swap(first, server_);
  say(serves("second"));
  run();
  EXPECT_THAT(serving_, ElementsAre("first", "first"));
  first.reset();
  run();
  say(serves("second"));
  run();
  EXPECT_THAT(serving_, ElementsAre("first", "first", "second")) << "what the first said counts until then";
  say(domain_feed::encode(domain_feed::Silent{}));
  say(serves("third"));
  run();
  EXPECT_THAT(serving_, ElementsAre("first", "first", "second", "", "third"));
  Fd third = std::move(server_);
  connect();
  run(domain_feed::kServingFor + 100ms);
  say(serves("fourth"));
  run();
  EXPECT_THAT(serving_, ElementsAre("first", "first", "second", "", "third", "fourth"))
      << "the third stands still";
}

TEST_F(DomainKeeperTest, NoServerIsHeardWhosePoliciesAskForNamesOfTheZone) {
  connect();
  say(serves("cluster.local"));
  run();
  EXPECT_THAT(serving_, IsEmpty()) << "not known yet";
  keeper_->names_changed();
  say(serves("b.example"));
  run();
  EXPECT_THAT(serving_, IsEmpty()) << "*.b.example is";
  say(serves("cluster.local"));
  run();
  EXPECT_THAT(serving_, ElementsAre("cluster.local"));
  ask_for_names_of_the_zone();
  EXPECT_THAT(serving_, ElementsAre("cluster.local", "")) << "before the policy is in force";
}

TEST_F(DomainKeeperTest, WhatAServerSaidThatIsGoneDoesNotOutlastSuchPolicies) {
  keeper_->names_changed();
  connect();
  say(serves("cluster.local"));
  run();
  server_.reset();
  run();
  EXPECT_THAT(serving_, ElementsAre("cluster.local"));
  ask_for_names_of_the_zone();
  EXPECT_THAT(serving_, ElementsAre("cluster.local", ""));
}

TEST_F(DomainKeeperTest, WhoSaysNonsenseIsLeft) {
  keeper_->names_changed();
  connect();
  heard();
  say(std::string("\0\2\3?", 4));
  run();
  char byte;
  EXPECT_EQ(::recv(server_.get(), &byte, 1, 0), 0);
}

}  // namespace
}  // namespace weft::policy
