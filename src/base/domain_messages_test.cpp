#include "base/domain_messages.h"

#include <gtest/gtest.h>

namespace weft::domain_feed {
namespace {

std::span<const uint8_t> bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

const Answer kAnswer{.number = 0x01020304,
                     .name = "a.example",
                     .addresses = {{*IpAddr::parse("192.0.2.1"), 300}, {*IpAddr::parse("2001:db8::1"), 0}}};

const Serving kServing{.ttl = 5,
                       .serial = 0x01020304,
                       .zone = "cluster.local",
                       .at = {{*IpAddr::parse("192.0.2.1"), 53}, {*IpAddr::parse("::"), 5353}}};

TEST(DomainMessages, AreReadAsTheyWereWritten) {
  for (const Message& message :
       {Message(Asked{"*.a.example"}), Message(Dropped{"a.example"}), Message(Complete{}),
        Message(InForce{7}), Message(kAnswer), Message(kServing), Message(Silent{})}) {
    auto text = encode(message);
    auto read = decode(bytes(text).subspan(2));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, message);
    EXPECT_FALSE(decode(bytes(text).subspan(2, text.size() - 3)) == read) << "one byte is missing";
  }
}

TEST(DomainMessages, OthersAreNone) {
  EXPECT_FALSE(decode({}));
  EXPECT_FALSE(decode(bytes("\x09")));
  EXPECT_FALSE(decode(bytes("\x01")));
  EXPECT_FALSE(decode(bytes("\x03x")));
  EXPECT_FALSE(decode(bytes(std::string("\x01") + std::string(kMaxName + 1, 'a'))));
  auto odd = encode(kAnswer);
  odd[2 + 1 + 4 + 2 + kAnswer.name.size() + 4] = 5;
  EXPECT_FALSE(decode(bytes(odd).subspan(2))) << "an address of five bytes";
}

TEST(DomainMessages, AStreamComesInAnyPieces) {
  auto text = encode(kAnswer) + encode(Complete{}) + encode(InForce{1});
  Reader reader;
  std::vector<Message> read;
  for (char c : text) {
    reader.append(bytes(std::string(1, c)));
    while (auto message = reader.next()) read.push_back(*message);
  }
  EXPECT_EQ(read, (std::vector<Message>{kAnswer, Complete{}, InForce{1}}));
  reader.append(bytes(std::string("\0\2\x7f?", 4) + encode(Complete{})));
  EXPECT_EQ(reader.next(), Message(Complete{})) << "of another version";
  reader.append(bytes(std::string("\0\2\3?", 4) + encode(Complete{})));
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.broken());
  EXPECT_FALSE(reader.next());
}

TEST(DomainMessages, PatternsOfAName) {
  std::vector<std::string> patterns;
  for_each_pattern("a.b.example", [&](const std::string& pattern) { patterns.push_back(pattern); });
  EXPECT_EQ(patterns, (std::vector<std::string>{"a.b.example", "*.b.example", "*.example"}));
}

TEST(DomainMessages, PatternsOfAZone) {
  auto within = [](std::string_view pattern) { return may_be_within(pattern, "cluster.local"); };
  for (const char* pattern :
       {"cluster.local", "web.shop.svc.cluster.local", "*.cluster.local", "*.svc.cluster.local", "*.local"})
    EXPECT_TRUE(within(pattern)) << pattern;
  for (const char* pattern : {"local", "notcluster.local", "*.notcluster.local", "example", "*.example"})
    EXPECT_FALSE(within(pattern)) << pattern;
}

}  // namespace
}  // namespace weft::domain_feed
