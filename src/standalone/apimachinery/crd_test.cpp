#include "standalone/apimachinery/crd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standalone/apimachinery/json_path.h"
#include "standalone/apimachinery/test_objects.h"

namespace weft::standalone {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kCrd = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp, priority: 1}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, pattern: '^(\d+|\*)(/\d+)?$', maxLength: 10}
              image: {type: string, enum: [a, b], default: a}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 2}
              port: {x-kubernetes-int-or-string: true}
              tags: {type: array, x-kubernetes-list-type: set, maxItems: 2, items: {type: string}}
              rules:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}, weight: {type: integer, default: 1}}}
              labels: {type: object, additionalProperties: {type: string}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              either:
                type: object
                oneOf: [{required: [a]}, {required: [b]}]
                properties: {a: {type: string}, b: {type: string}}
              maybe: {type: string, nullable: true}
          status: {type: object, properties: {replicas: {type: integer}}}
)";

CrdVersion version() { return crd_versions(yaml(kCrd))->at(0); }

std::vector<std::string> problems(std::string_view spec) {
  auto kind = version();
  auto object = yaml("{metadata: {name: a, namespace: ns}, spec: " + std::string(spec) + "}");
  default_object(kind.resource, *kind.schema, object);
  std::vector<std::string> out;
  for (const auto& error : validate_create(kind.resource, *kind.schema, object)) out.push_back(error.text());
  return out;
}

TEST(Crd, IsRead) {
  EXPECT_THAT(problems_of(yaml(kCrd)), IsEmpty());
  auto kind = version();
  EXPECT_EQ(kind.resource.api_version(), "stable.example.com/v1");
  EXPECT_EQ(kind.resource.singular, "crontab");
  EXPECT_EQ(kind.resource.short_names, (std::vector<std::string>{"ct"}));
  EXPECT_TRUE(kind.resource.namespaced);
  EXPECT_EQ(kind.list_kind, "CronTabList");
  EXPECT_TRUE(kind.served && kind.storage && kind.has_status);
  ASSERT_TRUE(kind.scale);
  EXPECT_EQ(kind.scale->spec_replicas, ".spec.replicas");
  ASSERT_EQ(kind.columns.size(), 3U);
  EXPECT_EQ(kind.schema->ref_name, "com.example.stable.v1.CronTab");
  EXPECT_NE(kind.schema->find("metadata"), nullptr);
}

TEST(Crd, DefaultsAndPrunes) {
  auto kind = version();
  auto object = yaml(
      "{apiVersion: a/v1, kind: CronTab, metadata: {name: a}, spec: {cronSpec: '1', rules: [{name: r}], "
      "extra: 1, free: {x: {z: 1}}, labels: {q: r}}}");
  EXPECT_THAT(prune(object, *kind.schema), ElementsAre("unknown field \"spec.extra\""));
  default_object(kind.resource, *kind.schema, object);
  EXPECT_EQ(object.at("spec"),
            yaml("{cronSpec: '1', rules: [{name: r, weight: 1}], free: {x: {z: 1}}, labels: {q: r}, "
                 "image: a, replicas: 2}"));
}

TEST(Crd, ANullThatAFieldDoesNotTakeIsNoValue) {
  auto kind = version();
  auto object = yaml("{metadata: {name: a}, spec: {cronSpec: '1', image: null, tags: null, maybe: null}}");
  default_object(kind.resource, *kind.schema, object);
  EXPECT_EQ(object.at("spec"), yaml("{cronSpec: '1', image: a, replicas: 2, maybe: null}"));
}

TEST(Crd, ValidatesObjects) {
  EXPECT_THAT(problems("{cronSpec: '*/5', port: http, maybe: null, either: {a: x}}"), IsEmpty());
  struct {
    const char* spec;
    const char* problem;
  } cases[] = {
      {"{}", "spec.cronSpec: Required value"},
      {"{cronSpec: 5}",
       "spec.cronSpec: Invalid value: \"integer\": spec.cronSpec in body must be of type string: "
       "\"integer\""},
      {"{cronSpec: x}",
       "spec.cronSpec: Invalid value: \"x\": spec.cronSpec in body should match '^(\\d+|\\*)(/\\d+)?$'"},
      {"{cronSpec: '12345678901'}", "spec.cronSpec: Too long: may not be more than 10 bytes"},
      {"{cronSpec: '1', image: c}", "spec.image: Unsupported value: \"c\": supported values: \"a\", \"b\""},
      {"{cronSpec: '1', replicas: 0}",
       "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1"},
      {"{cronSpec: '1', replicas: 11}", "spec.replicas in body should be less than or equal to 10"},
      {"{cronSpec: '1', port: true}", "must be of type integer,string: \"boolean\""},
      {"{cronSpec: '1', tags: [a, b, c]}", "spec.tags: Too many: 3: must have at most 2 items"},
      {"{cronSpec: '1', tags: [a, a]}", "spec.tags[1]: Duplicate value: \"a\""},
      {"{cronSpec: '1', rules: [{name: a}, {name: a}]}", "spec.rules[1]: Duplicate value: {\"name\":\"a\"}"},
      {"{cronSpec: '1', rules: [{weight: 1}]}", "spec.rules[0].name: Required value"},
      {"{cronSpec: '1', labels: {a: 1}}", "spec.labels.a: Invalid value: \"integer\""},
      {"{cronSpec: '1', either: {}}",
       "\"spec.either\" must validate one and only one schema (oneOf). Found none valid"},
      {"{cronSpec: '1', either: {a: x, b: y}}", "(oneOf). Found 2 valid alternatives"},
      {"{cronSpec: '1', image: null}", ""},
  };
  for (const auto& c : cases) {
    auto got = problems(c.spec);
    if (*c.problem) {
      EXPECT_THAT(got, Contains(HasSubstr(c.problem))) << c.spec;
    } else {
      EXPECT_THAT(got, IsEmpty()) << c.spec;
    }
  }
}

