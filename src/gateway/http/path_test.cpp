#include "gateway/http/path.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weft::gateway {
namespace {

TEST(NormalPath, OneSpelling) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"/", "/"},
      {"/a/b", "/a/b"},
      {"/a/b/", "/a/b/"},
      {"//", "/"},
      {"//a///b//", "/a/b/"},
      {"/.", "/"},
      {"/..", "/"},
      {"/./a", "/a"},
      {"/a/.", "/a/"},
      {"/a/..", "/"},
      {"/a/b/..", "/a/"},
      {"/a/b/../", "/a/"},
      {"/a/b/../c", "/a/c"},
      {"/a/../../../b", "/b"},
      {"/../../", "/"},
      {"/a/.../b", "/a/.../b"},
      {"/a/.b/..c/d..", "/a/.b/..c/d.."},
      {"/%2e%2E/a", "/a"},
      {"/a/%2e%2e/b", "/b"},
      {"/a/.%2e/b", "/b"},
      {"/%7Euser/%41", "/~user/A"},
      {"/caf%c3%a9", "/caf%C3%A9"},
      {"/caf\xc3\xa9", "/caf%C3%A9"},
      {"/a%2fb", "/a%2Fb"},
      {"/a%2Fb/../c", "/c"},
      {"/a\\b", "/a%5Cb"},
      {"/{x}|\"<>^`", "/%7Bx%7D%7C%22%3C%3E%5E%60"},
      {"/a b", "/a%20b"},
      {"/%3Fa%23", "/%3Fa%23"},
      {"/a;v=1/@b:c,d", "/a;v=1/@b:c,d"},
      {"/%25", "/%25"},
      {"/..%2e", "/..."},
      {"/a..%2Fb", "/a..%2Fb"},
  };
  for (const auto& [from, to] : cases) {
    Arena arena;
    auto path = normal_path(from, arena);
    ASSERT_TRUE(path) << from;
    EXPECT_EQ(*path, to) << from;
    EXPECT_EQ(normal_path(*path, arena), path) << "not the same twice: " << from;
  }
}

TEST(NormalPath, Refused) {
  const std::vector<std::string> cases = {
      "",
      "a",
      "*",
      "/%",
      "/%4",
      "/%zz",
      "/%00",
      "/a%0a",
      "/%7f",
      "/a\tb",
      "/a#b",
      std::string("/a\0b", 4),
      "/..%2Fa",
      "/a%2f../b",
      "/%2e%2e%2Fadmin",
      "/a%5c..",
      "/.%2fa",
      "/a/..%5Cb",
      "/x%2F..%2fy",
  };
  for (const std::string& path : cases) {
    Arena arena;
    EXPECT_FALSE(normal_path(path, arena)) << path;
  }
}

TEST(NormalPath, NothingIsCopiedWhereNothingChanges) {
  Arena arena;
  std::string_view path = "/already/normal?";
  path.remove_suffix(1);
  EXPECT_EQ(normal_path(path, arena)->data(), path.data());
}

TEST(DecodedForm, PlusAndEscapes) {
  Arena arena;
  EXPECT_EQ(decoded_form("plain", arena), "plain");
  EXPECT_EQ(decoded_form("a+b%20c", arena), "a b c");
  EXPECT_EQ(decoded_form("a%2Bb", arena), "a+b");
  EXPECT_EQ(decoded_form("100%", arena), "100%");
  EXPECT_EQ(decoded_form("%zz%4", arena), "%zz%4");
  EXPECT_EQ(decoded_form("%25%34", arena), "%4") << "decoded once";
}

}  // namespace
}  // namespace weft::gateway
