#include "kube/yaml.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

namespace weft::kube {
namespace {

json::value one(std::string_view text) {
  auto documents = parse_yaml(text, "f.yaml");
  if (!documents) {
    ADD_FAILURE() << documents.error().message;
    return nullptr;
  }
  EXPECT_EQ(documents->size(), 1U);
  return documents->empty() ? json::value() : documents->front().value;
}

std::string error_of(std::string_view text) {
  auto documents = parse_yaml(text, "f.yaml");
  EXPECT_FALSE(documents) << text;
  return documents ? std::string{} : documents.error().message;
}

TEST(Yaml, ScalarsAreWhatKubernetesMakesOfThem) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"80", "80"},
      {"'80'", R"("80")"},
      {"\"true\"", R"("true")"},
      {"true", "true"},
      {"Yes", "true"},
      {"off", "false"},
      {"n", "false"},
      {"null", "null"},
      {"~", "null"},
      {"", "null"},
      {"nil", R"("nil")"},
      {"0x1F", "31"},
      {"0o17", "15"},
      {"0644", "420"},
      {"0b101", "5"},
      {"-0b101", "-5"},
      {"1_000", "1000"},
      {"+5", "5"},
      {"1.0", "1"},
      {"1.5", "1.5"},
      {"-.5", "-0.5"},
      {"1e3", "1000"},
      {"08", "8"},
      {"1.2.3", R"("1.2.3")"},
      {"10.0.0.0/8", R"("10.0.0.0/8")"},
      {"1Gi", R"("1Gi")"},
      {"2001-01-02", R"("2001-01-02")"},
      {"12:30:45", R"("12:30:45")"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"!!str 80", R"("80")"},
      {"!!int 0x10", "16"},
      {"!!binary aGk=", R"("hi")"},
      {"-", "[null]"},
      {"<<", R"("<<")"},
  };
  for (const auto& [yaml, expected] : cases) {
    EXPECT_EQ(one("k: [" +
                  std::string(yaml == "-"    ? "[null]"
                              : yaml.empty() ? "null"
                                             : yaml) +
                  "]")
                  .at("k")
                  .at(0),
              json::parse(expected))
        << yaml;
  }
  EXPECT_EQ(one("k:"), json::parse(R"({"k": null})"));
  EXPECT_EQ(one("k: |\n  a\n  b\n"), json::parse(R"({"k": "a\nb\n"})"));
  EXPECT_EQ(one("80: a\ntrue: b\n1.50: c"), json::parse(R"({"80": "a", "true": "b", "1.5": "c"})"));
}

TEST(Yaml, AnchorsAndMergeKeys) {
  EXPECT_EQ(one("a: &x {p: 1, q: [1]}\nb: *x\nc:\n  <<: *x\n  p: 2\nd: {<<: [{p: 5}, *x]}"),
            json::parse(R"({"a": {"p": 1, "q": [1]}, "b": {"p": 1, "q": [1]}, "c": {"p": 2, "q": [1]},
                            "d": {"p": 5, "q": [1]}})"));
  EXPECT_EQ(error_of("a: &x [*x]"), "f.yaml:1: an alias inside the value it stands for");
  EXPECT_EQ(error_of("a:\n  <<: 3"), "f.yaml:2: << takes an object or a list of objects");
}

TEST(Yaml, DocumentsAndLines) {
  auto documents = parse_yaml(
      "# nothing\n---\n\nkind: A\nspec:\n  ports:\n  - port: 1\n  - name: x\n    port: 2\n"
      "  example.com/k: v\n---\n---\nkind: B\n",
      "f.yaml");
  ASSERT_TRUE(documents) << documents.error().message;
  ASSERT_EQ(documents->size(), 2U);
  const auto& first = documents->front();
  EXPECT_EQ(first.line, 4);
  EXPECT_EQ(first.line_of("spec"), 5);
  EXPECT_EQ(first.line_of("spec.ports[0].port"), 7);
  EXPECT_EQ(first.line_of("spec.ports[1]"), 8);
  EXPECT_EQ(first.line_of("spec.ports[1].port"), 9);
  EXPECT_EQ(first.line_of("spec.ports[1].missing"), 8);
  EXPECT_EQ(first.line_of("spec[example.com/k]"), 10);
  EXPECT_EQ(first.line_of("nowhere.at.all"), 4);
  EXPECT_EQ(documents->back().line, 13);
}

