#include "endpoints/topology.h"

#include <gmock/gmock.h>

namespace weft::endpoints {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::shared_ptr<const kube::Node> node(const std::string& name, const std::string& zone,
                                       const std::string& cpu, bool ready = true) {
  auto out = std::make_shared<kube::Node>();
  out->metadata.name = name;
  if (!zone.empty()) out->metadata.labels["topology.kubernetes.io/zone"] = zone;
  if (!cpu.empty()) out->status.allocatable["cpu"] = cpu;
  auto& condition = out->status.conditions.emplace_back();
  condition.type = "Ready";
  condition.status = ready ? "True" : "False";
  return out;
}

/// A letter an endpoint: the zone it is in, in upper case one that is not ready.
kube::EndpointSlice slice(const std::string& name, const std::string& zones) {
  kube::EndpointSlice out;
  out.metadata.name = name;
  out.addressType = "IPv4";
  for (char letter : zones) {
    auto& endpoint = out.endpoints.emplace_back();
    endpoint.addresses = {"10.0.0." + std::to_string(out.endpoints.size())};
    endpoint.conditions.ready = std::islower(letter) != 0;
    if (letter != '-') endpoint.zone = std::string(1, static_cast<char>(std::tolower(letter)));
    if (letter == '-') endpoint.conditions.ready = true;
  }
  return out;
}

/// The zone of each endpoint's hint, "." without one.
std::string hints(const kube::EndpointSlice& slice) {
  std::string out;
  for (const auto& endpoint : slice.endpoints)
    out += endpoint.hints && !endpoint.hints->forZones.empty() ? endpoint.hints->forZones[0].name : ".";
  return out;
}

SlicePtr hinted(kube::EndpointSlice slice, const std::string& zones) {
  for (size_t i = 0; i < zones.size(); ++i) {
    if (zones[i] != '.') slice.endpoints[i].hints.emplace().forZones.emplace_back().name = zones[i];
  }
  return std::make_shared<const kube::EndpointSlice>(std::move(slice));
}

const ZoneShares kHalves{{"a", 0.5}, {"b", 0.5}};

TEST(ZoneShares, AreThoseOfTheProcessors) {
  auto shares = zone_shares({node("1", "a", "1"), node("2", "b", "1500m"), node("3", "b", "1500m")});
  EXPECT_EQ(shares, (ZoneShares{{"a", 0.25}, {"b", 0.75}}));
  EXPECT_EQ(zone_shares({node("1", "a", "1"), node("2", "b", "1"), node("3", "c", "8", false)}), kHalves)
      << "a node that is not ready gives nothing";
}

TEST(ZoneShares, NeedAllToBeKnownAndMoreThanOneZone) {
  EXPECT_THAT(zone_shares({node("1", "a", "1"), node("2", "a", "1")}), IsEmpty());
  EXPECT_THAT(zone_shares({node("1", "a", "1"), node("2", "b", "1"), node("3", "", "1")}), IsEmpty());
  EXPECT_THAT(zone_shares({node("1", "a", "1"), node("2", "b", "")}), IsEmpty());
  auto control = std::make_shared<kube::Node>(*node("3", "", ""));
  control->metadata.labels["node-role.kubernetes.io/control-plane"] = "";
  EXPECT_EQ(zone_shares({node("1", "a", "1"), node("2", "b", "1"), control}), kHalves);
}

TEST(ZoneHints, KeepTrafficInItsZoneWhereThatIsEven) {
  SliceChanges changes;
  changes.create = {slice("s", "aabBb")};
  EXPECT_EQ(add_zone_hints(changes, {}, kHalves), "");
  EXPECT_EQ(hints(changes.create[0]), "aab.b");
}

TEST(ZoneHints, AreSharedOutWhereItIsNot) {
  struct Case {
    ZoneShares shares;
    std::string zones, hints;
  };
  for (const auto& [shares, zones, want] : std::vector<Case>{
           {kHalves, "aaaa", "bbaa"},
           {kHalves, "aaab", "baab"},
           {{{"a", 0.34}, {"b", 0.66}}, "aab", "bab"},
           {{{"a", 0.8}, {"b", 0.2}}, "abbbb", "aaaab"},
           {{{"a", 0.4}, {"b", 0.4}, {"c", 0.2}}, "aaaaa", "bbcaa"},
       }) {
    SliceChanges changes;
    changes.create = {slice("s", zones)};
    EXPECT_EQ(add_zone_hints(changes, {}, shares), "") << zones;
    EXPECT_EQ(hints(changes.create[0]), want) << zones;
  }
}

TEST(ZoneHints, AreNoneWhereTheyWouldOverload) {
  SliceChanges changes;
  changes.create = {slice("s", "a")};
  EXPECT_THAT(add_zone_hints(changes, {}, kHalves),
              HasSubstr("Insufficient number of endpoints (1 endpoints, 2 zones)"));
  changes.create = {slice("s", "ab")};
  EXPECT_THAT(add_zone_hints(changes, {}, {{"a", 0.7}, {"b", 0.3}}),
              HasSubstr("exceeds number of available endpoints"));
  EXPECT_THAT(add_zone_hints(changes, {}, {}), HasSubstr("Insufficient Node information"));
  changes.create = {slice("s", "aab")};
  EXPECT_THAT(add_zone_hints(changes, {}, kHalves), HasSubstr("(3 endpoints, 2 zones)"))
      << "two are the least that half of three needs";
  changes.create = {slice("s", "ab-a")};
  EXPECT_THAT(add_zone_hints(changes, {}, kHalves), HasSubstr("do not have a zone specified"));
  EXPECT_EQ(hints(changes.create[0]), "....");
}

TEST(ZoneHints, OfOtherSlicesStayWhileTheyFit) {
  SliceChanges changes;
  changes.create = {slice("new", "ab")};
  auto fits = hinted(slice("fits", "ab"), "ab");
  EXPECT_EQ(add_zone_hints(changes, {fits}, kHalves), "");
  EXPECT_TRUE(changes.update.empty());
  EXPECT_EQ(hints(changes.create[0]), "ab");
  // One without a hint, one for a zone that is no more, one that has more than others can spare.
  for (const char* unfit : {"a.", "ac", "aa"}) {
    SliceChanges again;
    EXPECT_EQ(add_zone_hints(again, {hinted(slice("unfit", "ab"), unfit)}, kHalves), "") << unfit;
    ASSERT_EQ(again.update.size(), 1U) << unfit;
    EXPECT_EQ(hints(again.update[0]), "ab") << unfit;
  }
}

TEST(ZoneHints, GoFromAllSlices) {
  SliceChanges changes;
  auto with = hinted(slice("with", "ab"), "ab"), without = hinted(slice("without", "ab"), "..");
  EXPECT_NE(add_zone_hints(changes, {with, without}, {}), "");
  ASSERT_EQ(changes.update.size(), 1U);
  EXPECT_EQ(changes.update[0].metadata.name, "with");
  EXPECT_EQ(hints(changes.update[0]), "..");
}

}  // namespace
}  // namespace weft::endpoints
