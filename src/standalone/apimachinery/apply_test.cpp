#include "standalone/apimachinery/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standalone/apimachinery/field_set.h"
#include "standalone/apimachinery/test_objects.h"

namespace weft::standalone {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const kube::Schema& schema() { return *kind_of("Deployment").schema; }

FieldManager by(const char* name, const char* time = "2026-01-01T00:00:00Z", const char* subresource = "") {
  return {.name = name, .api_version = "apps/v1", .subresource = subresource, .now = time};
}

json::value deployment(std::string_view spec) {
  return yaml("{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: ns}, spec: " +
              std::string(spec) + "}");
}

json::value apply(const json::value& live, const json::value& config, const FieldManager& manager,
                  bool force = false) {
  std::vector<ApplyConflict> conflicts;
  auto done = server_side_apply(live, config, schema(), manager, force, conflicts);
  EXPECT_TRUE(done) << done.error().message;
  return done.value_or(json::value());
}

/// managedFields as {"manager Operation": fieldsV1}.
json::object managed(const json::value& object) {
  json::object out;
  const auto* list = kube::at_path(object, "metadata.managedFields");
  if (!list) return out;
  for (const auto& entry : list->as_array()) {
    auto key = std::string(kube::string_at(entry, "manager")) + " " +
               std::string(kube::string_at(entry, "operation"));
    out[key] = entry.at("fieldsV1");
  }
  return out;
}

TEST(Apply, CreatesWithAnEntry) {
  auto object =
      apply(nullptr,
            deployment("{replicas: 2, selector: {matchLabels: {a: b}}, template: {spec: {containers: "
                       "[{name: c, image: x, ports: [{containerPort: 80}]}]}}}"),
            by("me"));
  EXPECT_EQ(managed(object), json::parse(R"({"me Apply":{"f:spec":{"f:replicas":{},"f:selector":{},
    "f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},
    "f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}})")
                                 .as_object());
  const auto& entry = object.at("metadata").at("managedFields").at(0);
  EXPECT_EQ(entry.at("apiVersion"), "apps/v1");
  EXPECT_EQ(entry.at("fieldsType"), "FieldsV1");
  EXPECT_EQ(entry.at("time"), "2026-01-01T00:00:00Z");
}

TEST(Apply, RemovesWhatIsNoLongerApplied) {
  auto live =
      apply(nullptr,
            deployment("{replicas: 2, paused: true, template: {spec: {containers: [{name: c, image: x}, "
                       "{name: d, image: y}]}}}"),
            by("me"));
  // Defaults are nobody's and go with the element they stand in.
  live.at("spec").at("template").at("spec").at("containers").at(1).as_object()["imagePullPolicy"] = "Always";
  auto now = apply(live, deployment("{replicas: 2, template: {spec: {containers: [{name: c, image: z}]}}}"),
                   by("me"));
  EXPECT_FALSE(now.at("spec").as_object().contains("paused"));
  EXPECT_EQ(now.at("spec").at("template").at("spec").at("containers"),
            json::parse(R"([{"name":"c","image":"z"}])"));
}

TEST(Apply, KeepsWhatOthersOwnToo) {
  auto live = apply(nullptr, deployment("{replicas: 2, paused: true}"), by("me"));
  live = apply(live, deployment("{paused: true}"), by("you"));
  auto now = apply(live, deployment("{replicas: 2}"), by("me"));
  EXPECT_EQ(now.at("spec").at("paused"), true);
  EXPECT_FALSE(managed(now).at("me Apply").at("f:spec").as_object().contains("f:paused"));
  now = apply(now, yaml("{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}"), by("you"));
  EXPECT_FALSE(now.at("spec").as_object().contains("paused"));
  EXPECT_FALSE(managed(now).contains("you Apply")) << "an entry without fields goes";
}

TEST(Apply, Conflicts) {
  auto live = deployment("{replicas: 1, paused: true}");
  track_update(nullptr, live, schema(), by("kubectl"));
  std::vector<ApplyConflict> conflicts;
  auto done = server_side_apply(live, deployment("{replicas: 3, paused: true}"), schema(), by("me"), false,
                                conflicts);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::conflict);
  EXPECT_EQ(done.error().message,
            "Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas");
  ASSERT_EQ(conflicts.size(), 1U);
  EXPECT_EQ(conflicts[0].field, ".spec.replicas");
  EXPECT_EQ(conflicts[0].message, "conflict with \"kubectl\" using apps/v1");

