#include "kube/selector.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace weft::kube {
namespace {

TEST(Selector, MatchesAsApimachineryDoes) {
  struct Case {
    std::string_view selector;
    StringMap labels;
    bool matches;
  };
  const Case cases[] = {
      {"", {}, true},
      {"a=b", {{"a", "b"}}, true},
      {"a==b", {{"a", "b"}}, true},
      {"a = b , c", {{"a", "b"}, {"c", ""}}, true},
      {"a=b", {{"a", "c"}}, false},
      {"a=b", {}, false},
      {"a!=b", {}, true},  // an absent key is not equal
      {"a!=b", {{"a", "b"}}, false},
      {"a=", {{"a", ""}}, true},
      {"a=", {}, false},
      {"a", {{"a", ""}}, true},
      {"!a", {}, true},
      {"! a", {{"a", "x"}}, false},
      {"a in (b,c)", {{"a", "c"}}, true},
      {"a in (b, c)", {{"a", "d"}}, false},
      {"a in (b,)", {{"a", ""}}, true},
      {"a in ()", {{"a", ""}}, true},
      {"a notin (b,c)", {}, true},
      {"a notin (b,c)", {{"a", "b"}}, false},
      {"in in (in,notin)", {{"in", "notin"}}, true},
      {"x=in", {{"x", "in"}}, true},
      {"n>3", {{"n", "4"}}, true},
      {"n>3", {{"n", "3"}}, false},
      {"n<3", {{"n", "-2"}}, true},
      {"n<3", {{"n", "two"}}, false},
      {"n<3", {}, false},
      {"example.com/a=b,c!=d", {{"example.com/a", "b"}, {"c", "e"}}, true},
  };
  for (const auto& test : cases) {
    auto selector = Selector::parse(test.selector);
    ASSERT_TRUE(selector) << test.selector << ": " << selector.error().message;
    EXPECT_EQ(selector->matches(test.labels), test.matches) << test.selector;
    json::object labels;
    for (const auto& [key, value] : test.labels) labels[key] = value;
    EXPECT_EQ(selector->matches(labels), test.matches) << test.selector;
    auto again = Selector::parse(selector->str());
    ASSERT_TRUE(again) << selector->str();
    EXPECT_EQ(again->str(), selector->str());
    EXPECT_EQ(again->matches(test.labels), test.matches) << selector->str();
  }
}

TEST(Selector, RefusesWhatApimachineryRefuses) {
  for (auto text : {"a=b,",      ",a",      "=b",   "a b", "a in b", "a in (b", "a in (b c)", "a=b=c",
                    "a=(b)",     "!a=b",    "!",    "a>b", "a>",     "-a=b",    "a=-b",       "/a=b",
                    "A.com/a=b", "a/b/c=d", "a in", "a!b", "a=b;c",  "a=\xff"}) {
    EXPECT_FALSE(Selector::parse(text)) << text;
  }
  EXPECT_FALSE(Selector::parse(std::string(64, 'a') + "=b"));
  EXPECT_FALSE(Selector::parse("a=" + std::string(64, 'b')));
  EXPECT_TRUE(Selector::parse(std::string(63, 'a') + "=" + std::string(63, 'b')));
  EXPECT_EQ(Selector::parse("a=b,").error().code, ErrorCode::bad_request);
}

TEST(Selector, FromTheObjectForm) {
  LabelSelector both;
  both.matchLabels = {{"app", "web"}};
  both.matchExpressions.push_back({.key = "tier", .operator_ = "NotIn", .values = {"db"}});
  both.matchExpressions.push_back({.key = "old", .operator_ = "DoesNotExist", .values = {}});
  auto selector = Selector::from(both);
  ASSERT_TRUE(selector);
  EXPECT_TRUE(selector->matches(StringMap{{"app", "web"}}));
  EXPECT_FALSE(selector->matches(StringMap{{"app", "web"}, {"tier", "db"}}));
  EXPECT_FALSE(selector->matches(StringMap{{"app", "web"}, {"old", ""}}));
  EXPECT_EQ(selector->str(), "app=web,tier!=db,!old");

  EXPECT_TRUE(Selector::from(LabelSelector{})->empty());
  EXPECT_TRUE(Selector::from(LabelSelector{})->matches(StringMap{}));
}

TEST(Selector, RefusesABadObjectForm) {
  auto error = [](LabelSelectorRequirement requirement) {
    LabelSelector selector;
    selector.matchExpressions.push_back(std::move(requirement));
    auto made = Selector::from(selector);
    EXPECT_FALSE(made);
    return made ? std::string{} : made.error().message;
  };
  EXPECT_EQ(error({.key = "a", .operator_ = "in", .values = {"b"}}),
            "matchExpressions[0].operator: \"in\" is not a valid label selector operator");
  EXPECT_TRUE(
      error({.key = "a", .operator_ = "In", .values = {}}).starts_with("matchExpressions[0].values: "));
  EXPECT_TRUE(error({.key = "a", .operator_ = "Exists", .values = {"b"}})
                  .starts_with("matchExpressions[0].values: "));
  EXPECT_TRUE(
      error({.key = "a b", .operator_ = "Exists", .values = {}}).starts_with("matchExpressions[0].key: "));
}

TEST(FieldSelector, Matches) {
  auto pod =
      json::parse(R"({"metadata": {"name": "a,b=c"}, "spec": {"nodeName": "n1", "unschedulable": true}})");
  auto matches = [&](std::string_view text) {
    auto selector = FieldSelector::parse(text);
    EXPECT_TRUE(selector) << text;
    return selector && selector->matches(pod);
  };
  EXPECT_TRUE(matches(""));
  EXPECT_TRUE(matches("spec.nodeName=n1"));
  EXPECT_TRUE(matches("spec.nodeName==n1,status.phase!=Running"));
  EXPECT_TRUE(matches("status.phase="));
  EXPECT_TRUE(matches("spec.unschedulable=true"));
  EXPECT_TRUE(matches("metadata.name=a\\,b\\=c"));
  EXPECT_FALSE(matches("spec.nodeName!=n1"));
  EXPECT_FALSE(FieldSelector::parse("spec.nodeName"));
  EXPECT_FALSE(FieldSelector::parse("a=b=c"));
  EXPECT_FALSE(FieldSelector::parse("a=b\\"));
  EXPECT_FALSE(FieldSelector::parse("a=b\\x"));
}

}  // namespace
}  // namespace weft::kube
