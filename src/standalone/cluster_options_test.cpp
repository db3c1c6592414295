#include "standalone/cluster_options.h"

#include <gtest/gtest.h>

#include <set>

namespace weft::standalone {
namespace {

TEST(ClusterLayout, EveryNodeHasAddressesForTheThousandPodsItTakes) {
  auto layout = make_layout({.name = "c", .nodes = kMaxNodes}, 0);
  ASSERT_TRUE(layout) << layout.error().message;
  const auto all = *IpPrefix::parse("10.244.0.0/14");
  std::set<std::string> ranges;
  for (const auto& node : layout->nodes) {
    EXPECT_GE(node.pods4.size() - 3, 1000) << node.name;
    EXPECT_EQ(node.pods4.base(), node.pods4.addr) << node.name;
    EXPECT_TRUE(all.contains(node.pods4.addr)) << node.pods4.str();
    EXPECT_TRUE(ranges.insert(node.pods4.str()).second) << node.pods4.str();
    EXPECT_TRUE(ranges.insert(node.pods6.str()).second) << node.pods6.str();
    for (const auto& services : {layout->services4, layout->services6}) {
      EXPECT_FALSE(services.contains(node.pods4.addr));
      EXPECT_FALSE(services.contains(node.pods6.addr));
    }
  }
  EXPECT_EQ(layout->nodes[1].pods4.str(), "10.244.4.0/22");
  EXPECT_EQ(layout->nodes[99].pods4.str(), "10.245.140.0/22");
}

}  // namespace
}  // namespace weft::standalone