  done = server_side_apply(live, deployment("{replicas: 3, paused: false}"), schema(), by("me"), false,
                           conflicts);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message,
            "Apply failed with 2 conflicts: conflicts with \"kubectl\" using apps/v1:\n- .spec.paused\n- "
            ".spec.replicas");

  auto forced = apply(live, deployment("{replicas: 3, paused: true}"), by("me"), true);
  EXPECT_EQ(forced.at("spec").at("replicas"), 3);
  EXPECT_EQ(managed(forced), json::parse(R"({"me Apply":{"f:spec":{"f:paused":{},"f:replicas":{}}},
                                             "kubectl Update":{"f:spec":{"f:paused":{}}}})")
                                 .as_object());
}

TEST(Apply, ListsByKey) {
  auto live =
      apply(nullptr,
            deployment("{template: {spec: {containers: [{name: c, env: [{name: A, value: '1'}, {name: B, "
                       "value: '2'}]}]}}}"),
            by("me"));
  live =
      apply(live, deployment("{template: {spec: {containers: [{name: c, env: [{name: X, value: '3'}]}]}}}"),
            by("you"));
  const auto& env = live.at("spec").at("template").at("spec").at("containers").at(0).at("env").as_array();
  EXPECT_EQ(env.size(), 3U);
  auto now =
      apply(live, deployment("{template: {spec: {containers: [{name: c, env: [{name: A, value: '9'}]}]}}}"),
            by("me"));
  EXPECT_EQ(now.at("spec").at("template").at("spec").at("containers").at(0).at("env"),
            json::parse(R"([{"name":"A","value":"9"},{"name":"X","value":"3"}])"));
  std::vector<ApplyConflict> conflicts;
  auto twice =
      server_side_apply(nullptr, deployment("{template: {spec: {containers: [{name: c}, {name: c}]}}}"),
                        schema(), by("me"), false, conflicts);
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().message,
              HasSubstr(".spec.template.spec.containers: duplicate entries for key {\"name\":\"c\"}"));
  auto unnamed = server_side_apply(nullptr, deployment("{template: {spec: {containers: [{image: c}]}}}"),
                                   schema(), by("me"), false, conflicts);
  ASSERT_FALSE(unnamed);
  EXPECT_THAT(unnamed.error().message, HasSubstr("omits key field \"name\""));
}

TEST(Apply, AtomicPartsAreReplaced) {
  auto live = apply(nullptr, deployment("{selector: {matchLabels: {a: b, c: d}}}"), by("me"));
  auto now = apply(live, deployment("{selector: {matchLabels: {a: b}}}"), by("me"));
  EXPECT_EQ(managed(now).at("me Apply").at("f:spec"), json::parse(R"({"f:selector":{}})"));
  auto tolerant = apply(nullptr, deployment("{template: {spec: {tolerations: [{key: a}]}}}"), by("me"));
  auto other = apply(tolerant, deployment("{template: {spec: {tolerations: [{key: b}]}}}"), by("you"), true);
  EXPECT_EQ(other.at("spec").at("template").at("spec").at("tolerations"), json::parse(R"([{"key":"b"}])"));
  EXPECT_FALSE(managed(other).contains("me Apply"));
}

TEST(Apply, RefusesManagedFields) {
  auto config = deployment("{}");
  config.at("metadata").as_object()["managedFields"] = json::array();
  std::vector<ApplyConflict> conflicts;
  auto done = server_side_apply(nullptr, config, schema(), by("me"), false, conflicts);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::bad_request);
}

TEST(Apply, NothingChangedIsNoChange) {
  auto live = apply(nullptr, deployment("{replicas: 2}"), by("me"));
  auto again = apply(live, deployment("{replicas: 2}"), by("me", "2027-01-01T00:00:00Z"));
  EXPECT_NE(again, live);
  settle_apply(live, again);
  EXPECT_EQ(again, live);
}

