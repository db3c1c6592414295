#include "standalone/apimachinery/patch.h"

#include <gtest/gtest.h>

#include "kube/apps.h"
#include "kube/codec.h"
#include "kube/pod.h"
#include "kube/service.h"

namespace weft::standalone {
namespace {

struct Case {
  const char* name;
  const char* document;
  const char* patch;
  const char* result;  ///< nullptr: it fails with `code`
  ErrorCode code = ErrorCode::internal;
};

void expect(const Case& c, const Expected<json::value>& got) {
  if (!c.result) {
    ASSERT_FALSE(got) << c.name << ": " << json::serialize(*got);
    EXPECT_EQ(got.error().code, c.code) << c.name << ": " << got.error().message;
    return;
  }
  ASSERT_TRUE(got) << c.name << ": " << got.error().message;
  EXPECT_EQ(*got, json::parse(c.result)) << c.name << ": " << json::serialize(*got);
}

TEST(JsonPatch, Rfc6902) {
  const Case cases[] = {
      {"add member", R"({"a":1})", R"([{"op":"add","path":"/b","value":2}])", R"({"a":1,"b":2})"},
      {"add replaces", R"({"a":1})", R"([{"op":"add","path":"/a","value":2}])", R"({"a":2})"},
      {"add in list", R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
      {"append", R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
      {"beyond the end", R"({"a":[1]})", R"([{"op":"add","path":"/a/2","value":2}])", nullptr,
       ErrorCode::invalid},
      {"leading zero", R"({"a":[1,2]})", R"([{"op":"replace","path":"/a/01","value":2}])", nullptr,
       ErrorCode::invalid},
      {"no parent", R"({})", R"([{"op":"add","path":"/a/b","value":2}])", nullptr, ErrorCode::invalid},
      {"whole", R"({"a":1})", R"([{"op":"replace","path":"","value":[]}])", R"([])"},
      {"remove", R"({"a":[1,2],"b":0})", R"([{"op":"remove","path":"/a/0"},{"op":"remove","path":"/b"}])",
       R"({"a":[2]})"},
      {"remove what is not there", R"({})", R"([{"op":"remove","path":"/a"}])", nullptr, ErrorCode::invalid},
      {"replace", R"({"a":{"b":1}})", R"([{"op":"replace","path":"/a/b","value":null}])",
       R"({"a":{"b":null}})"},
      {"replace what is not there", R"({})", R"([{"op":"replace","path":"/a","value":1}])", nullptr,
       ErrorCode::invalid},
      {"move", R"({"a":[1,2,3]})", R"([{"op":"move","from":"/a/0","path":"/a/2"}])", R"({"a":[2,3,1]})"},
      {"move into itself", R"({"a":{}})", R"([{"op":"move","from":"/a","path":"/a/b"}])", nullptr,
       ErrorCode::invalid},
      {"copy", R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])",
       R"({"a":{"b":1},"c":{"b":1}})"},
      {"test", R"({"a":{"x":1,"y":2}})", R"([{"op":"test","path":"/a","value":{"y":2,"x":1}}])",
       R"({"a":{"x":1,"y":2}})"},
      {"test fails, nothing is done", R"({"a":1})",
       R"([{"op":"add","path":"/b","value":1},{"op":"test","path":"/a","value":2}])", nullptr,
       ErrorCode::invalid},
      {"escapes", R"({"a/b":1,"m~n":2})",
       R"([{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/m~0n"}])", R"({})"},
      {"stray tilde", R"({"a":1})", R"([{"op":"remove","path":"/~2"}])", nullptr, ErrorCode::bad_request},
      {"unknown op", R"({})", R"([{"op":"spam","path":"/a"}])", nullptr, ErrorCode::bad_request},
      {"no value", R"({})", R"([{"op":"add","path":"/a"}])", nullptr, ErrorCode::bad_request},
      {"no path", R"({})", R"([{"op":"remove"}])", nullptr, ErrorCode::bad_request},
      {"relative path", R"({})", R"([{"op":"remove","path":"a"}])", nullptr, ErrorCode::bad_request},
      {"no list", R"({})", R"({"op":"remove","path":"/a"})", nullptr, ErrorCode::bad_request},
  };
  for (const auto& c : cases) expect(c, json_patch(json::parse(c.document), json::parse(c.patch)));
}

TEST(JsonPatch, Limits) {
  json::array many;
  many.resize(10001, json::parse(R"({"op":"test","path":"","value":{}})"));
  EXPECT_EQ(json_patch(json::object{}, many).error().code, ErrorCode::too_large);
  // Doubling 30 times would be a gigabyte.
  json::array doubling;
  for (int i = 0; i < 30; ++i) {
    doubling.push_back(json::parse(R"({"op":"copy","from":"/a","path":"/a/-"})"));
  }
  EXPECT_EQ(json_patch(json::parse(R"({"a":["0123456789"]})"), doubling).error().code, ErrorCode::too_large);
  json::array nesting;
  for (int i = 0; i < 300; ++i) {
    nesting.push_back(json::parse(R"({"op":"add","path":"/b","value":{}})"));
    nesting.push_back(json::parse(R"({"op":"move","from":"/a","path":"/b/a"})"));
    nesting.push_back(json::parse(R"({"op":"move","from":"/b","path":"/a"})"));
  }
  EXPECT_EQ(json_patch(json::parse(R"({"a":{}})"), nesting).error().code, ErrorCode::invalid);
}

