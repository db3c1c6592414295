#include "ui/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::ui {
namespace {

using testing::HasSubstr;

class GateTest : public testing::Test {
 protected:
  GateTest() : gate_("secret") { gate_.set_port(7000); }
  /// The status of what it is answered; 0: it is let in.
  unsigned refused(const http::Request& request) {
    auto answer = gate_.refuse(request);
    return answer ? answer->status : 0;
  }
  static http::Request request(std::string path, std::string query = {}, std::string cookie = {}) {
    return {.method = "GET",
            .path = std::move(path),
            .query = std::move(query),
            .host = "127.0.0.1:7000",
            .cookie = std::move(cookie),
            .content_type = {},
            .body = {}};
  }
  Gate gate_;
};

TEST_F(GateTest, LetsInWithTheTokenAlone) {
  EXPECT_EQ(refused(request("/", "token=secret")), 0u);
  for (const char* query : {"", "token=", "token=secre", "token=secrets", "token=Secret", "toke=secret"})
    EXPECT_EQ(refused(request("/", query)), 401u) << query;
  EXPECT_EQ(refused(request("/api/map", "token=secret")), 401u) << "but for the page the cookie is asked for";
  auto post = request("/", "token=secret");
  post.method = "POST";
  EXPECT_EQ(refused(post), 401u);
}

TEST_F(GateTest, LetsInWithTheCookieOfItsPort) {
  EXPECT_EQ(refused(request("/api/map", "", "weft-ui-7000=secret")), 0u);
  EXPECT_EQ(refused(request("/api/map", "", "a=b; weft-ui-7000=secret; c=d")), 0u);
  for (const char* cookie : {"", ";;", "weft-ui-7000=", "weft-ui-7000=secret2", "weft-ui-7001=secret",
                             "x=secret", "x=weft-ui-7000=secret"})
    EXPECT_EQ(refused(request("/api/map", "", cookie)), 401u) << cookie;
}

TEST_F(GateTest, HasNoOtherName) {
  auto with_host = [&](std::string host) {
    auto out = request("/", "token=secret");
    out.host = std::move(host);
    return refused(out);
  };
  EXPECT_EQ(with_host("localhost:7000"), 0u);
  for (const char* host :
       {"", "127.0.0.1", "127.0.0.1:7001", "evil.example:7000", "127.0.0.1:7000.evil.example"})
    EXPECT_EQ(with_host(host), 421u) << host;
}

TEST_F(GateTest, GivesItsCookieToThoseWithTheToken) {
  http::Answer with, without;
  gate_.let_in(request("/", "token=secret"), with);
  gate_.let_in(request("/", "", "weft-ui-7000=secret"), without);
  ASSERT_EQ(with.headers.size(), 1u);
  EXPECT_EQ(with.headers[0].first, "Set-Cookie");
  EXPECT_EQ(with.headers[0].second, "weft-ui-7000=secret; Path=/; HttpOnly; SameSite=Strict");
  EXPECT_TRUE(without.headers.empty());
  EXPECT_EQ(gate_.url(), "http://127.0.0.1:7000/?token=secret");
}

TEST(Token, IsAnotherEachTime) {
  EXPECT_EQ(make_token().size(), 64u);
  EXPECT_NE(make_token(), make_token());
}

}  // namespace
}  // namespace weft::ui
