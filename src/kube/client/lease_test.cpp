#include "kube/client/lease.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "kube/client/events.h"
#include "kube/client/testing/scripted_server.h"
#include "kube/codec.h"
#include "kube/service.h"

namespace weft::kube {
namespace {

using namespace std::chrono_literals;
using asio::awaitable;
using test::Exchange;
using test::Fixture;

/// A server with nothing but a shelf of objects by path; an update must name the version it replaces.
class ShelfTest : public testing::Test, public Fixture {
 public:
  std::map<std::string, json::object> shelf;
  std::vector<std::string> requests;
  int version = 0;
  bool hang = false;

  void start() {
    serve([this](Exchange& x) -> awaitable<void> {
      requests.push_back(x.method);
      if (hang) co_await x.sleep(60'000);
      auto body = x.body.empty() ? json::value() : json::parse(x.body);
      auto path = x.target;
      if (x.method == "POST") path += "/" + std::string(string_at(body, "metadata.name"));
      auto found = shelf.find(path);
      if (x.method == "POST" && found != shelf.end())
        co_return (void) co_await x.answer(409, R"({"reason":"AlreadyExists"})");
      if (x.method != "POST" && found == shelf.end())
        co_return (void) co_await x.answer(404, R"({"reason":"NotFound"})");
      if (x.method == "PUT" && string_at(body, "metadata.resourceVersion") !=
                                   string_at(json::value(found->second), "metadata.resourceVersion"))
        co_return (void) co_await x.answer(409, R"({"reason":"Conflict"})");
      if (x.method == "POST" || x.method == "PUT") shelf[path] = body.as_object();
      if (x.method == "PATCH") {
        for (auto& [key, value] : body.as_object()) found->second[key] = value;
      }
      if (x.method != "GET")
        object_at(shelf[path], "metadata")["resourceVersion"] = std::to_string(++version);
      co_await x.answer(200, json::serialize(shelf[path]));
    });
  }
  static LeaderElection::Options options(const std::string& identity) {
    LeaderElection::Options out;
    out.name = "weft-controller";
    out.identity = identity;
    out.duration = 4'000ms;
    out.renew_deadline = 3'000ms;
    out.retry = 100ms;
    return out;
  }
  Lease lease() { return decode<Lease>(json::value(shelf.begin()->second)).value(); }
};

TEST_F(ShelfTest, FirstLeadsSecondWaitsUntilItIsGivenBack) {
  start();
  Client client(io, config());
  LeaderElection one(client, options("one")), two(client, options("two"));
  run(one.acquire());
  EXPECT_EQ(lease().spec.holderIdentity, "one");
  EXPECT_EQ(lease().spec.leaseTransitions, 0);
  bool second = false;
  asio::co_spawn(io, two.acquire(), [&](std::exception_ptr) { second = true; });
  EXPECT_FALSE(run_until([&] { return second; }, 0) || second);
  run(one.release());
  ASSERT_TRUE(run_until([&] { return second; }));
  EXPECT_EQ(lease().spec.holderIdentity, "two");
  EXPECT_GE(lease().spec.leaseTransitions.value_or(0), 1);
}

TEST_F(ShelfTest, ARenewedLeaseIsNotTakenASilentOneIs) {
  start();
  Client client(io, config());
  LeaderElection one(client, options("one")), two(client, options("two"));
  run(one.acquire());
  bool lost = false, second = false;
  asio::co_spawn(io, two.acquire(), [&](std::exception_ptr) { second = true; });
  Error why;
  {
    asio::cancellation_signal crash;
    asio::co_spawn(io, one.hold(),
                   asio::bind_cancellation_slot(crash.slot(), [&](std::exception_ptr, Error e) {
                     lost = true;
                     why = e;
                   }));
    run_until([] { return false; }, 6);
    EXPECT_FALSE(lost);
    EXPECT_FALSE(second);
    crash.emit(asio::cancellation_type::all);
    ASSERT_TRUE(run_until([&] { return lost; }));
  }
  auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(run_until([&] { return second; }, 20));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 2'500ms);
  EXPECT_EQ(lease().spec.holderIdentity, "two");
}

TEST_F(ShelfTest, LeaderWithoutServerGivesUpInTime) {
  start();
  Client client(io, config());
  LeaderElection one(client, options("one"));
  run(one.acquire());
  hang = true;
  auto begun = std::chrono::steady_clock::now();
  run([](LeaderElection& leader) -> awaitable<void> {
    auto why = co_await leader.hold();
    EXPECT_EQ(why.code, ErrorCode::timeout) << why.message;
  }(one));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 3'900ms) << "before the lease is free for others";
}

TEST_F(ShelfTest, LeaderThatWasReplacedSeesIt) {
  start();
  Client client(io, config());
  LeaderElection one(client, options("one"));
  run(one.acquire());
  auto taken = lease();
  taken.spec.holderIdentity = "two";
  shelf.begin()->second = encode(taken);
  run([](LeaderElection& leader) -> awaitable<void> {
    auto why = co_await leader.hold();
    EXPECT_EQ(why.code, ErrorCode::conflict);
    EXPECT_EQ(why.message, "lease kube-system/weft-controller is held by two");
  }(one));
}

TEST_F(ShelfTest, SameEventIsCounted) {
  start();
  Client client(io, config());
  EventRecorder recorder(client, "tester");
  Service service;
  service.metadata.name = "s";
  service.metadata.namespace_ = "a";
  service.metadata.uid = "u1";
  auto about = reference_to(resource_of<Service>(), service.metadata);
  for (int i = 0; i < 5; ++i) recorder.record(about, EventRecorder::Type::warning, "Failed", "it broke");
  ASSERT_TRUE(run_until([&] { return shelf.size() == 1; }));
  recorder.record(about, EventRecorder::Type::warning, "Failed", "it broke");
  recorder.record(about, EventRecorder::Type::normal, "Fine", "it works");
  auto event_with = [&](const std::string& reason) -> std::optional<Event> {
    for (auto& [path, object] : shelf) {
      if (string_at(json::value(object), "reason") == reason)
        return decode<Event>(json::value(object)).value();
    }
    return std::nullopt;
  };
  ASSERT_TRUE(run_until([&] { return shelf.size() == 2 && event_with("Failed")->count == 6; }));
  auto event = *event_with("Failed");
  EXPECT_EQ(event.type, "Warning");
  EXPECT_EQ(event.message, "it broke");
  EXPECT_EQ(event.involvedObject.kind, "Service");
  EXPECT_EQ(event.involvedObject.uid, "u1");
  EXPECT_EQ(event.metadata.namespace_, "a");
  EXPECT_EQ(event.source.component, "tester");
  EXPECT_FALSE(event.firstTimestamp.empty());
  EXPECT_EQ(event_with("Fine")->type, "Normal");
}

TEST_F(ShelfTest, ChattyObjectIsSilenced) {
  start();
  Client client(io, config());
  EventRecorder recorder(client, "tester");
  ObjectMeta meta;
  meta.name = "s";
  auto about = reference_to(resource_of<Service>(), meta);
  for (int i = 0; i < 100; ++i)
    recorder.record(about, EventRecorder::Type::warning, "Failed", "message " + std::to_string(i));
  EXPECT_TRUE(run_until([&] { return shelf.size() >= 25; }));
  const auto quiet = std::chrono::steady_clock::now() + 300ms;
  run_until([&] { return std::chrono::steady_clock::now() > quiet; });
  EXPECT_EQ(shelf.size(), 25U);
}

}  // namespace
}  // namespace weft::kube