TEST(Yaml, JsonIsYaml) {
  auto documents = parse_yaml("{\n\t\"kind\": \"A\\/\\ud83d\\ude00\",\n  \"n\": 1.0\n}\n", "f.json");
  ASSERT_TRUE(documents) << documents.error().message;
  EXPECT_EQ(documents->front().value.at("kind"), "A/\xf0\x9f\x98\x80");
  EXPECT_EQ(one("{a: 1, b: [c]}"), json::parse(R"({"a": 1, "b": ["c"]})"));
}

TEST(Yaml, BadInputGetsItsLine) {
  EXPECT_EQ(error_of("a: 1\nb: 2\na: 3"), "f.yaml:3: duplicate key \"a\"");
  EXPECT_EQ(error_of("1: a\n\"1\": b"), "f.yaml:2: duplicate key \"1\"");
  EXPECT_TRUE(error_of("a: 1\n b: 2\n").starts_with("f.yaml:2: "));
  EXPECT_TRUE(error_of("a: [1, 2\n").starts_with("f.yaml:2: ")) << error_of("a: [1, 2\n");
  EXPECT_EQ(error_of("a: 1\n}\n"), "f.yaml:2: illegal flow end");
  EXPECT_EQ(error_of(", a"), "f.yaml:1: unexpected character");
  EXPECT_EQ(error_of("a: .inf"), "f.yaml:1: \".inf\" cannot be said in JSON");
  EXPECT_EQ(error_of("a: !!int x"), "f.yaml:1: \"x\" is no int");
  EXPECT_EQ(error_of("{a: 1}: b"), "f.yaml:1: a key must be a string, a number or a boolean");
}

TEST(Yaml, DepthIsBounded) {
  EXPECT_EQ(one(std::string(100, '[') + std::string(100, ']')).get_array().size(), 1U);
  EXPECT_EQ(error_of(std::string(101, '[') + std::string(101, ']')),
            "f.yaml:1: nested deeper than 100 levels");
  EXPECT_FALSE(parse_yaml(std::string(1'000'000, '['), "f.yaml"));
  std::string deep = "a: &a " + std::string(60, '[') + std::string(60, ']') + "\n";
  EXPECT_EQ(error_of(deep + "b: " + std::string(60, '[') + "*a" + std::string(60, ']')),
            "f.yaml:2: nested deeper than 100 levels");
}

TEST(Yaml, AliasBombsAreRefused) {
  std::string bomb = "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n";
  for (int i = 1; i < 12; ++i) {
    auto before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 8; ++j) bomb += "," + before;
    bomb += "]\n";
  }
  EXPECT_NE(error_of(bomb).find("anchors and aliases make the document too large"), std::string::npos);
}

TEST(Yaml, WritesWhatItReads) {
  for (
      auto text :
      {R"({})", R"([])", R"("")", R"({"a": {}, "b": [], "c": null})",
       R"({"kind": "List", "items": [{"a": 1, "b": [[1, 2], [], {"c": "d"}]}, "x", {"k": {"z": true}}]})",
       R"({"a": "true", "b": "80", "c": "- x", "d": "a: b", "e": "a #b", "f": " x ", "g": "#", "h": "é", "y": 1})",
       R"({"a": "one\ntwo\n", "b": "one\n\ntwo", "c": "\nx", "d": " x\ny", "e": "x\n\n", "f": "tab\there", "g": "x \ny"})",
       R"(["one\ntwo", ["a\nb\n"], {"k": ["c\nd"]}])",
       R"({"example.com/a": "10.0.0.0/8", "~": "~", "<<": 1})",
       R"({"n": 1.5, "i": -3, "u": 18446744073709551615, "big": 1e300})"}) {
    auto value = json::parse(text);
    auto yaml = to_yaml(value);
    auto documents = parse_yaml(yaml, "f.yaml");
    ASSERT_TRUE(documents) << documents.error().message << "\n" << yaml;
    ASSERT_EQ(documents->size(), 1U) << yaml;
    EXPECT_EQ(documents->front().value, value) << yaml;
  }
  EXPECT_EQ(to_yaml(json::parse(R"({"a": [{"b": "x", "c": 2}], "d": {"e": "1"}})")),
            "a:\n- b: x\n  c: 2\nd:\n  e: \"1\"\n");
}