TEST(MergePatch, Rfc7386) {
  const Case cases[] = {
      {"replace", R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {"add", R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {"remove", R"({"a":"b","b":1})", R"({"a":null})", R"({"b":1})"},
      {"lists are replaced", R"({"a":[1,2]})", R"({"a":[3]})", R"({"a":[3]})"},
      {"deep", R"({"a":{"b":"c","d":1}})", R"({"a":{"b":"d","d":null}})", R"({"a":{"b":"d"}})"},
      {"over a scalar", R"({"a":"foo"})", R"({"a":{"b":{"c":null}}})", R"({"a":{"b":{}}})"},
      {"no object", R"({"a":"foo"})", R"("bar")", R"("bar")"},
  };
  for (const auto& c : cases) {
    Expected<json::value> got = merge_patch(json::parse(c.document), json::parse(c.patch));
    expect(c, got);
  }
}

TEST(StrategicMerge, Pods) {
  const Case cases[] = {
      {"containers merge by name",
       R"({"spec":{"containers":[{"name":"a","image":"1","tty":true},{"name":"b"}]}})",
       R"({"spec":{"containers":[{"name":"a","image":"2"}]}})",
       R"({"spec":{"containers":[{"name":"a","image":"2","tty":true},{"name":"b"}]}})"},
      {"a new element comes first", R"({"spec":{"containers":[{"name":"a"}]}})",
       R"({"spec":{"containers":[{"name":"b"}]}})", R"({"spec":{"containers":[{"name":"b"},{"name":"a"}]}})"},
      {"delete by key", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
       R"({"spec":{"containers":[{"name":"a","$patch":"delete"}]}})",
       R"({"spec":{"containers":[{"name":"b"}]}})"},
      {"replace a list", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
       R"({"spec":{"containers":[{"name":"c"},{"$patch":"replace"}]}})",
       R"({"spec":{"containers":[{"name":"c"}]}})"},
      {"replace an object", R"({"metadata":{"labels":{"a":"1","b":"2"}}})",
       R"({"metadata":{"labels":{"$patch":"replace","c":"3"}}})", R"({"metadata":{"labels":{"c":"3"}}})"},
      {"delete an object", R"({"metadata":{"labels":{"a":"1"}}})",
       R"({"metadata":{"labels":{"$patch":"delete"}}})", R"({"metadata":{"labels":{}}})"},
      {"null removes", R"({"metadata":{"labels":{"a":"1","b":"2"}}})",
       R"({"metadata":{"labels":{"a":null,"c":null}}})", R"({"metadata":{"labels":{"b":"2"}}})"},
      {"no merge key", R"({"spec":{"containers":[{"name":"a"}]}})",
       R"({"spec":{"containers":[{"image":"x"}]}})", nullptr, ErrorCode::bad_request},
      {"unknown directive", R"({"spec":{}})", R"({"spec":{"$patch":"spam"}})", nullptr,
       ErrorCode::bad_request},
      {"primitive lists unite", R"({"metadata":{"finalizers":["a","b"]}})",
       R"({"metadata":{"finalizers":["c","b"]}})", R"({"metadata":{"finalizers":["c","a","b"]}})"},
      {"delete from a primitive list", R"({"metadata":{"finalizers":["a","b","a"]}})",
       R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}})",
       R"({"metadata":{"finalizers":["b"]}})"},
      {"malformed directive", R"({"metadata":{"finalizers":["a"]}})",
       R"({"metadata":{"$deleteFromPrimitiveList/finalizers":"a"}})", nullptr, ErrorCode::bad_request},
      {"set order", R"({"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"x"}]}})",
       R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"a","tty":true}]}})",
       R"({"spec":{"containers":[{"name":"b"},{"name":"a","tty":true},{"name":"x"}]}})"},
      {"set order alone", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
       R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}})",
       R"({"spec":{"containers":[{"name":"b"},{"name":"a"}]}})"},
      {"retain keys", R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})",
       R"({"spec":{"volumes":[{"$retainKeys":["name","hostPath"],"name":"v","hostPath":{"path":"/x"}}]}})",
       R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}})"},
      {"atomic lists are replaced", R"({"spec":{"tolerations":[{"key":"a"},{"key":"b"}]}})",
       R"({"spec":{"tolerations":[{"key":"c"}]}})", R"({"spec":{"tolerations":[{"key":"c"}]}})"},
      {"ports merge by containerPort",
       R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80},{"containerPort":81}]}]}})",
       R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":81,"name":"x"}]}]}})",
       R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80},{"containerPort":81,"name":"x"}]}]}})"},
      {"added whole, without directives", R"({})",
       R"({"spec":{"containers":[{"name":"a","$patch":"delete"},{"name":"b","image":null}],"$setElementOrder/containers":[{"name":"b"}]}})",
       R"({"spec":{"containers":[{"name":"b"}]}})"},
      {"no object", R"({})", R"([])", nullptr, ErrorCode::bad_request},
  };
  const auto& schema = *kube::schema_of<kube::Pod>();
  for (const auto& c : cases) {
    expect(c, strategic_merge_patch(json::parse(c.document), json::parse(c.patch), schema));
  }
}

TEST(StrategicMerge, StrategyOfADeploymentRetainsKeys) {
  Case c{"to Recreate", R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}})",
         R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})",
         R"({"spec":{"strategy":{"type":"Recreate"}}})"};
  expect(c, strategic_merge_patch(json::parse(c.document), json::parse(c.patch),
                                  *kube::schema_of<kube::Deployment>()));
}

}  // namespace
}  // namespace weft::standalone
