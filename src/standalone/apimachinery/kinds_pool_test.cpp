#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standalone/apimachinery/test_objects.h"

namespace weft::standalone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> pool(std::string_view spec) {
  return problems_of(yaml(fmt::format(
      "{{apiVersion: weft.dev/v1alpha1, kind: AddressPool, metadata: {{name: a}}, spec: {}}}", spec)));
}

TEST(AddressPoolRules, AcceptsWhatTheSchemaAllows) {
  EXPECT_THAT(pool("{addresses: [192.0.2.0/24]}"), IsEmpty());
  EXPECT_THAT(
      pool("{addresses: [192.0.2.1-192.0.2.9, '2001:db8::/64'], autoAssign: false, namespaceSelector: "
           "{matchLabels: {a: b}}, serviceSelector: {matchExpressions: [{key: a, operator: Exists}]}}"),
      IsEmpty());
}

TEST(AddressPoolRules, RefusesTheRest) {
  EXPECT_THAT(pool("{}"), ElementsAre("spec.addresses: Required value"));
  EXPECT_THAT(pool("{addresses: []}"), ElementsAre(HasSubstr("should have at least 1 items")));
  EXPECT_THAT(pool("{addresses: ['']}"), ElementsAre(HasSubstr("should be at least 1 chars long")));
  EXPECT_THAT(pool("{addresses: [a], serviceSelector: {matchExpressions: [{key: a, operator: Is}]}}"),
              ElementsAre(HasSubstr("Unsupported value: \"Is\"")));
}

}  // namespace
}  // namespace weft::standalone
