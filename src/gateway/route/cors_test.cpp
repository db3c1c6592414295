#include "gateway/route/cors.h"

#include <gtest/gtest.h>

#include <map>

#include "gateway/route/test_request.h"

namespace weft::gateway {
namespace {

using Texts = std::map<std::string, std::string>;
using Given = std::vector<std::pair<std::string, std::string>>;

Texts texts(const Fields& fields) {
  Texts out;
  for (const Field& field : fields) EXPECT_TRUE(out.emplace(field.name, field.value).second) << field.name;
  return out;
}

struct Answer {
  uint16_t status;
  Texts fields;
};

Answer preflight(const Cors& cors, const Given& fields) {
  TestRequest request("OPTIONS", "a", "/", fields);
  ResponseHead answer;
  EXPECT_TRUE(is_preflight(request.head));
  answer_preflight(cors, request.head, answer, request.arena);
  return {answer.status, texts(answer.fields)};
}

Texts response(const Cors& cors, const Given& asked, const Given& said) {
  TestRequest request("GET", "a", "/", asked);
  ResponseHead head;
  for (const auto& [name, value] : said) head.fields.add(name, value);
  allow_response(cors, request.head, head, request.arena);
  return texts(head.fields);
}

TEST(AllowsOrigin, SchemeHostPort) {
  auto allows = [](std::string allowed, std::string_view origin) {
    return allows_origin(Cors{.allow_origins = {std::move(allowed)}}, origin);
  };
  EXPECT_TRUE(allows("https://www.foo.com", "https://www.foo.com"));
  EXPECT_TRUE(allows("https://www.foo.com", "https://WWW.foo.com:443"));
  EXPECT_TRUE(allows("http://foo.com:80", "http://foo.com"));
  EXPECT_FALSE(allows("https://www.foo.com", "http://www.foo.com"));
  EXPECT_FALSE(allows("https://www.foo.com", "https://www.foo.com:8443"));
  EXPECT_FALSE(allows("https://foo.com", "https://www.foo.com"));
  EXPECT_TRUE(allows("https://*.bar.com", "https://www.bar.com"));
  EXPECT_TRUE(allows("https://*.bar.com", "https://xpto.www.bar.com"));
  EXPECT_FALSE(allows("https://*.bar.com", "https://bar.com"));
  EXPECT_FALSE(allows("https://*.bar.com", "https://.bar.com.evil.org"));
  EXPECT_FALSE(allows("https://*.bar.com", "https://foobar.com"));
  EXPECT_TRUE(allows("http://*:8080", "http://any.where:8080"));
  EXPECT_FALSE(allows("http://*", "http://any.where:8080"));
  EXPECT_TRUE(allows("*", "null"));
  EXPECT_FALSE(allows("https://*", "null"));
  EXPECT_FALSE(allows("https://*", "https://"));
}

TEST(Preflight, IsOneOnlyWithBothFields) {
  EXPECT_FALSE(is_preflight(TestRequest("OPTIONS", "a", "/", {{"origin", "https://a"}}).head));
  EXPECT_FALSE(is_preflight(
      TestRequest("GET", "a", "/", {{"origin", "x"}, {"access-control-request-method", "GET"}}).head));
}

TEST(Preflight, SaysWhatIsAllowed) {
  Cors cors{.allow_origins = {"https://www.foo.com", "https://*.bar.com"},
            .allow_credentials = true,
            .allow_methods = {"GET", "OPTIONS"},
            .allow_headers = {"x-header-1", "x-header-2"},
            .expose_headers = {"x-header-3", "x-header-4"},
            .max_age_seconds = 3600};
  Answer answer =
      preflight(cors, {{"origin", "https://a.bar.com"}, {"access-control-request-method", "GET"}});
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.fields, (Texts{{"access-control-allow-origin", "https://a.bar.com"},
                                  {"access-control-allow-credentials", "true"},
                                  {"access-control-allow-methods", "GET, OPTIONS"},
                                  {"access-control-allow-headers", "x-header-1, x-header-2"},
                                  {"access-control-expose-headers", "x-header-3, x-header-4"},
                                  {"access-control-max-age", "3600"},
                                  {"vary", "Origin"}}));
  answer = preflight(cors, {{"origin", "https://foobar.com"}, {"access-control-request-method", "GET"}});
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.fields, (Texts{{"vary", "Origin"}}));
}

TEST(Preflight, Wildcards) {
  Cors cors{.allow_origins = {"*"}, .allow_methods = {"*"}, .allow_headers = {"*"}, .expose_headers = {"*"}};
  Given asked = {{"origin", "https://x.org:1234"},
                 {"access-control-request-method", "PUT"},
                 {"access-control-request-headers", "authorization, x-1"}};
  EXPECT_EQ(preflight(cors, asked).fields, (Texts{{"access-control-allow-origin", "*"},
                                                  {"access-control-allow-methods", "PUT"},
                                                  {"access-control-allow-headers", "authorization, x-1"},
                                                  {"access-control-expose-headers", "*"},
                                                  {"access-control-max-age", "5"}}));
  cors.allow_credentials = true;
  asked.pop_back();
  EXPECT_EQ(preflight(cors, asked).fields, (Texts{{"access-control-allow-origin", "https://x.org:1234"},
                                                  {"access-control-allow-credentials", "true"},
                                                  {"access-control-allow-methods", "PUT"},
                                                  {"access-control-max-age", "5"},
                                                  {"vary", "Origin"}}));
}

TEST(Response, TheFilterHasTheLastWord) {
  Cors cors{.allow_origins = {"https://foo.com"}, .expose_headers = {"x-1"}};
  Given said = {
      {"access-control-allow-origin", "*"}, {"access-control-allow-credentials", "true"}, {"x", "y"}};
  EXPECT_EQ(response(cors, {{"origin", "https://foo.com"}}, said),
            (Texts{{"access-control-allow-origin", "https://foo.com"},
                   {"access-control-expose-headers", "x-1"},
                   {"vary", "Origin"},
                   {"x", "y"}}));
  EXPECT_EQ(response(cors, {{"origin", "https://else.com"}}, said), (Texts{{"vary", "Origin"}, {"x", "y"}}));
  EXPECT_EQ(response(cors, {}, said), (Texts{{"vary", "Origin"}, {"x", "y"}}));
}

TEST(Response, AllHeadersByNameWithCredentials) {
  Cors cors{.allow_origins = {"*"}, .allow_credentials = true, .expose_headers = {"*"}};
  EXPECT_EQ(response(cors, {{"origin", "https://foo.com"}},
                     {{"x", "1"}, {"y", "2"}})["access-control-expose-headers"],
            "x, y");
  cors.allow_credentials = false;
  EXPECT_EQ(response(cors, {{"origin", "https://foo.com"}}, {{"x", "1"}})["access-control-expose-headers"],
            "*");
}

}  // namespace
}  // namespace weft::gateway
