#include "standalone/apimachinery/fields.h"

#include <gtest/gtest.h>

#include "kube/codec.h"
#include "kube/config.h"
#include "kube/pod.h"
#include "kube/service.h"

namespace weft::standalone {
namespace {

using Lines = std::vector<std::string>;

TEST(Fields, PruneNamesWhatItDrops) {
  auto value =
      json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"x":"y"},"labl":1},
    "spec":{"containers":[{"name":"a"},{"name":"b","imagee":"x"}],"affinity":{"nodeAffinity":{"foo":1}}},"extra":{}})");
  EXPECT_EQ(prune(value, *kube::schema_of<kube::Pod>()),
            (Lines{"unknown field \"metadata.labl\"", "unknown field \"spec.containers[1].imagee\"",
                   "unknown field \"spec.affinity.nodeAffinity.foo\"", "unknown field \"extra\""}));
  EXPECT_EQ(value, json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"x":"y"}},
    "spec":{"containers":[{"name":"a"},{"name":"b"}],"affinity":{"nodeAffinity":{}}}})"));
}

TEST(Fields, DuplicateKeys) {
  EXPECT_EQ(
      duplicate_fields(R"({"a":1,"spec":{"b":[{"c":1},{"c":1,"d":{},"c":2,"c":3}],"b":1},"a":[]})"),
      (Lines{"duplicate field \"spec.b[1].c\"", "duplicate field \"spec.b\"", "duplicate field \"a\""}));
  EXPECT_EQ(duplicate_fields(R"({"a":{"x":1},"b":{"x":1}})"), Lines{});
  EXPECT_EQ(duplicate_fields(R"({"a":)"), Lines{});
}

TEST(Fields, StrictError) {
  auto error = cannot_handle("Deployment", "apps/v1",
                             strict_detail({"unknown field \"spec.foo\"", "duplicate field \"spec.bar\""}));
  EXPECT_EQ(error.code, ErrorCode::bad_request);
  EXPECT_EQ(error.message,
            "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown "
            "field \"spec.foo\", duplicate field \"spec.bar\"");
}

TEST(Fields, TypesAsGoWordsThem) {
  struct {
    const char* value;
    const char* error;  ///< nullptr: fits
  } cases[] = {
      {R"({"spec":{"ports":[{"port":80,"targetPort":"http"}],"selector":null}})", nullptr},
      {R"({"spec":{"ports":[{"port":"80"}]}})",
       "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32"},
      {R"({"spec":{"ports":[{"port":80.5}]}})",
       "json: cannot unmarshal number 80.5 into Go struct field ServicePort.spec.ports.port of type int32"},
      {R"({"spec":{"ports":[{"port":80.0}]}})", nullptr},
      {R"({"spec":{"ports":[{"port":5000000000}]}})",
       "json: cannot unmarshal number 5000000000 into Go struct field ServicePort.spec.ports.port of type "
       "int32"},
      {R"({"spec":{"ports":{}}})",
       "json: cannot unmarshal object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort"},
      {R"({"spec":{"selector":{"a":1}}})",
       "json: cannot unmarshal number into Go struct field ServiceSpec.spec.selector of type string"},
      {R"({"spec":[]})",
       "json: cannot unmarshal array into Go struct field Service.spec of type v1.ServiceSpec"},
      {R"({"spec":{"publishNotReadyAddresses":"yes"}})",
       "json: cannot unmarshal string into Go struct field ServiceSpec.spec.publishNotReadyAddresses of type "
       "bool"},
      {R"([])", "json: cannot unmarshal array into Go value of type v1.Service"},
  };
  for (const auto& c : cases) {
    auto got = check_types(json::parse(c.value), *kube::schema_of<kube::Service>());
    if (!c.error) {
      EXPECT_TRUE(got) << c.value << got.error().message;
    } else {
      ASSERT_FALSE(got) << c.value;
      EXPECT_EQ(got.error().message, c.error);
    }
  }
  const auto& secret = *kube::schema_of<kube::Secret>();
  EXPECT_FALSE(check_types(json::parse(R"({"data":{"a":"%"}})"), secret));
  EXPECT_TRUE(check_types(json::parse(R"({"data":{"a":"YQ=="}})"), secret));
  const auto& pod = *kube::schema_of<kube::Pod>();
  EXPECT_FALSE(check_types(json::parse(R"({"metadata":{"creationTimestamp":"now"}})"), pod));
  auto limits = [&](const char* text) {
    auto value = json::parse(R"({"spec":{"containers":[{"resources":{"limits":{"cpu":null}}}]}})");
    value.at("spec").at("containers").at(0).at("resources").at("limits").as_object()["cpu"] =
        json::parse(text);
    return check_types(value, pod).has_value();
  };
  for (const char* good : {"1", "0.5", R"("100m")", R"("1Gi")", R"("1e3")", R"("+.5")"})
    EXPECT_TRUE(limits(good)) << good;
  for (const char* bad : {R"("")", R"("1gi")", R"("a")", R"("1e")", R"("1.2.3")", "true"})
    EXPECT_FALSE(limits(bad)) << bad;
}

TEST(Fields, Defaults) {
  auto pod = json::parse(R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80}],
    "env":[{"name":"x","valueFrom":{"secretKeyRef":{"key":"k"}}}]}]}})");
  apply_defaults(pod, *kube::schema_of<kube::Pod>());
  EXPECT_EQ(pod.at("spec").at("containers").at(0).at("ports").at(0).at("protocol"), "TCP");
  EXPECT_EQ(pod.at("spec").at("restartPolicy"), "Always");
  EXPECT_FALSE(pod.at("spec")
                   .at("containers")
                   .at(0)
                   .at("env")
                   .at(0)
                   .at("valueFrom")
                   .at("secretKeyRef")
                   .as_object()
                   .contains("name"));
  // A default is set into what another default made.
  kube::Schema inner{.type = kube::Schema::Type::object};
  inner.fields.push_back({.name = "n", .schema = std::make_shared<kube::Schema>(), .default_value = 7});
  kube::Schema outer{.type = kube::Schema::Type::object};
  outer.fields.push_back(
      {.name = "o", .schema = std::make_shared<kube::Schema>(inner), .default_value = json::object{}});
  auto value = json::parse(R"({"o":null})");
  apply_defaults(value, outer);
  EXPECT_EQ(value, json::parse(R"({"o":{"n":7}})"));
}

TEST(Fields, NullsMeanAbsent) {
  auto pod = json::parse(
      R"({"metadata":{"creationTimestamp":null,"labels":{"a":null}},"spec":{"containers":[{"name":"a","image":null}]},"status":null})");
  drop_nulls(pod, *kube::schema_of<kube::Pod>());
  EXPECT_EQ(pod, json::parse(R"({"metadata":{"labels":{}},"spec":{"containers":[{"name":"a"}]}})"));
}

}  // namespace
}  // namespace weft::standalone
