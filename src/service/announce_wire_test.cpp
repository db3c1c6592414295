#include "service/announce_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace weft::service {
namespace {

constexpr MacAddr kOurs{2, 0, 0, 0, 0, 1}, kTheirs{2, 0, 0, 0, 0, 9};

IpAddr ip(const char* text) { return *IpAddr::parse(text); }

std::vector<uint8_t> from_hex(std::string_view text) {
  std::vector<uint8_t> out;
  std::string digits;
  for (char c : text) {
    if (c != ' ') digits += c;
    if (digits.size() < 2) continue;
    out.push_back(static_cast<uint8_t>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return out;
}

/// Of 02:00:00:00:00:09 and 192.0.2.1, for 192.0.2.10, padded to the least size of Ethernet.
std::vector<uint8_t> request() {
  auto out = from_hex(
      "ffffffffffff 020000000009 0806 0001 0800 06 04 0001 020000000009 c0000201 000000000000 c000020a");
  out.resize(60);
  return out;
}

/// As Linux sends it: fe80::9 asks for 2001:db8::10, with its link-layer address.
std::vector<uint8_t> solicitation() {
  return from_hex(
      "3333ff000010 020000000009 86dd 60000000 0020 3a ff fe800000000000000000000000000009 "
      "ff0200000000000000000001ff000010 87 00 0000 00000000 20010db8000000000000000000000010 "
      "01 01 020000000009");
}

/// Puts the right checksum in.
std::vector<uint8_t> sealed(std::vector<uint8_t> frame) {
  frame[56] = frame[57] = 0;
  uint32_t sum = 58 + static_cast<uint32_t>(frame.size() - 54);
  for (size_t i = 22; i < frame.size(); ++i) sum += static_cast<uint32_t>(frame[i]) << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  frame[56] = static_cast<uint8_t>(~sum >> 8);
  frame[57] = static_cast<uint8_t>(~sum);
  return frame;
}

/// The solicitation with one byte changed, and its checksum made right again unless that is what is wrong.
std::optional<AddressQuery> changed(size_t at, uint8_t value, bool seal = true) {
  auto frame = sealed(solicitation());
  frame[at] = value;
  return parse_solicitation(seal ? sealed(frame) : frame);
}

TEST(Arp, ARequestIsRead) {
  auto query = parse_arp_request(request());
  ASSERT_TRUE(query);
  EXPECT_EQ(*query, (AddressQuery{kTheirs, ip("192.0.2.1"), ip("192.0.2.10")}));
}

TEST(Arp, AProbeIsARequest) {
  auto frame = request();
  std::fill_n(frame.begin() + 28, 4, uint8_t{0});
  auto query = parse_arp_request(frame);
  ASSERT_TRUE(query);
  EXPECT_TRUE(query->sender.is_unspecified());
}

TEST(Arp, WhatIsNoRequestIsNot) {
  auto refused = [](size_t at, uint8_t value) {
    auto frame = request();
    frame[at] = value;
    return !parse_arp_request(frame);
  };
  EXPECT_TRUE(refused(13, 0));     // another protocol
  EXPECT_TRUE(refused(15, 6));     // not Ethernet
  EXPECT_TRUE(refused(16, 0x86));  // not IPv4
  EXPECT_TRUE(refused(18, 8));     // longer addresses
  EXPECT_TRUE(refused(21, 2));     // a reply
  EXPECT_TRUE(refused(22, 3));     // the answer would go to a group
  EXPECT_TRUE(refused(38, 224));   // nobody has a group's address
  auto frame = request();
  for (size_t size = 0; size < 42; ++size) EXPECT_FALSE(parse_arp_request(std::span(frame).first(size)));
  EXPECT_TRUE(parse_arp_request(std::span(frame).first(42)));
}

TEST(Arp, AnAnnouncementAsksForNothing) {
  for (auto form : {ArpForm::request, ArpForm::reply})
    EXPECT_FALSE(parse_arp_request(arp_announcement(kTheirs, ip("192.0.2.10"), form)));
}

TEST(Arp, TheAnswerGoesToWhoAsked) {
  auto query = parse_arp_request(request());
  auto expected = from_hex(
      "020000000009 020000000001 0806 0001 0800 06 04 0002 020000000001 c000020a 020000000009 c0000201");
  EXPECT_THAT(arp_reply(kOurs, *query), testing::ElementsAreArray(expected));
}

TEST(Arp, AnnouncementsGoToAll) {
  EXPECT_THAT(arp_announcement(kOurs, ip("192.0.2.10"), ArpForm::request),
              testing::ElementsAreArray(from_hex("ffffffffffff 020000000001 0806 0001 0800 06 04 0001 "
                                                 "020000000001 c000020a 000000000000 c000020a")));
  EXPECT_THAT(arp_announcement(kOurs, ip("192.0.2.10"), ArpForm::reply),
              testing::ElementsAreArray(from_hex("ffffffffffff 020000000001 0806 0001 0800 06 04 0002 "
                                                 "020000000001 c000020a ffffffffffff c000020a")));
}

TEST(Neighbour, ASolicitationIsRead) {
  auto query = parse_solicitation(sealed(solicitation()));
  ASSERT_TRUE(query);
  EXPECT_EQ(*query, (AddressQuery{kTheirs, ip("fe80::9"), ip("2001:db8::10")}));
}

TEST(Neighbour, WhatHasTravelledOrIsBrokenIsRefused) {
  EXPECT_TRUE(changed(21, 255));
  EXPECT_FALSE(changed(21, 254));  // the hop limit
  EXPECT_TRUE(changed(21, 255, false));
  EXPECT_FALSE(changed(71, 0x11, false));  // the checksum
  EXPECT_FALSE(changed(54, 136));          // an advertisement
  EXPECT_FALSE(changed(55, 1));            // the code
  EXPECT_FALSE(changed(20, 17));           // UDP
  EXPECT_FALSE(changed(62, 0xff));         // the target is a group
  EXPECT_FALSE(changed(53, 0x11));         // the group of another address
  EXPECT_FALSE(changed(79, 0));            // an option without length
  EXPECT_FALSE(changed(79, 2));            // an option longer than the packet
  EXPECT_FALSE(changed(80, 3));            // the answer would go to a group
  EXPECT_FALSE(changed(19, 0x21));         // longer than the frame
  EXPECT_FALSE(changed(19, 0x17));         // too short
  auto frame = sealed(solicitation());
  for (size_t size = 0; size < frame.size(); ++size)
    EXPECT_FALSE(parse_solicitation(std::span(frame).first(size)));
}

TEST(Neighbour, AProbeComesWithoutALinkLayerAddressToTheGroup) {
  auto frame = solicitation();
  std::fill_n(frame.begin() + 22, 16, uint8_t{0});
  EXPECT_FALSE(parse_solicitation(sealed(frame)));
  frame.resize(78);
  frame[19] = 24;
  auto query = parse_solicitation(sealed(frame));
  ASSERT_TRUE(query);
  EXPECT_EQ(*query, (AddressQuery{kTheirs, ip("::"), ip("2001:db8::10")}));
  // Asked of the target itself, it could not have been sent.
  std::copy_n(frame.begin() + 62, 16, frame.begin() + 38);
  EXPECT_FALSE(parse_solicitation(sealed(frame)));
}

TEST(Neighbour, OneThatAsksTheTargetItselfIsAnswered) {
  auto frame = solicitation();
  std::copy_n(frame.begin() + 62, 16, frame.begin() + 38);
  EXPECT_TRUE(parse_solicitation(sealed(frame)));
}

TEST(Neighbour, TheAnswerGoesToWhoAsked) {
  auto answer = advertisement(kOurs, *parse_solicitation(sealed(solicitation())));
  auto expected = from_hex(
      "020000000009 020000000001 86dd 60000000 0020 3a ff 20010db8000000000000000000000010 "
      "fe800000000000000000000000000009 88 00 0000 60000000 20010db8000000000000000000000010 "
      "02 01 020000000001");
  EXPECT_THAT(answer, testing::ElementsAreArray(sealed(expected)));
}

TEST(Neighbour, WhoProbesIsAnsweredBeforeAll) {
  auto answer = advertisement(kOurs, {kTheirs, ip("::"), ip("2001:db8::10")});
  EXPECT_EQ(answer, unsolicited_advertisement(kOurs, ip("2001:db8::10")));
  auto expected = from_hex(
      "333300000001 020000000001 86dd 60000000 0020 3a ff 20010db8000000000000000000000010 "
      "ff020000000000000000000000000001 88 00 0000 20000000 20010db8000000000000000000000010 "
      "02 01 020000000001");
  EXPECT_THAT(answer, testing::ElementsAreArray(sealed(expected)));
}

}  // namespace
}  // namespace weft::service
