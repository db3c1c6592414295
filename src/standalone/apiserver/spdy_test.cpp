#include "standalone/apiserver/spdy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::standalone::spdy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::string bytes(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

/// What moby/spdystream's framer sends: two streams, data, a ping, more headers, SETTINGS, WINDOW_UPDATE, the
/// end of the data, a reset, and goodbye.
constexpr std::string_view kClient =
    "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff800300"
    "0100"
    "00001900000003000000000000c22ac5565c92925f5a02000000ffff000000030000000568656c6c6f8003000600000004000000"
    "0180"
    "0300080000001100000003c2aeadb82425330f000000ffff800300040000000c0000000100000004000000648003000900000008"
    "0000"
    "000300000005000000030100000080030003000000080000000100000005800300070000000800000003"
    "00000000";

std::vector<Frame> read(Reader& reader, std::string_view input, size_t step) {
  std::vector<Frame> out;
  while (!input.empty()) {
    reader.feed(input.substr(0, step));
    input.remove_prefix(std::min(step, input.size()));
    for (auto frame = reader.next(); frame && *frame; frame = reader.next())
      out.push_back(std::move(**frame));
  }
  return out;
}

std::string problem(std::string_view input) {
  Reader reader;
  reader.feed(input);
  while (true) {
    auto frame = reader.next();
    if (!frame) return frame.error().message;
    if (!*frame) return {};
  }
}

TEST(Spdy, TheDictionaryIsThatOfTheProtocol) {
  auto words = dictionary();
  EXPECT_EQ(words.size(), 1423U);
  auto id = ::adler32(1, reinterpret_cast<const Bytef*>(words.data()), static_cast<uInt>(words.size()));
  EXPECT_EQ(id, 0xe3c6a7c2U);
}

TEST(Spdy, ReadsWhatClientsSend) {
  Reader reader;
  auto frames = read(reader, bytes(kClient), 1000);
  ASSERT_EQ(frames.size(), 10U);
  const auto& first = std::get<HeaderFrame>(frames[0]);
  EXPECT_EQ(first.kind, HeaderKind::syn_stream);
  EXPECT_EQ(first.stream, 1U);
  EXPECT_FALSE(first.fin);
  EXPECT_THAT(first.headers, ElementsAre(Pair("streamtype", "error")));
  EXPECT_THAT(std::get<HeaderFrame>(frames[1]).headers, ElementsAre(Pair("streamtype", "stdout")));
  EXPECT_EQ(std::get<Data>(frames[2]).bytes, "hello");
  EXPECT_FALSE(std::get<Data>(frames[2]).fin);
  EXPECT_EQ(std::get<Ping>(frames[3]).id, 1U);
  EXPECT_EQ(std::get<HeaderFrame>(frames[4]).kind, HeaderKind::headers);
  EXPECT_THAT(std::get<HeaderFrame>(frames[4]).headers, ElementsAre(Pair("streamtype", "stdin")));
  EXPECT_EQ(std::get<Ignored>(frames[5]).type, 4);
  EXPECT_EQ(std::get<Ignored>(frames[6]).type, 9);
  EXPECT_TRUE(std::get<Data>(frames[7]).fin);
  EXPECT_EQ(std::get<RstStream>(frames[8]).status, 5U);
  EXPECT_EQ(std::get<GoAway>(frames[9]).status, 0U);
}

TEST(Spdy, BytesMayComeOneByOne) {
  Reader reader;
  auto frames = read(reader, bytes(kClient), 1);
  std::string data;
  size_t whole = 0;
  for (const auto& frame : frames) {
    if (const auto* piece = std::get_if<Data>(&frame)) {
      data += piece->bytes;
    } else {
      ++whole;
    }
  }
  EXPECT_EQ(data, "hello");
  EXPECT_EQ(whole, 8U);
}

TEST(Spdy, ReadsWhatItWrites) {
  Writer writer;
  Headers headers{{"streamtype", "stdin"}, {"x", std::string("a\0b", 3)}, {"long", std::string(9000, 'l')}};
  auto wire = writer.headers(HeaderKind::syn_stream, 5, headers) +
              writer.headers(HeaderKind::syn_reply, 5, {}) + Writer::data(5, std::string(40000, 'd'), true) +
              Writer::rst_stream(7, kRefusedStream) + Writer::ping(9) + Writer::go_away(5, 0);
  Reader reader;
  auto frames = read(reader, wire, 1 << 20);
  ASSERT_EQ(frames.size(), 6U);
  EXPECT_EQ(std::get<HeaderFrame>(frames[0]).headers, headers);
  EXPECT_TRUE(std::get<HeaderFrame>(frames[1]).headers.empty());
  EXPECT_EQ(std::get<Data>(frames[2]).bytes.size(), 40000U);
  EXPECT_TRUE(std::get<Data>(frames[2]).fin);
  EXPECT_EQ(std::get<RstStream>(frames[3]).stream, 7U);
  EXPECT_EQ(std::get<Ping>(frames[4]).id, 9U);
}

TEST(Spdy, RefusesWhatIsMalformed) {
  EXPECT_THAT(problem(bytes("0000000000000001aa")), HasSubstr("stream 0"));
  EXPECT_THAT(problem(bytes("800200060000000400000001")), HasSubstr("not version 3"));
  EXPECT_THAT(problem(bytes("8003000100ffffff")), HasSubstr("a control frame of 16777215 bytes"));
  EXPECT_THAT(problem(bytes("80030001000000020001")), HasSubstr("too short"));
  EXPECT_THAT(problem(bytes("80030003000000040000000100000005")), HasSubstr("RST_STREAM is too short"));
  EXPECT_THAT(problem(bytes("800300020000000800000001") + "nope"), HasSubstr("do not decompress"));
  // The dictionary's checksum is that of another.
  EXPECT_THAT(problem(bytes("800300020000000a0000000178f900000001")), HasSubstr("another dictionary"));
  Writer writer;
  auto bomb = writer.headers(HeaderKind::syn_stream, 1, {{"a", std::string(1 << 20, 'a')}});
  EXPECT_LT(bomb.size(), 4000U);
  EXPECT_THAT(problem(bomb), HasSubstr("headers are too large"));
}

TEST(Spdy, HeadersThatLieAboutTheirLength) {
  Writer writer;
  auto frame = writer.headers(HeaderKind::syn_reply, 1, {{"a", "b"}});
  // Compressed from scratch by zlib itself: a number of headers, and less than that behind it.
  std::string block = bytes("00000002000000016100000001");
  z_stream z{};
  ASSERT_EQ(::deflateInit(&z, 9), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(block.data());
  z.avail_in = static_cast<uInt>(block.size());
  char out[256];
  z.next_out = reinterpret_cast<Bytef*>(out);
  z.avail_out = sizeof out;
  ::deflate(&z, Z_SYNC_FLUSH);
  std::string payload = bytes("00000001") + std::string(out, sizeof out - z.avail_out);
  ::deflateEnd(&z);
  EXPECT_THAT(problem(bytes("80030002000000") + static_cast<char>(payload.size()) + payload),
              HasSubstr("headers end early"));
  EXPECT_EQ(problem(frame), "");
}

}  // namespace
}  // namespace weft::standalone::spdy
