#include "dns/domain_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "dns/responder.h"

namespace weft::dns {
namespace {

using namespace std::chrono_literals;
using domain_feed::TimedAddress;
using testing::ElementsAre;
using testing::IsEmpty;
using Clock = Poller::Clock;

Name name(std::string_view text) { return Name::parse(text).value(); }
IpAddr ip(std::string_view text) { return IpAddr::parse(text).value(); }

/// An answer to a question for `asked`.
class AnswerTo {
 public:
  explicit AnswerTo(std::string_view asked) : asked_(name(asked)), buffer_(4096) {
    query.has_question = true;
    query.name = asked_;
    query.id = 7;
    writer_.emplace(buffer_, buffer_.size(), query);
  }
  AnswerTo& alias(std::string_view owner, std::string_view target, uint32_t ttl = 300) {
    writer_->name(Section::answer, name(owner).wire(), ttl, Type::cname, name(target).wire());
    return *this;
  }
  AnswerTo& address(std::string_view owner, std::string_view address, uint32_t ttl = 300) {
    writer_->address(Section::answer, name(owner).wire(), ttl, ip(address));
    return *this;
  }
  std::vector<uint8_t> bytes() {
    buffer_.resize(writer_->finish());
    return buffer_;
  }
  std::vector<TimedAddress> addresses() { return addresses_of(asked_, bytes()); }

  Query query;

 private:
  Name asked_;
  std::vector<uint8_t> buffer_;
  std::optional<Writer> writer_;
};

TEST(AddressesOf, TheNameThatWasAsked) {
  EXPECT_THAT(AnswerTo("a.example")
                  .address("A.example", "192.0.2.1")
                  .address("a.example", "2001:db8::1", 5)
                  .addresses(),
              ElementsAre(TimedAddress{ip("192.0.2.1"), 300}, TimedAddress{ip("2001:db8::1"), 5}));
  EXPECT_THAT(AnswerTo("a.example").address("b.example", "192.0.2.1").addresses(), IsEmpty())
      << "whoever answers for one name says nothing of another";
}

TEST(AddressesOf, AnAlias) {
  auto alias = AnswerTo("a.example");
  alias.alias("a.example", "b.example", 20)
      .alias("b.example", "c.example", 60)
      .address("c.example", "192.0.2.1");
  EXPECT_THAT(alias.addresses(), ElementsAre(TimedAddress{ip("192.0.2.1"), 20})) << "the shortest on the way";
  EXPECT_THAT(
      AnswerTo("a.example").alias("b.example", "c.example").address("c.example", "192.0.2.1").addresses(),
      IsEmpty());
}

TEST(AddressesOf, NothingOfWhatIsNoAnswer) {
  auto answer = AnswerTo("a.example").address("a.example", "192.0.2.1", 0x80000000).bytes();
  EXPECT_THAT(addresses_of(name("a.example"), answer), ElementsAre(TimedAddress{ip("192.0.2.1"), 0}));
  for (size_t size = 0; size < answer.size(); ++size)
    EXPECT_THAT(addresses_of(name("a.example"), std::span(answer).first(size)), IsEmpty());
  answer[3] |= 3;
  EXPECT_THAT(addresses_of(name("a.example"), answer), IsEmpty()) << "NXDOMAIN";
}

/// The other end of the socket, at the test's pace.
class DomainFeedTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/weft-feed-XXXXXX";
    ASSERT_TRUE(::mkdtemp(folder));
    folder_ = folder;
    path_ = folder_ + "/agent";
    poller_ = Poller::make().value();
  }
  void TearDown() override {
    feed_.reset();
    std::filesystem::remove_all(folder_);
  }