TEST(Crd, RefusesWhatIsWrong) {
  auto with = [](const char* path, json::value value) {
    auto crd = yaml(kCrd);
    auto& at = kube::object_at(crd.get_object(),
                               std::string_view(path).substr(0, std::string_view(path).rfind('.')));
    at[std::string_view(path).substr(std::string_view(path).rfind('.') + 1)] = std::move(value);
    return problems_of(crd);
  };
  EXPECT_THAT(with("metadata.name", "x.y.z"),
              Contains(HasSubstr("metadata.name: Invalid value: \"x.y.z\": must be spec.names.plural")));
  EXPECT_THAT(with("spec.scope", "Galaxy"), Contains(HasSubstr("spec.scope: Unsupported value: \"Galaxy\"")));
  EXPECT_THAT(with("spec.versions", json::array()), Contains(HasSubstr("spec.versions: Required value")));
  auto schema = [](const char* text) {
    auto crd = yaml(kCrd);
    crd.at("spec").at("versions").at(0).at("schema").as_object()["openAPIV3Schema"] = yaml(text);
    return problems_of(crd);
  };
  EXPECT_THAT(schema("{type: string}"), Contains(HasSubstr("must be object at the root")));
  EXPECT_THAT(schema("{type: object, properties: {a: {description: x}}}"),
              Contains(HasSubstr(
                  "properties[a].type: Required value: must not be empty for specified object fields")));
  EXPECT_THAT(schema("{type: object, properties: {a: {type: string, pattern: '('}}}"),
              Contains(HasSubstr("must be a valid regular expression")));
  EXPECT_THAT(schema("{type: object, properties: {a: {type: integer, default: x}}}"),
              Contains(HasSubstr("properties[a].default: Invalid value: \"x\": must validate")));
  EXPECT_THAT(schema("{type: object, properties: {a: {type: array}}}"),
              Contains(HasSubstr("items: Required value")));
  EXPECT_THAT(schema("{type: object, properties: {a: {$ref: x}}}"),
              Contains(HasSubstr("$ref is not supported")));
}

TEST(Crd, IsEstablishedOnce) {
  auto crd = yaml(kCrd);
  establish_crd(crd, "2026-01-01T00:00:00Z");
  EXPECT_EQ(crd.at("status").at("conditions").at(1).at("type"), "Established");
  EXPECT_EQ(crd.at("status").at("conditions").at(1).at("status"), "True");
  EXPECT_EQ(crd.at("status").at("storedVersions"), json::array{"v1"});
  EXPECT_EQ(crd.at("status").at("acceptedNames").at("kind"), "CronTab");
  auto before = crd;
  establish_crd(crd, "2027-01-01T00:00:00Z");
  EXPECT_EQ(crd, before) << "nothing changes, nor does the time";
  establish_crd(crd, "2027-01-01T00:00:00Z", "\"crontabs\" is already in use");
  EXPECT_EQ(crd.at("status").at("conditions").at(0).at("reason"), "NameConflict");
}

TEST(Crd, PatternsAreBounded) {
  // A backtracking matcher would not come back from this one.
  kube::Schema schema{.type = kube::Schema::Type::string};
  schema.rules = json::object{{"pattern", "^(a+)+$"}};
  EXPECT_EQ(validate_by_schema(json::value(std::string(20000, 'a') + "b"), schema).size(), 1U);
}

TEST(JsonPath, Reads) {
  auto object = json::parse(R"({"a":{"b.c":1,"d":[{"t":"x","v":1},{"t":"y","v":2}]}})");
  struct {
    const char* path;
    const char* result;  ///< nullptr: it is no path
  } cases[] = {
      {".a.d[0].v", "[1]"},
      {"{.a.d[1].v}", "[2]"},
      {".a.d[-1].v", "[2]"},
      {".a.d[*].v", "[1,2]"},
      {".a['b.c']", "[1]"},
      {".a.b\\.c", "[1]"},
      {R"(.a.d[?(@.t=="y")].v)", "[2]"},
      {".a.d[?(@.v>1)].t", R"(["y"])"},
      {".a.x.y", "[]"},
      {".a.d[7]", "[]"},
      {"a.d[0].t", R"(["x"])"},
      {".a.d[", nullptr},
      {".a.d[x]", nullptr},
      {".a.d[?(t)]", nullptr},
  };
  for (const auto& c : cases) {
    auto found = json_path(object, c.path);
    ASSERT_EQ(found.has_value(), c.result != nullptr) << c.path;
    if (!found) continue;
    json::array values;
    for (const auto* value : *found) values.push_back(*value);
    EXPECT_EQ(json::value(values), json::parse(c.result)) << c.path;
  }
}

}  // namespace
}  // namespace weft::standalone