TEST(Apply, StatusBelongsToItsSubresource) {
  auto config = deployment("{replicas: 1}");
  config.as_object()["status"] = json::object{{"replicas", 1}};
  auto object = apply(nullptr, config, by("me"));
  EXPECT_FALSE(managed(object).at("me Apply").as_object().contains("f:status"));
  object = apply(object, config, by("me", "2026-01-01T00:00:00Z", "status"));
  EXPECT_EQ(object.at("metadata").at("managedFields").as_array().size(), 2U);
  const auto& entries = object.at("metadata").at("managedFields").as_array();
  bool has_status = false;
  for (const auto& entry : entries) {
    if (kube::string_at(entry, "subresource") != "status") continue;
    has_status = true;
    EXPECT_EQ(entry.at("fieldsV1"), json::parse(R"({"f:status":{"f:replicas":{}}})"));
  }
  EXPECT_TRUE(has_status);
}

TEST(TrackUpdate, OwnsWhatItChanged) {
  auto first = deployment(
      "{replicas: 1, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: x}]}}}");
  track_update(nullptr, first, schema(), by("create"));
  EXPECT_EQ(
      managed(first).at("create Update"),
      json::parse(R"({"f:spec":{"f:replicas":{},"f:template":{"f:metadata":{"f:labels":{".":{},"f:a":{}}},
              "f:spec":{"f:containers":{".":{},"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}}}}})"));
  auto second = first;
  second.at("spec").as_object()["replicas"] = 2;
  second.at("spec").at("template").at("spec").at("containers").at(0).as_object().erase("image");
  track_update(first, second, schema(), by("edit"));
  EXPECT_EQ(managed(second).at("edit Update"), json::parse(R"({"f:spec":{"f:replicas":{}}})"));
  EXPECT_FALSE(managed(second).at("create Update").at("f:spec").as_object().contains("f:replicas"));
  auto same = second;
  track_update(second, same, schema(), by("idle", "2030-01-01T00:00:00Z"));
  EXPECT_EQ(same, second) << "who changes nothing owns nothing";
}

TEST(TrackUpdate, ManagedFieldsCanBeResetAndReplaced) {
  auto live = deployment("{replicas: 1}");
  track_update(nullptr, live, schema(), by("me"));
  auto dropped = live;
  dropped.at("metadata").as_object().erase("managedFields");
  track_update(live, dropped, schema(), by("you"));
  EXPECT_EQ(managed(dropped), managed(live)) << "a client that does not know them keeps them";
  auto reset = live;
  reset.at("metadata").as_object()["managedFields"] = json::array{json::object()};
  track_update(live, reset, schema(), by("you"));
  EXPECT_THAT(managed(reset), IsEmpty());
}

TEST(TrackUpdate, TheOldestUpdatesBecomeOneEntry) {
  auto live = deployment("{replicas: 0, template: {metadata: {labels: {}}}}");
  for (int i = 0; i < 25; ++i) {
    auto next = live;
    next.at("spec").at("template").at("metadata").at("labels").as_object()["l" + std::to_string(i)] = "x";
    auto time = "2026-01-01T00:00:" + std::string(i < 10 ? "0" : "") + std::to_string(i) + "Z";
    track_update(live, next, schema(), by(("m" + std::to_string(i)).c_str(), time.c_str()));
    live = next;
  }
  EXPECT_EQ(live.at("metadata").at("managedFields").as_array().size(), 10U);
  EXPECT_TRUE(managed(live).contains("ancient-changes Update"));
  EXPECT_TRUE(managed(live).contains("m24 Update"));
}

TEST(FieldSets, RoundTripAndPaths) {
  auto json = json::parse(R"({"f:metadata":{"f:finalizers":{".":{},"v:\"a\"":{}}},
    "f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{}}}}})");
  auto set = FieldSet::from_json(json);
  EXPECT_EQ(json::value(set.to_json()), json);
  EXPECT_EQ(set.paths(), (std::vector<std::string>{".metadata.finalizers", ".metadata.finalizers[=\"a\"]",
                                                   ".spec.ports[port=80,protocol=\"TCP\"]",
                                                   ".spec.ports[port=80,protocol=\"TCP\"].name"}));
  EXPECT_TRUE(set.without(set).empty());
  EXPECT_EQ(set.intersect(set), set);
  EXPECT_EQ(set.unite(FieldSet()), set);
}

}  // namespace
}  // namespace weft::standalone
