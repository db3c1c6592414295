#include "standalone/apimachinery/protobuf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

namespace weft::standalone {
namespace {

using testing::HasSubstr;

/// One call of client-go: what it sends as protobuf and what it sends as JSON (test/go/protobuf).
struct Sample {
  std::string protobuf;
  json::value json;
};

std::string from_hex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    int byte = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    out += static_cast<char>(byte);
  }
  return out;
}

std::map<std::string, Sample> read_samples() {
  std::map<std::string, Sample> out;
  // The compiler's cache may have this file's path relative to the folder that the program is built in.
  auto built_in = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::ifstream file((built_in / __FILE__).parent_path() / "testdata/protobuf_bodies.txt");
  for (std::string name, hex, text; file >> name >> hex && std::getline(file >> std::ws, text);) {
    out[name] = {.protobuf = from_hex(hex), .json = json::parse(text)};
  }
  return out;
}

const std::map<std::string, Sample>& samples() {
  static const auto all = read_samples();
  return all;
}

/// What is null in JSON is absent in protobuf.
void drop_nulls(json::value& value) {
  if (auto* list = value.if_array()) {
    for (auto& element : *list) drop_nulls(element);
  }
  auto* object = value.if_object();
  if (!object) return;
  std::vector<std::string> nulls;
  for (auto& [key, member] : *object) {
    if (member.is_null())
      nulls.emplace_back(key);
    else
      drop_nulls(member);
  }
  for (const auto& key : nulls) object->erase(key);
}

using Bytes = std::string;

Bytes varint(uint64_t value) {
  Bytes out;
  for (; value > 0x7f; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  return out += static_cast<char>(value);
}
Bytes integer(uint32_t number, uint64_t value) { return varint(uint64_t{number} << 3) + varint(value); }
Bytes bytes(uint32_t number, std::string_view content) {
  return varint(uint64_t{number} << 3 | 2) + varint(content.size()) + Bytes(content);
}
Bytes body(std::string_view version, std::string_view kind, std::string_view raw) {
  return Bytes("k8s\0", 4) + bytes(1, bytes(1, version) + bytes(2, kind)) + bytes(2, raw);
}
Bytes lease_renewed(std::string_view time) {
  return body("coordination.k8s.io/v1", "Lease", bytes(2, bytes(4, time)));
}

std::string error_of(std::string_view content) {
  auto object = decode_protobuf(content);
  if (object) return "none: " + json::serialize(*object);
  EXPECT_EQ(object.error().code, ErrorCode::bad_request);
  EXPECT_THAT(object.error().message, testing::Not(HasSubstr("\n")));
  return object.error().message;
}

TEST(Protobuf, ReadsWhatClientGoSendsAsItsJson) {
  ASSERT_GE(samples().size(), 21U);
  for (const auto& [name, sample] : samples()) {
    auto object = decode_protobuf(sample.protobuf);
    ASSERT_TRUE(object) << name << ": " << object.error().message;
    auto expected = sample.json;
    drop_nulls(expected);
    drop_nulls(*object);
    EXPECT_EQ(*object, expected) << name << "\n"
                                 << json::serialize(*object) << "\n"
                                 << json::serialize(expected);
  }
}

TEST(Protobuf, TellsWhatIsWrong) {
  EXPECT_THAT(error_of(""), HasSubstr("k8s"));
  EXPECT_THAT(error_of("{}"), HasSubstr("k8s"));
  EXPECT_THAT(error_of(Bytes("k8s\0", 4)), HasSubstr("kind"));
  EXPECT_THAT(error_of(body("v1", "", "")), HasSubstr("kind"));
  EXPECT_THAT(error_of(body("v1", "Unheard", "")), HasSubstr("Unheard"));
  EXPECT_THAT(error_of(body("v1", "ObjectMeta", "")), HasSubstr("ObjectMeta"));
  EXPECT_THAT(error_of(body("v1", "Pod", "\x0a")), HasSubstr("core.v1.Pod"));
  EXPECT_THAT(error_of(body("apps.example.com/v1", "Deployment", "")),
              HasSubstr("kind Deployment in apps.example.com/v1 are not read"));
  EXPECT_THAT(error_of(body("v1", "Po\nd", "")), HasSubstr("kind"));
}

TEST(Protobuf, RefusesEveryBodyThatIsCutOff) {
  // A body may end between two of the envelope's fields; then the object is empty or has no kind.
  const auto& whole = samples().at("Service").protobuf;
  ASSERT_TRUE(decode_protobuf(whole));
  int refused = 0;
  for (size_t size = 0; size < whole.size(); ++size)
    refused += decode_protobuf(whole.substr(0, size)) ? 0 : 1;
  // Not refused: after the kind, after the object, and after the empty contentEncoding.
  EXPECT_EQ(refused, static_cast<int>(whole.size()) - 3);
}

TEST(Protobuf, RefusesWrongWireTypes) {
  auto service = [](const Bytes& spec) { return body("v1", "Service", bytes(2, spec)); };
  EXPECT_THAT(error_of(body("v1", "Service", integer(2, 1))), HasSubstr("spec"));  // message
  EXPECT_THAT(error_of(service(integer(3, 1))), HasSubstr("clusterIP"));           // string
  EXPECT_THAT(error_of(service(integer(2, 1))), HasSubstr("selector"));            // map
  EXPECT_THAT(error_of(service(integer(1, 1))), HasSubstr("ports"));               // list
}

TEST(Protobuf, RefusesTextThatIsNotUtf8) {
  auto config = [](const Bytes& entry) { return body("v1", "ConfigMap", bytes(2, entry)); };
  EXPECT_THAT(error_of(config(bytes(1, "k") + bytes(2, "\xff"))), HasSubstr("UTF-8"));
  EXPECT_THAT(error_of(config(bytes(1, "\xc3") + bytes(2, "v"))), HasSubstr("UTF-8"));
  EXPECT_THAT(error_of(config(bytes(1, "k") + bytes(2, "\xed\xa0\x80"))), HasSubstr("UTF-8"));
  EXPECT_TRUE(decode_protobuf(config(bytes(1, "k") + bytes(2, "\xf0\x9f\x98\x80"))));
}

TEST(Protobuf, RefusesTimesThatCannotBeWritten) {
  EXPECT_TRUE(decode_protobuf(lease_renewed(integer(1, 1))));
  EXPECT_THAT(error_of(lease_renewed(integer(1, 253402300800))), HasSubstr("MicroTime"));
  EXPECT_THAT(error_of(lease_renewed(integer(1, 1) + integer(2, 1000000000))), HasSubstr("MicroTime"));
  EXPECT_THAT(error_of(lease_renewed(integer(1, 1) + integer(2, ~uint64_t{0}))), HasSubstr("MicroTime"));
}

TEST(Protobuf, LimitsNesting) {
  // JSONSchemaProps and the like are not read, so that only embedded JSON nests without end.
  auto revision = [](const Bytes& data) {
    return body("apps/v1", "ControllerRevision", bytes(2, bytes(1, data)));
  };
  EXPECT_TRUE(decode_protobuf(revision("[[1]]")));
  EXPECT_THAT(error_of(revision(Bytes(5000, '['))), HasSubstr("RawExtension"));
}

}  // namespace
}  // namespace weft::standalone
