#include "kube/yaml_blocks.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::kube {
namespace {

/// Reads it, and as yaml-cpp does.
void expect_same(const std::string& text) {
  auto quick = read_block_yaml(text, "f.yaml");
  ASSERT_TRUE(quick) << text;
  auto slow = parse_any_yaml(text, "f.yaml");
  ASSERT_TRUE(slow) << slow.error().message << "\n" << text;
  ASSERT_EQ(quick->size(), slow->size()) << text;
  for (size_t i = 0; i < quick->size(); ++i) {
    EXPECT_EQ((*quick)[i].value, (*slow)[i].value) << text;
    EXPECT_EQ((*quick)[i].line, (*slow)[i].line) << text;
    EXPECT_EQ((*quick)[i].lines, (*slow)[i].lines) << text;
  }
}

TEST(YamlBlocks, TheUsualStyle) {
  expect_same(R"(# a comment
apiVersion: v1
kind: Service
metadata:
  name: web   # another
  labels:
    app.kubernetes.io/name: "web"
    empty: {}

spec:
  ports:
  - name: http
    port: 80
    targetPort: 8080
  -   name: 'metrics'
      port: -1
  none: []
  selector:
      app: web
  externalIPs:
    - 10.0.0.1
    - --flag=a:b
    - -c
  last:
---

---
kind: Pod
on-call: yes
list:
- - a
  - b
- key:
  - nested
  other: 1.0
)");
}

TEST(YamlBlocks, NothingAtAll) {
  expect_same("");
  expect_same("# only a comment\n---\n");
}

/// Left to yaml-cpp: what it makes of them is not for this reader to know.
TEST(YamlBlocks, WhatIsNotPlain) {
  for (const char* text : {"a: {b: c}",
                           "a: [1]",
                           "a: |\n  text",
                           "a: >-\n  text",
                           "a: &x 1",
                           "a: *x",
                           "a: !!str 1",
                           "a: b: c",
                           "a: \"b\\n\"",
                           "a: 'it''s'",
                           "a: b\n  c",
                           "a: 1\na: 2",
                           "a: 1\n  b: 2",
                           "- a\nb: 1",
                           "a:\n    b: 1\n  c: 2",
                           "a: \tb",
                           "a: b\r\n",
                           "\"a\": 1",
                           "? a",
                           "on: 1",
                           "<<: 1",
                           "%YAML 1.2\n---\na: 1",
                           "a: 1\n...\n",
                           "--- a",
                           "just text",
                           "-",
                           "a: \xc3\xa9",
                           "a: `b",
                           "a: @b",
                           "a: #c\n  b",
                           "a: .nan",
                           "{}",
                           "- a: 1\n b: 2",
                           "key: - a"})
    EXPECT_FALSE(read_block_yaml(text, "f.yaml")) << text;
}

}  // namespace
}  // namespace weft::kube
