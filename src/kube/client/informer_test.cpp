#include "kube/client/informer.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "kube/client/testing/scripted_server.h"
#include "kube/service.h"

namespace weft::kube {
namespace {

using asio::awaitable;
using test::Exchange;
using test::Fixture;

/// A Service as the server writes it; its one port tells versions apart.
std::string service(const std::string& name, int version, const std::string& uid = "u") {
  return fmt::format(
      R"({{"metadata":{{"name":"{}","namespace":"a","uid":"{}","resourceVersion":"{}"}},"spec":{{"clusterIP":"10.0.0.{}"}}}})",
      name, uid, version, version);
}
std::string list_of(int version, const std::vector<std::string>& items) {
  std::string all;
  for (const auto& item : items) all += (all.empty() ? "" : ",") + item;
  return fmt::format(R"({{"metadata":{{"resourceVersion":"{}"}},"items":[{}]}})", version, all);
}
std::string event(const std::string& type, const std::string& object) {
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object);
}
std::string bookmark(int version) {
  return event("BOOKMARK", fmt::format(R"({{"metadata":{{"resourceVersion":"{}"}}}})", version));
}

/// A test writes what the server does to the first request, the second and so on. After the last line of the
/// script watches stay open and silent.
class InformerTest : public testing::Test, public Fixture {
 public:
  using Step = std::function<awaitable<void>(Exchange&)>;
  std::vector<Step> script;
  std::vector<std::string> requests;  ///< "list", or "watch " and the version it starts from
  std::vector<std::string> log;       ///< what the handlers saw
  std::unique_ptr<Client> client;
  std::unique_ptr<Informer<Service>> informer;

