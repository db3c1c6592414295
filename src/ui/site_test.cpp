#include "ui/site.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "standalone/offline.h"
#include "ui/page.h"

namespace weft::ui {
namespace {

using testing::HasSubstr;

constexpr const char* kWorld = R"(
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: main, image: x, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec: {containers: [{name: main, image: x}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
)";

class SiteTest : public testing::Test {
 protected:
  SiteTest() {
    SiteOptions options{.title = "cluster test", .read = [this]() -> Expected<Objects> {
                          ++reads_;
                          if (!problem_.empty()) return fail(ErrorCode::unavailable, problem_);
                          WEFT_TRY(auto documents, kube::parse_yaml(kWorld, "x.yaml"));
                          auto machinery = standalone::offline_cluster(documents);
                          return Objects{
                              std::move(documents), std::move(machinery), {"one thing is missing"}};
                        }};
    options.offline = standalone::offline_cluster;
    auto gate = std::make_shared<Gate>("secret");
    gate->set_port(7000);
    site_ = std::make_shared<Site>(io_, std::move(options), std::make_shared<FlowLog>());
    handler_ = handler_of(site_, gate);
  }
  ~SiteTest() override { site_->stop(); }

  http::Answer ask(http::Request request) {
    http::Answer out;
    request.host = "127.0.0.1:7000";
    asio::co_spawn(io_, handler_(std::move(request)),
                   [&](const std::exception_ptr& thrown, http::Answer answer) {
                     if (thrown) std::rethrow_exception(thrown);
                     out = std::move(answer);
                   });
    io_.restart();
    io_.run();
    return out;
  }
  http::Answer get(std::string path, std::string query = {}) {
    return ask({.method = "GET",
                .path = std::move(path),
                .query = std::move(query),
                .host = {},
                .cookie = "weft-ui-7000=secret",
                .content_type = {},
                .body = {}});
  }
  http::Answer post(std::string body, std::string type = "application/json") {
    return ask({.method = "POST",
                .path = "/api/trace",
                .query = {},
                .host = {},
                .cookie = "weft-ui-7000=secret",
                .content_type = std::move(type),
                .body = std::move(body)});
  }

  asio::io_context io_{1};
  int reads_ = 0;
  std::string problem_;
  std::shared_ptr<Site> site_;
  http::Handler handler_;
};

std::string header(const http::Answer& answer, const std::string& name) {
  for (const auto& [have, value] : answer.headers) {
    if (have == name) return value;
  }
  return {};
}

TEST_F(SiteTest, ServesThePageToThoseWithTheTokenOnly) {
  auto page = ask({.method = "GET",
                   .path = "/",
                   .query = "token=secret",
                   .host = {},
                   .cookie = {},
                   .content_type = {},
                   .body = {}});
  EXPECT_EQ(page.status, 200u);
  EXPECT_THAT(page.body, HasSubstr("<title>Weft</title>"));
  EXPECT_THAT(header(page, "Set-Cookie"), HasSubstr("HttpOnly; SameSite=Strict"));
  EXPECT_THAT(header(page, "Content-Security-Policy"), HasSubstr("default-src 'none'"));
  auto stranger = ask({.method = "GET",
                       .path = "/",
                       .query = "token=guess",
                       .host = {},
                       .cookie = {},
                       .content_type = {},
                       .body = {}});
  EXPECT_EQ(stranger.status, 401u);
  EXPECT_EQ(header(stranger, "Set-Cookie"), "");
  EXPECT_THAT(header(stranger, "Content-Security-Policy"), HasSubstr("default-src 'none'"));
  EXPECT_EQ(get("/../etc/passwd").status, 404u);
  EXPECT_EQ(get("/app.js").content_type, "text/javascript; charset=utf-8");
}

TEST_F(SiteTest, ThePageIsSmallAndAsksForNothingFromElsewhere) {
  size_t size = 0;
  for (const auto& file : page_files()) {
    size += file.text.size();
    std::string text(file.text);
    for (const char* name : {"http://www.w3.org/2000/svg", "http://web.shop/"}) {
      for (size_t at; (at = text.find(name)) != std::string::npos;) text.erase(at, std::string(name).size());
    }
    EXPECT_EQ(text.find("http://"), std::string::npos) << file.path;
    EXPECT_EQ(text.find("https://"), std::string::npos) << file.path;
    EXPECT_EQ(text.find("style="), std::string::npos) << file.path << ": the policy of contents forbids it";
    EXPECT_EQ(text.find("innerHTML"), std::string::npos) << file.path;
  }
  EXPECT_LT(size, 100'000u);
}

TEST_F(SiteTest, TellsTheMap) {
  auto answer = get("/api/map");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_THAT(answer.body, HasSubstr(R"("title":"cluster test")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("id":"service/shop/web")"));
  EXPECT_THAT(answer.body, HasSubstr("one thing is missing"));
  get("/api/map");
  EXPECT_EQ(reads_, 1) << "objects that have just been read are not read again";
}

TEST_F(SiteTest, SaysWhyThereIsNoMap) {
  problem_ = "nobody answers";
  auto answer = get("/api/map");
  EXPECT_EQ(answer.status, 503u);
  EXPECT_EQ(answer.body, R"({"error":"nobody answers"})");
}

TEST_F(SiteTest, Traces) {
  auto answer = post(R"({"from": "shop/client", "to": "http://web/"})");
  EXPECT_EQ(answer.status, 200u) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(R"("verdict":"works")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("exit":0)"));
  auto service = post(R"({"from": "client", "to": "service/web", "namespace": "shop", "port": 81})");
  EXPECT_THAT(service.body, HasSubstr(R"("verdict":"refused")"));
}

TEST_F(SiteTest, TracesAsIfManifestsWereApplied) {
  auto answer =
      post(json::serialize(json::object{{"from", "shop/client"},
                                        {"to", "http://web/"},
                                        {"manifests",
                                         "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: "
                                         "{name: none, namespace: shop}\nspec: "
                                         "{podSelector: {matchLabels: {app: web}}}"}}));
  EXPECT_EQ(answer.status, 200u) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(R"("verdict":"denied")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("file":"manifests")"));
  EXPECT_THAT(post(R"({"from": "shop/client", "to": "http://web/"})").body, HasSubstr(R"("verdict":"works")"))
      << "nothing has been applied";
}

TEST_F(SiteTest, RefusesQuestionsThatAreNone) {
  EXPECT_EQ(post("hello").status, 400u);
  EXPECT_EQ(post("[]").status, 400u);
  EXPECT_EQ(post("{}", "text/plain").status, 415u);
  EXPECT_EQ(get("/api/trace").status, 405u);
  for (const char* bad : {"{}", R"({"from": 1, "to": 2})", R"({"from": "shop/nobody", "to": "http://web/"})",
                          R"({"from": "outside", "to": "http://web/", "port": "x"})",
                          R"({"from": "outside", "to": "http://web/", "protocol": "icmp"})",
                          R"({"from": "outside", "to": "http://web/", "headers": ["host"]})",
                          R"({"from": "outside", "to": "http://web/", "manifests": "a: [1"})",
                          R"({"from": "outside", "to": "http://web/", "manifests": "a: 1"})"}) {
    auto answer = post(bad);
    EXPECT_EQ(answer.status, 400u) << bad;
    EXPECT_THAT(answer.body, HasSubstr("\"error\"")) << bad;
  }
  EXPECT_EQ(get("/api/flows", "sort=up").status, 400u);
}

TEST_F(SiteTest, FlowsAreServerSentEvents) {
  auto answer = get("/api/flows", "verdict=DROPPED");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.content_type, "text/event-stream");
  EXPECT_TRUE(answer.more);
}

}  // namespace
}  // namespace weft::ui
