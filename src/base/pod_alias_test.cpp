#include "base/pod_alias.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(PodAlias, WhatIsWrittenIsRead) {
  for (const PodAlias& alias :
       {PodAlias{"abc", "shop"}, PodAlias{"abc", ""}, PodAlias{std::string(64, 'f'), "kube-system"}})
    EXPECT_EQ(parse_pod_alias(to_text(alias)), alias);
  EXPECT_EQ(to_text({"abc", "shop"}), "weft-pod/abc shop");
}

TEST(PodAlias, OtherLinksAreNone) {
  EXPECT_EQ(parse_pod_alias(""), std::nullopt);
  EXPECT_EQ(parse_pod_alias("weft-t1/segment"), std::nullopt);
}

TEST(PodAlias, ANamespaceThatDoesNotFitIsLeftOut) {
  std::string id(200, 'x');
  EXPECT_EQ(parse_pod_alias(to_text({id, std::string(63, 'n')})), (PodAlias{id, ""}));
}

}  // namespace
}  // namespace weft
