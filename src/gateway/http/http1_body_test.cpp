#include "gateway/http/http1_body.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "gateway/http/buffer.h"
#include "gateway/http/http1_writer.h"

namespace weft::gateway::http1 {
namespace {

using namespace std::string_literals;

struct Got {
  std::string body;
  std::string trailers;
  size_t used = 0;
};

/// The body of `bytes` that come `step` at a time; nothing: malformed or not at its end.
std::optional<Got> read(const Body& body, std::string_view bytes, size_t step) {
  BodyReader reader;
  reader.start(body);
  Got got;
  while (true) {
    std::string_view input = bytes.substr(got.used, step);
    BodyReader::Step read = reader.read(input, {});
    got.used += read.used;
    got.body += read.data;
    if (read.state == BodyReader::State::bad) return std::nullopt;
    if (read.state == BodyReader::State::end) break;
    if (read.state == BodyReader::State::more && got.used == bytes.size()) return std::nullopt;
  }
  got.trailers = reader.trailers();
  return got;
}

TEST(BodyReader, Chunked) {
  struct Case {
    const char* what;
    std::string bytes;
    std::optional<std::string> body;
  };
  const std::vector<Case> cases = {
      {"one", "5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
      {"hex", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
      {"leading zeros", "005\r\nhello\r\n000\r\n\r\n", "hello"},
      {"extension", "5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", "hello"},
      {"nothing", "0\r\n\r\n", ""},
      {"no size", "\r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"not hex", "g\r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"0x", "0x5\r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"sign", "+5\r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"space before", " 5\r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"space behind", "5 \r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"too large", "fffffffffffffffff\r\nhello\r\n", std::nullopt},
      {"LF alone behind the size", "5\nhello\r\n0\r\n\r\n", std::nullopt},
      {"CR alone behind the size", "5\rhello\r\n0\r\n\r\n", std::nullopt},
      {"LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"NUL in an extension", "5;\0\r\nhello\r\n0\r\n\r\n"s, std::nullopt},
      {"long extension", "5;" + std::string(2000, 'a') + "\r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"longer than it says", "4\r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"shorter than it says", "6\r\nhello\r\n0\r\n\r\n", std::nullopt},
      {"LF alone behind the chunk", "5\r\nhello\n0\r\n\r\n", std::nullopt},
      {"LF alone at the end", "5\r\nhello\r\n0\r\n\n", std::nullopt},
      {"cut", "5\r\nhel", std::nullopt},
      {"no last chunk", "5\r\nhello\r\n", std::nullopt},
  };
  for (const Case& c : cases)
    for (size_t step = 1; step <= c.bytes.size(); ++step) {
      auto got = read({BodyKind::chunked}, c.bytes, step);
      EXPECT_EQ(got ? std::optional(got->body) : std::nullopt, c.body) << c.what << " by " << step;
      if (got) EXPECT_EQ(got->used, c.bytes.size()) << c.what;
    }
}

TEST(BodyReader, StopsWhereTheBodyEnds) {
  for (size_t step : {1, 3, 100}) {
    auto length = read({BodyKind::length, 5}, "helloGET / HTTP/1.1", step);
    ASSERT_TRUE(length);
    EXPECT_EQ(length->body, "hello");
    EXPECT_EQ(length->used, 5u);
    auto chunked = read({BodyKind::chunked}, "1\r\na\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1", step);
    ASSERT_TRUE(chunked);
    EXPECT_EQ(chunked->trailers, "X: y\r\n");
    EXPECT_EQ(chunked->used, 17u);
  }
}

TEST(BodyReader, LimitsTrailers) {
  EXPECT_FALSE(read({BodyKind::chunked}, "0\r\nX: " + std::string(9000, 'a') + "\r\n\r\n", 10000));
}

TEST(Writer, WhatIsWrittenIsReadAgain) {
  Buffer out;
  char size[kChunkSizeMax];
  for (std::string_view piece : {"hello", " there, this is longer than sixteen"}) {
    out.append({size, write_chunk_size(piece.size(), size)});
    out.append(piece);
    out.append(kChunkEnd);
  }
  Fields trailers;
  trailers.add("grpc-status", "0");
  write_trailers(trailers, out);
  auto got = read({BodyKind::chunked}, out.view(), 7);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body, "hello there, this is longer than sixteen");
  EXPECT_EQ(got->trailers, "grpc-status: 0\r\n");
}

TEST(Writer, Heads) {
  Buffer out;
  RequestHead request{.method = "PUT", .authority = "a:1", .path = "/p", .query = "", .has_query = true};
  request.fields.add("x", "y");
  write_request(request, {BodyKind::length, 12}, out);
  EXPECT_EQ(out.view(), "PUT /p? HTTP/1.1\r\nhost: a:1\r\nx: y\r\ncontent-length: 12\r\n\r\n");
  out.clear();
  request.upgrade = "websocket";
  write_request(request, {}, out);
  EXPECT_EQ(out.view(),
            "PUT /p? HTTP/1.1\r\nhost: a:1\r\nx: y\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  out.clear();
  ResponseHead response{.status = 200};
  write_response(response, {BodyKind::chunked}, Goes::on, out);
  EXPECT_EQ(out.view(), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
  out.clear();
  response.status = 599;
  write_response(response, {}, Goes::closes, out);
  EXPECT_EQ(out.view(), "HTTP/1.1 599 \r\nconnection: close\r\n\r\n");
}

TEST(Buffer, KeepsBytesInOrder) {
  Buffer buffer;
  std::string expected;
  char next = 'a';
  for (int round = 0; round < 2000; ++round) {
    std::string piece(static_cast<size_t>(round * 37 % 501), next);
    next = next == 'z' ? 'a' : static_cast<char>(next + 1);
    buffer.append(piece);
    expected += piece;
    size_t take = std::min<size_t>(expected.size(), static_cast<size_t>(round * 53 % 499));
    buffer.consume(take);
    expected.erase(0, take);
    ASSERT_EQ(buffer.view(), expected);
  }
}

}  // namespace
}  // namespace weft::gateway::http1