  void listen() {
    ::unlink(path_.c_str());
    listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener_.get(), 4), 0);
  }
  void start(std::chrono::milliseconds patience = 10s) {
    DomainFeed::Options options{.socket = path_, .patience = patience, .look_again = 20ms};
    if (tells_serving_) options.serving = [this] { return serving_; };
    options.serving_each = 20ms;
    feed_.emplace(*poller_, std::move(options));
  }
  void accept() {
    agent_ = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(agent_);
    reader_ = {};
  }
  void say(const domain_feed::Message& message) const {
    auto text = domain_feed::encode(message);
    ASSERT_EQ(::send(agent_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  domain_feed::Answer hear() { return std::get<domain_feed::Answer>(hear_any()); }
  domain_feed::Message hear_any() {
    while (true) {
      if (auto message = reader_.next()) return *message;
      std::array<uint8_t, 4096> buffer;
      auto size = ::recv(agent_.get(), buffer.data(), buffer.size(), 0);
      if (size <= 0) return domain_feed::Answer{};
      reader_.append({buffer.data(), static_cast<size_t>(size)});
    }
  }
  bool nothing_to_hear() const {
    char byte;
    return ::recv(agent_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
  }
  domain_feed::Message next_heard() {
    EXPECT_TRUE(until([this] { return !nothing_to_hear(); }));
    return hear_any();
  }
  template <class Condition>
  bool until(Condition&& holds) {
    for (auto end = Clock::now() + 5s; Clock::now() < end;) {
      if (holds()) return true;
      poller_->run_once(Clock::now() + 5ms);
      feed_->expire(poller_->now());
    }
    return holds();
  }
  /// With an agent that asks for "*.a.example".
  void meet(std::chrono::milliseconds patience = 10s) {
    listen();
    start(patience);
    feed_->meet(0ms);
    accept();
    say(domain_feed::Asked{"*.a.example"});
    say(domain_feed::Complete{});
    ASSERT_TRUE(until([this] { return wants("x.a.example"); }));
  }
  bool wants(std::string_view text) const {
    Query query;
    query.has_question = true;
    query.name = name(text);
    return feed_->wants(query);
  }
  void deliver(std::string_view asked) {
    AnswerTo answer(asked);
    answer.address(asked, "192.0.2.1", 40);
    auto bytes = answer.bytes();
    feed_->deliver(answer.query, bytes, [this](std::span<const uint8_t> sent) {
      ++sent_;
      EXPECT_EQ(sent[1], 7);
    });
  }

  std::string folder_, path_;
  std::unique_ptr<Poller> poller_;
  std::optional<DomainFeed> feed_;
  Fd listener_, agent_;
  domain_feed::Reader reader_;
  int sent_ = 0;
  bool tells_serving_ = false;
  std::optional<domain_feed::Serving> serving_ =
      domain_feed::Serving{.ttl = 5, .serial = 7, .zone = "cluster.local", .at = {{ip("192.0.2.1"), 53}}};
};

TEST_F(DomainFeedTest, NothingIsWantedWithoutAnAgent) {
  start();
  feed_->meet(1s);
  EXPECT_FALSE(wants("x.a.example"));
}

TEST_F(DomainFeedTest, WhatPoliciesAskFor) {
  meet();
  EXPECT_TRUE(wants("X.Y.a.example"));
  EXPECT_FALSE(wants("a.example"));
  say(domain_feed::Asked{"b.example"});
  say(domain_feed::Dropped{"*.a.example"});
  EXPECT_TRUE(until([this] { return wants("b.example") && !wants("x.a.example"); }));
}

TEST_F(DomainFeedTest, AnAnswerIsHeldUntilItIsInForce) {
  meet();
  deliver("X.a.example");
  EXPECT_EQ(sent_, 0);
  auto told = hear();
  EXPECT_EQ(told.name, "x.a.example");
  EXPECT_THAT(told.addresses, ElementsAre(TimedAddress{ip("192.0.2.1"), 40}));
  say(domain_feed::InForce{told.number});
  EXPECT_TRUE(until([this] { return sent_ == 1; }));
  EXPECT_EQ(feed_->late(), 0U);
}

TEST_F(DomainFeedTest, OneWithoutAddressesIsNot) {
  meet();
  AnswerTo answer("x.a.example");
  auto bytes = answer.bytes();
  feed_->deliver(answer.query, bytes, [this](auto) { ++sent_; });
  EXPECT_EQ(sent_, 1);
  EXPECT_TRUE(nothing_to_hear());
}

TEST_F(DomainFeedTest, NotForLong) {
  meet(20ms);
  auto began = Clock::now();
  deliver("x.a.example");
  EXPECT_TRUE(until([this] { return sent_ == 1; }));
  EXPECT_GE(Clock::now() - began, 20ms);
  EXPECT_EQ(feed_->late(), 1U);
  say(domain_feed::InForce{hear().number});
  for (int i = 0; i < 10; ++i) poller_->run_once(Clock::now() + 5ms);
  EXPECT_EQ(sent_, 1) << "once";
}

TEST_F(DomainFeedTest, ANewAgentIsToldWhatTheOldOneMissed) {
  meet();
  deliver("x.a.example");
  agent_.reset();
  listener_.reset();
  EXPECT_TRUE(until([this] { return sent_ == 1; })) << "nobody will say that it is in force";
  deliver("y.a.example");
  EXPECT_EQ(sent_, 2) << "it is wanted still, and not held";
  listen();
  EXPECT_TRUE(until([this] { return feed_->next_deadline() == Clock::time_point::max(); }));
  accept();
  auto first = hear(), second = hear();
  EXPECT_EQ(first.name, "x.a.example");
  EXPECT_EQ(second.name, "y.a.example");
  say(domain_feed::InForce{first.number});
  say(domain_feed::InForce{second.number});
  EXPECT_TRUE(wants("x.a.example")) << "as long as the new one has not told what it asks for";
  say(domain_feed::Complete{});
  EXPECT_TRUE(until([this] { return !wants("x.a.example"); }));
}

TEST_F(DomainFeedTest, SaysAgainAndAgainWhatLinksMayAnswer) {
  tells_serving_ = true;
  meet();
  const domain_feed::Message said = *serving_;
  EXPECT_EQ(next_heard(), said);
  EXPECT_EQ(next_heard(), said);
  serving_.reset();
  while (next_heard() == said) continue;
  for (int i = 0; i < 20; ++i) {
    poller_->run_once(Clock::now() + 5ms);
    feed_->expire(poller_->now());
  }
  EXPECT_TRUE(nothing_to_hear()) << "that it is not to is said once";
}

TEST_F(DomainFeedTest, NotForAZoneThatPoliciesAskFor) {
  tells_serving_ = true;
  for (const char* asked : {"*.cluster.local", "web.shop.svc.cluster.local", "*.local", "cluster.local"}) {
    meet();
    const domain_feed::Message said = *serving_;
    EXPECT_EQ(next_heard(), said);
    say(domain_feed::Asked{asked});
    while (next_heard() == said) continue;
    say(domain_feed::Dropped{asked});
    EXPECT_EQ(next_heard(), said) << asked;
    say(domain_feed::Asked{"*.notcluster.local"});
    say(domain_feed::Asked{"local"});
    ASSERT_TRUE(until([this] { return wants("local"); }));
    while (!nothing_to_hear()) hear_any();
    EXPECT_EQ(next_heard(), said) << "those are of no name in it";
  }
}

TEST_F(DomainFeedTest, WhoSaysNonsenseIsLeft) {
  meet();
  deliver("x.a.example");
  ASSERT_EQ(::send(agent_.get(), "\0\2\3?", 4, 0), 4);
  EXPECT_TRUE(until([this] { return sent_ == 1; }));
}

}  // namespace
}  // namespace weft::dns