TEST(Yaml, WritesLongKeys) {
  json::object inner{{std::string(2000, 'k'), 1},
                     {std::string(300, '\v'), json::object{{"a", json::array{2}}}}};
  json::value value = json::array{inner, json::object{{"in", inner}}};
  auto documents = parse_yaml(to_yaml(value), "f.yaml");
  ASSERT_TRUE(documents) << documents.error().message;
  ASSERT_EQ(documents->size(), 1U);
  EXPECT_EQ(documents->front().value, value);
}

TEST(Yaml, NumbersOutOfRangeAreNone) {
  auto read = [](const char* text) {
    auto documents = parse_yaml(text, "f.yaml");
    return documents ? json::serialize(documents->front().value) : documents.error().message;
  };
  EXPECT_EQ(read("[\n 0e888]"), "[0]");
  EXPECT_EQ(read("[\n 1e888]"), R"(["1e888"])");
  EXPECT_EQ(read("[\n 2e8, {\"a\": 1.5e1}]"), R"([200000000,{"a":15}])");
  EXPECT_EQ(read(R"({"a": [1, {"b": 1e300}]})"), R"({"a":[1,{"b":1E300}]})");
}

class Folder : public testing::Test {
 protected:
  Folder() { std::filesystem::create_directories(path_); }
  ~Folder() override { std::filesystem::remove_all(path_); }
  void write(const std::string& name, std::string_view text) { std::ofstream(path_ / name) << text; }
  const std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("wt-types-" + std::to_string(getpid()));
};

TEST_F(Folder, ManifestsComeInOrderAndListsAreTakenApart) {
  write("b.yaml",
        "kind: List\napiVersion: v1\nitems:\n- kind: A\n  apiVersion: v1\n- kind: B\n  apiVersion: v1\n");
  write("a.yml", "kind: First\napiVersion: v1\n");
  write("c.json", R"({"kind": "C", "apiVersion": "v1"})");
  write("readme.txt", "{{{");
  auto documents = load_manifests(path_.string());
  ASSERT_TRUE(documents) << documents.error().message;
  std::vector<std::string> kinds;
  for (const auto& document : *documents) kinds.emplace_back(string_at(document.value, "kind"));
  EXPECT_EQ(kinds, (std::vector<std::string>{"First", "A", "B", "C"}));
  EXPECT_EQ(documents->at(2).line, 6);
  EXPECT_EQ(documents->at(2).line_of("apiVersion"), 7);
  EXPECT_EQ(load_manifests((path_ / "a.yml").string())->size(), 1U);
}

TEST_F(Folder, BadManifestsAreNamed) {
  EXPECT_EQ(load_manifests((path_ / "none").string()).error().code, ErrorCode::not_found);
  EXPECT_EQ(load_manifests(path_.string()).error().code, ErrorCode::not_found);
  write("a.yaml", "---\nkind: A\n");
  EXPECT_EQ(load_manifests(path_.string()).error().message,
            (path_ / "a.yaml").string() + ":2: apiVersion is missing; it says what the object is");
  write("a.yaml", "just text");
  EXPECT_EQ(load_manifests(path_.string()).error().message,
            (path_ / "a.yaml").string() + ":1: expected a Kubernetes object");
}

/// Standard input for as long as it lives.
class Input {
 public:
  explicit Input(const std::string& text) : text_(text), before_(std::cin.rdbuf(text_.rdbuf())) {}
  ~Input() {
    std::cin.rdbuf(before_);
    std::cin.clear();
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

 private:
  std::istringstream text_;
  std::streambuf* before_;
};

TEST(StandardInput, HoldsObjectsAsAFileDoes) {
  Input input(
      "kind: A\napiVersion: v1\n---\nkind: List\napiVersion: v1\nitems:\n- {kind: B, apiVersion: v1}\n");
  auto documents = load_manifests("-");
  ASSERT_TRUE(documents) << documents.error().message;
  ASSERT_EQ(documents->size(), 2U);
  EXPECT_EQ(string_at(documents->at(1).value, "kind"), "B");
  EXPECT_EQ(documents->at(1).file, "stdin");
  EXPECT_EQ(documents->at(1).line, 7);
}

TEST(StandardInput, WhatIsWrongIsNamed) {
  auto error = [](const std::string& text) {
    Input input(text);
    return load_manifests("-").error().message;
  };
  EXPECT_EQ(error("---\nkind: A\n"), "stdin:2: apiVersion is missing; it says what the object is");
  EXPECT_EQ(error("\n---\n"), "stdin: there are no objects");
}

}  // namespace
}  // namespace weft::kube
