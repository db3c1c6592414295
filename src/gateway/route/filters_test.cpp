#include "gateway/route/filters.h"

#include <gtest/gtest.h>

#include "gateway/route/test_request.h"

namespace weft::gateway {
namespace {

using Lines = std::vector<std::string>;

Lines lines(const Fields& fields) {
  Lines out;
  for (const Field& field : fields) out.push_back(std::string(field.name) + ": " + std::string(field.value));
  return out;
}

/// A rule with one match, compiled.
struct OneMatch {
  RegexCache regexes;
  CompiledRule rule;
  const CompiledMatch& match = rule.matches.at(0);

  explicit OneMatch(std::string path, PathKind kind = PathKind::prefix)
      : rule(std::make_shared<const Rule>(Rule{.matches = {{.path_kind = kind, .path = std::move(path)}}}),
             regexes) {}
};

TEST(Edit, SetsAddsRemoves) {
  TestRequest request("GET", "a", "/",
                      {{"x-set", "old"}, {"x-set", "older"}, {"x-add", "one"}, {"x-gone", "1"}, {"y", "2"}});
  HeaderEdit change{
      .set = {{"x-set", "new"}, {"x-new", "1"}}, .add = {{"x-add", "two"}}, .remove = {"x-gone", "none"}};
  edit(change, request.head, request.arena);
  EXPECT_EQ(lines(request.head.fields),
            (Lines{"x-add: one", "y: 2", "x-set: new", "x-new: 1", "x-add: two"}));
}

TEST(Edit, HostIsTheAuthority) {
  TestRequest request("GET", "a", "/");
  edit({.set = {{"host", "b.example:81"}}}, request.head, request.arena);
  EXPECT_EQ(request.head.authority, "b.example:81");
  EXPECT_TRUE(request.head.fields.empty());
}

TEST(Edit, FramingIsNotTouched) {
  TestRequest request("GET", "a", "/");
  edit({.set = {{"content-length", "5"}, {"connection", "close"}}, .add = {{"transfer-encoding", "chunked"}}},
       request.head, request.arena);
  EXPECT_TRUE(request.head.fields.empty());
}

TEST(Edit, ValuesStayOnTheirLine) {
  Arena arena;
  ResponseHead head;
  edit({.set = {{"x", "a\r\nset-cookie: b"}}, .add = {{"y", std::string("a\0b\tc", 5)}}}, head, arena);
  EXPECT_EQ(lines(head.fields), (Lines{"x: a  set-cookie: b", "y: a b\tc"}));
}

TEST(EditedPath, TableOfReplacePrefixMatch) {
  struct Case {
    std::string path, prefix, value, result;
  };
  const std::vector<Case> cases = {
      {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
      {"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
      {"/foo", "/foo", "/xyz", "/xyz"},
      {"/foo/", "/foo", "/xyz", "/xyz/"},
      {"/foo/bar", "/foo", "", "/bar"},
      {"/foo/", "/foo", "", "/"},
      {"/foo", "/foo", "", "/"},
      {"/foo/", "/foo", "/", "/"},
      {"/foo", "/foo", "/", "/"},
      {"/a/b", "/", "/xyz", "/xyz/a/b"},
      {"/", "/", "", "/"},
      {"/foo/bar", "/foo", "xyz", "/xyz/bar"},
      {"/%C3%A9/b", "/%c3%a9", "/e", "/e/b"},
  };
  for (const Case& c : cases) {
    OneMatch one(c.prefix);
    Arena arena;
    EXPECT_EQ(edited_path({.prefix = true, .value = c.value}, c.path, one.match, arena), c.result)
        << c.path << " " << c.prefix << " " << c.value;
  }
}

TEST(EditedPath, WholePath) {
  OneMatch one("/foo");
  Arena arena;
  auto edited = [&](std::string value) {
    return std::string(edited_path({.value = std::move(value)}, "/foo/bar", one.match, arena));
  };
  EXPECT_EQ(edited("/new"), "/new");
  EXPECT_EQ(edited("new"), "/new");
  EXPECT_EQ(edited(""), "/");
  EXPECT_EQ(edited("/a?b"), "/a%3Fb");
  EXPECT_EQ(edited("/a\r\nb"), "/foo/bar") << "not a path";
}

TEST(EditedPath, OtherMatches) {
  Arena arena;
  OneMatch exact("/foo", PathKind::exact);
  EXPECT_EQ(edited_path({.prefix = true, .value = "/x"}, "/foo", exact.match, arena), "/x");
  OneMatch regex("/f.*", PathKind::regex);
  EXPECT_EQ(edited_path({.prefix = true, .value = "/x"}, "/foo", regex.match, arena), "/foo");
}

TEST(Rewrite, HostAndPath) {
  OneMatch one("/old");
  TestRequest request("GET", "a.example", "/old/x?q=1");
  rewrite({.hostname = "b.example", .path = PathEdit{.prefix = true, .value = "/new"}}, one.match,
          request.head, request.arena);
  EXPECT_EQ(request.head.authority, "b.example");
  EXPECT_EQ(request.head.path, "/new/x");
  EXPECT_EQ(request.head.query, "q=1");
}

/// The Location of a redirect of a request to a listener at `port`.
std::string location(const Redirect& filter, uint16_t port, std::string_view scheme = "http",
                     std::string_view authority = "example.org", std::string_view target = "/a/b") {
  OneMatch one("/a");
  TestRequest request("GET", authority, target);
  request.head.scheme = scheme;
  ResponseHead answer;
  redirect(filter, request.head, one.match, port, answer, request.arena);
  EXPECT_EQ(answer.status, filter.status);
  return std::string(answer.fields.find("location")->value);
}

TEST(Redirect, Ports) {
  EXPECT_EQ(location({}, 80), "http://example.org/a/b");
  EXPECT_EQ(location({.scheme = "https"}, 80), "https://example.org/a/b");
  EXPECT_EQ(location({.scheme = "https"}, 8080), "https://example.org/a/b");
  EXPECT_EQ(location({.scheme = "https", .port = 443}, 8080), "https://example.org/a/b");
  EXPECT_EQ(location({.scheme = "https", .port = 8443}, 80), "https://example.org:8443/a/b");
  EXPECT_EQ(location({}, 8080), "http://example.org:8080/a/b");
  EXPECT_EQ(location({.port = 80}, 8080), "http://example.org/a/b");
  EXPECT_EQ(location({.port = 8083}, 80), "http://example.org:8083/a/b");
  EXPECT_EQ(location({}, 443, "https"), "https://example.org/a/b");
  EXPECT_EQ(location({.scheme = "http"}, 443, "https"), "http://example.org/a/b");
  EXPECT_EQ(location({.scheme = "http", .port = 8080}, 443, "https"), "http://example.org:8080/a/b");
}

TEST(Redirect, HostPathAndQuery) {
  EXPECT_EQ(location({.hostname = "other.org"}, 80), "http://other.org/a/b");
  EXPECT_EQ(location({}, 80, "http", "example.org:1234"), "http://example.org/a/b") << "the listener's port";
  EXPECT_EQ(location({.path = PathEdit{.prefix = true, .value = "/n"}, .status = 301}, 80, "http", "e.org",
                     "/a/b?c=d"),
            "http://e.org/n/b?c=d");
  EXPECT_EQ(location({.path = PathEdit{.value = "/full"}, .status = 308}, 80), "http://example.org/full");
  EXPECT_EQ(location({}, 8080, "http", "[fd00::1]:8080"), "http://[fd00::1]:8080/a/b");
}

}  // namespace
}  // namespace weft::gateway
