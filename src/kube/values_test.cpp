#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "kube/base64.h"
#include "kube/json.h"
#include "kube/labels.h"
#include "kube/time.h"

namespace weft::kube {
namespace {

TEST(Time, WritesAndReadsRfc3339) {
  auto point = parse_time("2026-01-02T03:04:05.678901Z");
  ASSERT_TRUE(point);
  EXPECT_EQ(format_time(*point), "2026-01-02T03:04:05Z");
  EXPECT_EQ(format_micro_time(*point), "2026-01-02T03:04:05.678901Z");
  EXPECT_EQ(parse_time("2026-01-02T05:04:05+02:00"), parse_time("2026-01-02T03:04:05Z"));
  EXPECT_EQ(parse_time("2026-01-01T22:34:05-04:30"), parse_time("2026-01-02T03:04:05Z"));
  EXPECT_EQ(parse_time("2026-01-02T03:04:05.5Z"), parse_time("2026-01-02T03:04:05.500000000Z"));
  EXPECT_EQ(format_micro_time(*parse_time("1969-12-31T23:59:59.25Z")), "1969-12-31T23:59:59.250000Z");
  EXPECT_TRUE(parse_time("2024-02-29T00:00:00Z"));
}

TEST(Time, RefusesWhatIsNoMoment) {
  for (auto text : {"", "2026-01-02", "2026-01-02T03:04:05", "2026-1-2T03:04:05Z", "2026-02-30T03:04:05Z",
                    "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z",
                    "2026-01-02 03:04:05Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+0200",
                    "2026-01-02T03:04:05Zx", "2023-02-29T00:00:00Z"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

TEST(Time, NowIsNow) {
  auto now = parse_time(now_time());
  auto micro = parse_time(now_micro_time());
  ASSERT_TRUE(now && micro);
  EXPECT_LE(*now, *micro);
  EXPECT_LT(*micro - *now, std::chrono::seconds(5));
}

TEST(Base64, RoundTripsAndRefuses) {
  for (const std::string& bytes : {std::string(), std::string("a"), std::string("ab"), std::string("abc"),
                                   std::string("\0\xff\x80", 3)}) {
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
  }
  EXPECT_EQ(encode_base64("hello"), "aGVsbG8=");
  EXPECT_EQ(decode_base64("aGVs\nbG8=\n"), "hello");
  for (auto text : {"aGVsbG8", "aGVsbG8==", "a", "====", "aG=s", "a-_b", "aGVsbG8= "})
    EXPECT_FALSE(decode_base64(text)) << text;
}

TEST(Labels, KeysAndValues) {
  for (auto key : {"a", "app.kubernetes.io/name", "A_b-c.d", "1/2"})
    EXPECT_TRUE(label_key_problems(key).empty()) << key;
  for (auto key : {"", "/a", "a/", "A/b", "a/b/c", "-a", "a-", "a b", "x..y/a"})
    EXPECT_FALSE(label_key_problems(key).empty()) << key;
  EXPECT_FALSE(label_key_problems(std::string(254, 'a') + "/b").empty());
  for (auto value : {"", "a", "1.2_3-4"}) EXPECT_TRUE(label_value_problems(value).empty()) << value;
  for (auto value : {"-", "a b", "a.", "é"}) EXPECT_FALSE(label_value_problems(value).empty()) << value;
}

TEST(Json, Paths) {
  auto value = json::parse(R"({"a": {"b": "c", "d.e": 1}, "s": "t"})");
  EXPECT_EQ(string_at(value, "a.b"), "c");
  EXPECT_EQ(string_at(value, "a.x"), "");
  EXPECT_EQ(string_at(value, "s.t"), "");
  EXPECT_EQ(at_path(value, "a.d.e"), nullptr);
  EXPECT_EQ(*member(*at_path(value, "a"), "d.e"), 1);
  object_at(value.as_object(), "s.u")["v"] = 1;
  EXPECT_EQ(value.at("s"), json::parse(R"({"u": {"v": 1}})"));
  std::string path;
  append_key(path, "spec");
  append_key(path, "ports");
  append_index(path, 3);
  append_key(path, "a/b");
  EXPECT_EQ(path, "spec.ports[3][a/b]");
}

}  // namespace
}  // namespace weft::kube