  test::ScriptedServer::Handler handler() {
    return [this](Exchange& x) -> awaitable<void> {
      auto at = x.target.find("resourceVersion=");
      requests.push_back(x.is_watch() ? "watch " + x.target.substr(at + 16, x.target.find('&', at) - at - 16)
                                      : "list");
      if (requests.size() <= script.size()) co_return co_await script[requests.size() - 1](x);
      if (!x.is_watch()) co_return (void) co_await x.answer(500, "{}");
      co_await x.start_stream();
      co_await x.sleep(60'000);
    };
  }

  void start(Reflector::Options options = {}) {
    serve(handler());
    client = std::make_unique<Client>(io, config());
    informer = std::make_unique<Informer<Service>>(*client, std::move(options));
    informer->add_index("ip", [](const Service& s) { return std::vector{s.spec.clusterIP}; });
    informer->on_change([this](const auto& before, const auto& after) {
      const auto& now = after ? after : before;
      log.push_back(fmt::format("{} {}{}",
                                !before  ? "+"
                                : !after ? "-"
                                         : "~",
                                now->metadata.name, after ? " " + after->metadata.resourceVersion : ""));
    });
    informer->on_synced([this] { log.push_back("synced"); });
    asio::co_spawn(io, informer->run(), asio::detached);
  }

  static Step lists(int version, std::vector<std::string> items) {
    return [=](Exchange& x) -> awaitable<void> { co_await x.answer(200, list_of(version, items)); };
  }
  /// Streams `text`, then ends: in good order, or by cutting the connection.
  static Step streams(std::vector<std::string> chunks, bool cut = false) {
    return [=](Exchange& x) -> awaitable<void> {
      co_await x.start_stream();
      for (const auto& text : chunks) co_await x.chunk(text);
      if (!cut) co_await x.end_stream();
      x.close = cut;
    };
  }
  static Step stays_open(std::vector<std::string> chunks) {
    return [=](Exchange& x) -> awaitable<void> {
      co_await x.start_stream();
      for (const auto& text : chunks) co_await x.chunk(text);
      co_await x.sleep(60'000);
    };
  }
};

using Log = std::vector<std::string>;

TEST_F(InformerTest, ListsThenWatches) {
  script = {lists(5, {service("x", 3), service("y", 4)}),
            stays_open({event("ADDED", service("z", 6)), event("MODIFIED", service("x", 7)) + bookmark(8),
                        event("DELETED", service("y", 9))})};
  start();
  ASSERT_TRUE(run_until([&] { return log.size() >= 6; }));
  EXPECT_EQ(log, (Log{"+ x 3", "+ y 4", "synced", "+ z 6", "~ x 7", "- y"}));
  EXPECT_EQ(requests, (Log{"list", "watch 5"}));
  EXPECT_EQ(informer->items().size(), 2U);
  EXPECT_EQ(informer->get("a/x")->spec.clusterIP, "10.0.0.7");
  EXPECT_EQ(informer->get("a/y"), nullptr);
  EXPECT_EQ(informer->by_index("ip", "10.0.0.7").size(), 1U);
  EXPECT_EQ(informer->by_index("ip", "10.0.0.3").size(), 0U) << "the old value is no longer in the index";
  EXPECT_EQ(informer->by_index("ip", "10.0.0.4").size(), 0U);
}

TEST_F(InformerTest, WatchBrokenInTheMiddleOfAnEventGoesOn) {
  auto half = event("MODIFIED", service("x", 7));
  script = {lists(5, {service("x", 3)}),
            streams({event("MODIFIED", service("x", 6)), half.substr(0, half.size() / 2)}, true),
            stays_open({half})};
  start();
  ASSERT_TRUE(run_until([&] { return log.size() >= 4; }));
  EXPECT_EQ(log, (Log{"+ x 3", "synced", "~ x 6", "~ x 7"}));
  EXPECT_EQ(requests, (Log{"list", "watch 5", "watch 6"})) << "no list is needed";
}

TEST_F(InformerTest, BookmarkMovesTheVersionOn) {
  script = {lists(5, {}), streams({bookmark(50)}, true), stays_open({})};
  start();
  ASSERT_TRUE(run_until([&] { return requests.size() >= 3; }));
  EXPECT_EQ(requests, (Log{"list", "watch 5", "watch 50"}));
}

TEST_F(InformerTest, GoneListsAgainAndReportsOnlyDifferences) {
  auto expired = [](Exchange& x) -> awaitable<void> {
    co_await x.answer(
        410, R"({"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"})");
  };
  script = {lists(5, {service("same", 1), service("changed", 2), service("removed", 3)}),
            streams({}, true),
            expired,
            lists(20, {service("same", 1), service("changed", 12), service("new", 13)}),
            streams({event("ERROR", R"({"kind":"Status","code":410,"reason":"Expired"})")}),
            lists(30, {service("same", 1), service("changed", 12), service("new", 13)}),
            stays_open({})};
  start();
  ASSERT_TRUE(run_until([&] { return requests.size() >= 7; }));
  EXPECT_EQ(requests, (Log{"list", "watch 5", "watch 5", "list", "watch 20", "list", "watch 30"}));
  EXPECT_EQ(log, (Log{"+ same 1", "+ changed 2", "+ removed 3", "synced", "~ changed 12", "+ new 13",
                      "- removed"}));
}

TEST_F(InformerTest, AnAuditFindsLostEvents) {
  // Half a second and more makes a watch one that came to its end as planned in this test's server: it is
  // told to be the end of the period by an orderly end after five seconds.
  script = {lists(5, {service("x", 3), service("y", 4)}),
            [](Exchange& x) -> awaitable<void> {
              co_await x.start_stream();
              co_await x.sleep(5'200);
              co_await x.end_stream();
            },
            lists(9, {service("x", 8)}), stays_open({})};
  start();
  ASSERT_TRUE(run_until([&] { return requests.size() >= 4; }));
  EXPECT_EQ(requests, (Log{"list", "watch 5", "list", "watch 9"}));
  EXPECT_EQ(log, (Log{"+ x 3", "+ y 4", "synced", "~ x 8", "- y"}));
}

TEST_F(InformerTest, AListComesInPages) {
  script = {[](Exchange& x) -> awaitable<void> {
              co_await x.answer(200, R"({"metadata":{"resourceVersion":"5","continue":"t"},"items":[)" +
                                         service("x", 3) + "]}");
            },
            lists(5, {service("y", 4)}), stays_open({})};
  start();
  ASSERT_TRUE(run_until([&] { return requests.size() >= 3; }));
  EXPECT_EQ(log, (Log{"+ x 3", "+ y 4", "synced"}));
}

TEST_F(InformerTest, BusyServerIsLeftInPeace) {
  int lists_seen = 0;
  serve([&](Exchange& x) -> awaitable<void> {
    if (!x.is_watch() && ++lists_seen < 4) {
      co_await x.answer(503, R"({"reason":"ServiceUnavailable"})");
    } else if (x.is_watch()) {
      co_await x.start_stream();
      co_await x.sleep(60'000);
    } else {
      co_await x.answer(200, list_of(5, {service("x", 1)}));
    }
  });
  Client c(io, config());
  Informer<Service> follow(c);
  auto begun = std::chrono::steady_clock::now();
  asio::co_spawn(io, follow.run(), asio::detached);
  ASSERT_TRUE(run_until([&] { return follow.synced(); }));
  // At least half of 50, 100 and 200 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(170));
  EXPECT_EQ(lists_seen, 4);
}

TEST_F(InformerTest, ServerThatEndsEveryWatchAtOnceIsNotHammered) {
  serve([&](Exchange& x) -> awaitable<void> {
    requests.push_back(x.is_watch() ? "watch" : "list");
    if (x.is_watch()) {
      co_await x.answer(410, R"({"reason":"Expired"})");
    } else {
      co_await x.answer(200, list_of(5, {}));
    }
  });
  Client c(io, config());
  Informer<Service> follow(c);
  asio::co_spawn(io, follow.run(), asio::detached);
  run_until([] { return false; }, 1);
  EXPECT_LT(requests.size(), 80U);
  EXPECT_GT(requests.size(), 4U);
}

TEST_F(InformerTest, SurvivesARestartOfTheServer) {
  script = {lists(5, {service("x", 3)}), stays_open({})};
  start();
  ASSERT_TRUE(run_until([&] { return requests.size() == 2; }));
  auto port = server->port();
  server->kill();
  run_until([] { return false; }, 1);
  EXPECT_EQ(informer->items().size(), 1U) << "what is known stays while the server is away";
  script.push_back(streams({event("MODIFIED", service("x", 6))}));
  serve(handler(), port);
  ASSERT_TRUE(run_until([&] { return log.size() >= 3; }));
  EXPECT_EQ(log, (Log{"+ x 3", "synced", "~ x 6"}));
}

TEST_F(InformerTest, UndecodableObjectIsLeftOut) {
  script = {lists(5, {service("x", 3), R"({"metadata":{"name":"bad","namespace":"a"},"spec":{"ports":7}})"}),
            stays_open({event("ADDED", R"({"metadata":{"name":"worse","resourceVersion":"6"},"spec":[]})"),
                        event("MODIFIED", service("x", 7))})};
  start();
  ASSERT_TRUE(run_until([&] { return log.size() >= 3; }));
  EXPECT_EQ(log, (Log{"+ x 3", "synced", "~ x 7"}));
}

TEST_F(InformerTest, GarbageInAWatchLeadsToAList) {
  script = {lists(5, {service("x", 3)}), streams({"this is no event"}), lists(9, {service("x", 8)}),
            stays_open({})};
  start();
  ASSERT_TRUE(run_until([&] { return requests.size() >= 4; }));
  EXPECT_EQ(requests, (Log{"list", "watch 5", "list", "watch 9"}));
  EXPECT_EQ(log.back(), "~ x 8");
}

TEST_F(InformerTest, AsksForWhatItWasTold) {
  std::vector<std::string> targets;
  serve([&](Exchange& x) -> awaitable<void> {
    targets.push_back(x.target);
    if (!x.is_watch()) co_return (void) co_await x.answer(200, list_of(5, {}));
    co_await x.start_stream();
    co_await x.sleep(60'000);
  });
  Client c(io, config());
  Informer<Service> follow(
      c, {.namespace_ = "a", .label_selector = "k in (v,w)", .field_selector = "metadata.name=n"});
  asio::co_spawn(io, follow.run(), asio::detached);
  ASSERT_TRUE(run_until([&] { return targets.size() == 2; }));
  EXPECT_EQ(targets[0],
            "/api/v1/namespaces/a/"
            "services?limit=1000&labelSelector=k%20in%20%28v%2Cw%29&fieldSelector=metadata.name%3Dn");
  auto timeout = std::stoi(targets[1].substr(targets[1].find("timeoutSeconds=") + 15));
  EXPECT_GE(timeout, 300);
  EXPECT_LE(timeout, 600);
  EXPECT_NE(targets[1].find("allowWatchBookmarks=true&resourceVersion=5"), std::string::npos) << targets[1];
}

TEST_F(InformerTest, CanBeCancelled) {
  script = {lists(5, {service("x", 3)}), stays_open({})};
  serve(handler());
  Client c(io, config());
  Informer<Service> follow(c);
  asio::cancellation_signal stop;
  bool ended = false;
  asio::co_spawn(io, follow.run(),
                 asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr) { ended = true; }));
  ASSERT_TRUE(run_until([&] { return requests.size() == 2; }));
  run_until([] { return false; }, 1);
  EXPECT_FALSE(ended);
  stop.emit(asio::cancellation_type::all);
  EXPECT_TRUE(run_until([&] { return ended; }, 2));
}

}  // namespace
}  // namespace weft::kube
