#include "ui/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::ui {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

TEST(Query, IsTakenApart) {
  EXPECT_THAT(parse_query("a=1&b=x+y%21&a=%2f=&c&=d"),
              ElementsAre(Pair("a", "1"), Pair("b", "x y!"), Pair("a", "/="), Pair("c", ""), Pair("", "d")));
  EXPECT_THAT(parse_query("a=%&b=%4&c=%zz&d=%41"),
              ElementsAre(Pair("a", "%"), Pair("b", "%4"), Pair("c", "%zz"), Pair("d", "A")));
  EXPECT_THAT(parse_query("&&"), IsEmpty());
}

TEST(Query, IsAFilterOfFlows) {
  auto filter = filter_of("pod=shop%2Fweb&pod=db&verdict=&to-port=80&not=1");
  ASSERT_TRUE(filter) << filter.error().message;
  EXPECT_THAT(filter->pod, ElementsAre("shop/web", "db"));
  EXPECT_THAT(filter->verdict, IsEmpty());
  EXPECT_THAT(filter->to_port, ElementsAre(80));
  EXPECT_TRUE(filter->invert);
  EXPECT_THAT(filter_of("port=x").error().message, HasSubstr("is no port"));
  EXPECT_THAT(filter_of("port=70000").error().message, HasSubstr("is no port"));
  EXPECT_THAT(filter_of("sort=up").error().message, HasSubstr("is no filter"));
}

}  // namespace
}  // namespace weft::ui
