#include "gateway/conditions.h"

#include <gtest/gtest.h>

namespace weft::gateway {
namespace {

TEST(Conditions, TheTimeChangesWithTheStatusAlone) {
  auto old = condition("Accepted", true, "Accepted", "", 1);
  old.lastTransitionTime = "2026-01-01T00:00:00Z";
  auto merged = merge_conditions({old}, {condition("Accepted", true, "ListenersNotValid", "x", 2)}, "now");
  EXPECT_EQ(merged.at(0).lastTransitionTime, "2026-01-01T00:00:00Z");
  EXPECT_EQ(merged.at(0).reason, "ListenersNotValid");
  EXPECT_EQ(merged.at(0).observedGeneration, 2);
  merged = merge_conditions({old}, {condition("Accepted", false, "Invalid", "", 2)}, "now");
  EXPECT_EQ(merged.at(0).lastTransitionTime, "now");
}

TEST(Conditions, OthersStayAndOursThatAreNotMeantGo) {
  auto merged = merge_conditions({condition("example.com/Odd", true, "X", "", 1),
                                  condition("InsecureFrontendValidationMode", true, "X", "", 1)},
                                 {condition("Accepted", true, "Accepted", "", 1)}, "now");
  ASSERT_EQ(merged.size(), 2U);
  EXPECT_EQ(merged[0].type, "Accepted");
  EXPECT_EQ(merged[1].type, "example.com/Odd");
}

kube::RouteParentStatus entry(const char* controller, const char* name, const char* time) {
  kube::RouteParentStatus out;
  out.controllerName = controller;
  out.parentRef.name = name;
  out.conditions = {condition("Accepted", true, "Accepted", "", 1)};
  out.conditions[0].lastTransitionTime = time;
  return out;
}

TEST(Conditions, EntriesOfOtherControllersAreLeftAlone) {
  constexpr const char* kOurs = "weft.dev/gateway-controller";
  std::vector current = {entry("other/x", "a", "t1"), entry(kOurs, "a", "t2"), entry(kOurs, "gone", "t3")};
  auto merged = merge_parents(current, {entry(kOurs, "a", "")}, "now");
  ASSERT_EQ(merged.size(), 2U);
  EXPECT_EQ(merged[0], entry(kOurs, "a", "t2"));
  EXPECT_EQ(merged[1], current[0]);
}

}  // namespace
}  // namespace weft::gateway
