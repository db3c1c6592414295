#include "dns/source_option.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::dns {
namespace {

TEST(SourceOption, IsPutIntoAMessageAndReadBack) {
  std::vector<uint8_t> buffer(512);
  Query like;
  like.has_edns = true;
  size_t size = write_query(buffer, 1, *Name::parse("a.example"), like);
  EXPECT_FALSE(source_option_of(std::span(buffer).first(size)));
  ASSERT_TRUE(add_source_option(buffer, size, ""));
  EXPECT_EQ(source_option_of(std::span(buffer).first(size)), "");
  // Still a question like any other, and its answer takes the text.
  Query query;
  ASSERT_EQ(parse_query(std::span(buffer).first(size), query).verdict, Verdict::answer);
  Writer writer(buffer, 512, query);
  writer.address(Section::answer, query.name.wire(), 5, *IpAddr::parse("10.0.0.1"));
  size = writer.finish();
  ASSERT_TRUE(add_source_option(buffer, size, "cache"));
  EXPECT_EQ(source_option_of(std::span(buffer).first(size)), "cache");
}

TEST(SourceOption, BesideTheOneThatSaysItEnds) {
  std::vector<uint8_t> buffer(512);
  Query like;
  like.has_edns = true;
  size_t size = write_query(buffer, 1, *Name::parse("a.example"), like);
  EXPECT_FALSE(has_ending_option(std::span(buffer).first(size)));
  ASSERT_TRUE(add_ending_option(buffer, size));
  ASSERT_TRUE(add_source_option(buffer, size, "zone"));
  EXPECT_TRUE(has_ending_option(std::span(buffer).first(size)));
  EXPECT_EQ(source_option_of(std::span(buffer).first(size)), "zone");
  Query query;
  EXPECT_EQ(parse_query(std::span(buffer).first(size), query).verdict, Verdict::answer);
}

TEST(SourceOption, NotWithoutEdnsNorRoom) {
  std::vector<uint8_t> buffer(512);
  size_t size = write_query(buffer, 1, *Name::parse("a.example"), {});
  const size_t before = size;
  EXPECT_FALSE(add_source_option(buffer, size, "x"));
  EXPECT_EQ(size, before);
  Query like;
  like.has_edns = true;
  size = write_query(buffer, 1, *Name::parse("a.example"), like);
  EXPECT_FALSE(add_source_option(std::span(buffer).first(size + 4), size, "x"));
}

TEST(SourceOption, CutMessagesHaveNone) {
  std::vector<uint8_t> buffer(512);
  Query like;
  like.has_edns = true;
  size_t size = write_query(buffer, 1, *Name::parse("a.example"), like);
  ASSERT_TRUE(add_source_option(buffer, size, "zone"));
  for (size_t cut = 0; cut < size; ++cut) EXPECT_FALSE(source_option_of(std::span(buffer).first(cut))) << cut;
}

}  // namespace
}  // namespace weft::dns
