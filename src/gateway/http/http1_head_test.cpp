#include "gateway/http/http1_head.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weft::gateway::http1 {
namespace {

using namespace std::string_literals;

struct Read {
  uint16_t status = 0;
  RequestHead head;
  Arena arena;
  Body body;
  Connection connection;
};

/// As a connection reads it: found by the scanner in two pieces, then read.
void read(Read& into, std::string_view bytes, size_t split, const Limits& limits = {}) {
  HeadScanner scanner;
  size_t size = scanner.scan(bytes.substr(0, split), limits);
  if (size == 0 && scanner.status() == 0) size = scanner.scan(bytes, limits);
  into.status = scanner.status();
  if (size > 0)
    into.status =
        read_request(bytes.substr(0, size), limits, into.head, into.arena, into.body, into.connection);
  if (size == 0 && into.status == 0) into.status = 1;  // incomplete
}

struct Refused {
  const char* what;
  std::string bytes;
  uint16_t status;
};

std::string with(std::string_view fields) {
  return "POST /a HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

TEST(ReadRequest, RefusesWhatCouldBeReadTwoWays) {
  const std::vector<Refused> cases = {
      {"two lengths", with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
      {"the same length twice", with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
      {"a list of lengths", with("Content-Length: 5, 5\r\n"), 400},
      {"length with a sign", with("Content-Length: +5\r\n"), 400},
      {"negative length", with("Content-Length: -1\r\n"), 400},
      {"length in hex", with("Content-Length: 0x5\r\n"), 400},
      {"empty length", with("Content-Length:\r\n"), 400},
      {"length with a space", with("Content-Length: 1 2\r\n"), 400},
      {"length beyond 64 bits", with("Content-Length: 18446744073709551617\r\n"), 400},
      {"length and chunked", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"chunked and length", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
      {"chunked twice", with("Transfer-Encoding: chunked, chunked\r\n"), 400},
      {"chunked in two lines", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"chunked, then identity", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400},
      {"chunked not last", with("Transfer-Encoding: chunked, gzip\r\n"), 400},
      {"identity", with("Transfer-Encoding: identity\r\n"), 400},
      {"xchunked", with("Transfer-Encoding: xchunked\r\n"), 400},
      {"quoted", with("Transfer-Encoding: \"chunked\"\r\n"), 400},
      {"vertical tab before",
       with("Transfer-Encoding: \x0b"
            "chunked\r\n"),
       400},
      {"empty coding", with("Transfer-Encoding:\r\n"), 400},
      {"chunked with a parameter", with("Transfer-Encoding: chunked;q=1\r\n"), 400},
      {"gzip, chunked", with("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"space before the colon", with("Content-Length : 5\r\n"), 400},
      {"tab before the colon", with("Transfer-Encoding\t: chunked\r\n"), 400},
      {"space before the name", with(" Content-Length: 5\r\n"), 400},
      {"obs-fold", with("X: a\r\n b\r\n"), 400},
      {"obs-fold of the length", with("Content-Length:\r\n 5\r\n"), 400},
      {"fold in the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"no colon", with("Garbage\r\n"), 400},
      {"no name", with(": a\r\n"), 400},
      {"NUL in a name", with("A\0B: c\r\n"s), 400},
      {"NUL in a value", with("A: b\0c\r\n"s), 400},
      {"CR in a value", with("A: b\rc\r\n"), 400},
      {"CR before CR LF", with("A: b\r\r\n"), 400},
      {"LF alone behind a field", with("A: b\nTransfer-Encoding: chunked\r\n"), 400},
      {"LF alone at the end", "GET / HTTP/1.1\nHost: a\n\n", 400},
      {"delete character", with("A: b\x7f\r\n"), 400},
      {"non-ASCII name", with("\xc3\xa4: b\r\n"), 400},
      {"separator in a name", with("A(b): c\r\n"), 400},
      {"no host", "GET / HTTP/1.1\r\nA: b\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"two hosts of HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"host with a bad port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
      {"host with a large port", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400},
      {"host of a port alone", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400},
      {"open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
      {"text behind the bracket", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400},
      {"chunked of HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"no version", "GET /\r\nHost: a\r\n\r\n", 400},
      {"version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
      {"version of three digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 505},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
      {"tab between", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CR in the line", "GET /\rHTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"s, 400},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"star of GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no authority", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"user in the authority", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"authority of GET", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"another expectation", with("Expect: coffee\r\n"), 417},
      {"empty", "\r\n\r\n", 400},
      {"response", "HTTP/1.1 200 OK\r\nHost: a\r\n\r\n", 400},
      {"TLS", "\x16\x03\x01\x02\n\r\n", 400},
  };
  for (const Refused& c : cases) {
    for (size_t split : {size_t{0}, c.bytes.size() / 2, c.bytes.size()}) {
      Read got;
      read(got, c.bytes, split);
      EXPECT_EQ(got.status, c.status) << c.what;
    }
  }
}

TEST(ReadRequest, Limits) {
  Limits limits{.head = 200, .target = 50, .fields = 3};
  Read target, line, head, fields, good;
  read(target, "GET /" + std::string(60, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 0, limits);
  EXPECT_EQ(target.status, 414);
  read(line, "GET /" + std::string(300, 'a'), 0, limits);
  EXPECT_EQ(line.status, 414);
  read(head, "GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(300, 'a'), 0, limits);
  EXPECT_EQ(head.status, 431);
  read(fields, "GET / HTTP/1.1\r\nHost: a\r\nA: a\r\nB: b\r\nC: c\r\n\r\n", 0, limits);
  EXPECT_EQ(fields.status, 431);
  read(good, "GET / HTTP/1.1\r\nHost: a\r\nA: a\r\nB: b\r\n\r\n", 0, limits);
  EXPECT_EQ(good.status, 0);
}

TEST(ReadRequest, EveryPrefixNeedsMore) {
  std::string bytes = "GET /a?b HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
  HeadScanner scanner;
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_EQ(scanner.scan(std::string_view(bytes).substr(0, size), {}), 0u);
    ASSERT_EQ(scanner.status(), 0);
  }
  EXPECT_EQ(scanner.scan(bytes + "GET", {}), bytes.size());
}

TEST(ReadRequest, TakesTheHeadApart) {
  Read got;
  read(got,
       "GET /A/b%20c?x=1&y HTTP/1.1\r\nHOST: Example.COM:8080\r\nX-One:\t a b \t\r\nX-one: "
       "c\r\nEmpty:\r\n\r\n",
       7);
  ASSERT_EQ(got.status, 0);
  EXPECT_EQ(got.head.method, "GET");
  EXPECT_EQ(got.head.authority, "example.com:8080");
  EXPECT_EQ(got.head.path, "/A/b%20c");
  EXPECT_TRUE(got.head.has_query);
  EXPECT_EQ(got.head.query, "x=1&y");
  ASSERT_EQ(got.head.fields.size(), 3u);
  EXPECT_EQ(got.head.fields.joined("x-one", got.arena), "a b, c");
  EXPECT_EQ(got.head.fields.find("empty")->value, "");
  EXPECT_EQ(got.body.kind, BodyKind::none);
  EXPECT_TRUE(got.connection.keep_alive);
}

TEST(ReadRequest, FormsOfTargets) {
  Read absolute, bare, star, root, ipv6;
  read(absolute, "GET HTTP://Real:81/p?q HTTP/1.1\r\nHost: other\r\n\r\n", 0);
  EXPECT_EQ(absolute.head.authority, "real:81");
  EXPECT_EQ(absolute.head.path, "/p");
  EXPECT_EQ(absolute.head.query, "q");
  read(bare, "GET https://real?q HTTP/1.1\r\nHost: other\r\n\r\n", 0);
  EXPECT_EQ(bare.status, 0);
  EXPECT_EQ(bare.head.path, "/");
  EXPECT_EQ(bare.head.query, "q");
  read(star, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0);
  EXPECT_EQ(star.head.path, "*");
  read(root, "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0);
  EXPECT_EQ(root.status, 0);
  EXPECT_FALSE(root.head.has_query);
  read(ipv6, "GET / HTTP/1.1\r\nHost: [FD00::1]:80\r\n\r\n", 0);
  EXPECT_EQ(ipv6.head.authority, "[fd00::1]:80");
}

TEST(ReadRequest, WhatIsTheConnectionsIsTakenOut) {
  Read got;
  read(got,
       "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: "
       "trailers\r\n"
       "Proxy-Connection: x\r\nConnection: x-other\r\nX-Other: 1\r\nX-Kept: 1\r\n\r\n",
       0);
  ASSERT_EQ(got.status, 0);
  EXPECT_FALSE(got.connection.keep_alive);
  ASSERT_EQ(got.head.fields.size(), 1u);
  EXPECT_EQ(got.head.fields.begin()->name, "x-kept");
}

TEST(ReadRequest, KeepAliveAndUpgrade) {
  auto check = [](std::string_view fields, std::string_view version, bool keep, std::string_view upgrade) {
    Read got;
    read(got, "GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n" + std::string(fields) + "\r\n", 0);
    EXPECT_EQ(got.status, 0) << fields;
    EXPECT_EQ(got.connection.keep_alive, keep) << fields;
    EXPECT_EQ(got.head.upgrade, upgrade) << fields;
  };
  check("", "1.1", true, "");
  check("", "1.0", false, "");
  check("", "1.9", true, "");
  check("Connection: Keep-Alive\r\n", "1.0", true, "");
  check("Connection: keep-alive, close\r\n", "1.1", false, "");
  check("Connection: Upgrade\r\nUpgrade: websocket\r\n", "1.1", true, "websocket");
  check("Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n", "1.1", true, "websocket");
  check("Upgrade: websocket\r\n", "1.1", true, "");
  check("Connection: Upgrade\r\nUpgrade: websocket\r\n", "1.0", false, "");
  check("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n", "1.1", true, "");
  check("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", "1.1", true, "");
}

TEST(ReadRequest, Bodies) {
  Read length, chunked, expect, old;
  read(length, with("Content-Length: 005\r\n"), 0);
  EXPECT_EQ(length.body, (Body{BodyKind::length, 5}));
  read(chunked, with("Transfer-Encoding: Chunked\r\n"), 0);
  EXPECT_EQ(chunked.body.kind, BodyKind::chunked);
  read(expect, with("Content-Length: 5\r\nExpect: 100-Continue\r\n"), 0);
  EXPECT_TRUE(expect.connection.expects_continue);
  EXPECT_TRUE(expect.head.fields.empty());
  read(old, "POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", 0);
  EXPECT_EQ(old.status, 0);
  EXPECT_FALSE(old.connection.expects_continue);
}

struct Response {
  const char* what;
  std::string bytes;
  bool good;
  bool to_head = false;
  BodyKind kind = BodyKind::none;
  bool has_body = false;
  bool keep_alive = true;
};

TEST(ReadResponse, FramingOfRfc9112) {
  auto ok = [](std::string_view fields) { return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n"; };
  const std::vector<Response> cases = {
      {"length", ok("Content-Length: 5\r\n"), true, false, BodyKind::length, true},
      {"nothing", ok("Content-Length: 0\r\n"), true, false, BodyKind::length, false},
      {"chunked", ok("Transfer-Encoding: chunked\r\n"), true, false, BodyKind::chunked, true},
      {"until closed", ok(""), true, false, BodyKind::close, true, false},
      {"HEAD", ok("Content-Length: 5\r\n"), true, true, BodyKind::length, false},
      {"HEAD without length", ok(""), true, true, BodyKind::none, false},
      {"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true, false, BodyKind::length, false},
      {"204", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", true, false, BodyKind::none, false},
      {"100", "HTTP/1.1 100 Continue\r\n\r\n", true, false, BodyKind::none, false},
      {"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", true, false, BodyKind::length, false},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true, false, BodyKind::length, false,
       false},
      {"closes", ok("Content-Length: 0\r\nConnection: close\r\n"), true, false, BodyKind::length, false,
       false},
      {"both", ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), false},
      {"two lengths", ok("Content-Length: 5\r\nContent-Length: 6\r\n"), false},
      {"gzip, chunked", ok("Transfer-Encoding: gzip, chunked\r\n"), false},
      {"obs-fold", ok("A: b\r\n c\r\n"), false},
      {"NUL", ok("A: b\0\r\n"s), false},
      {"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", false},
      {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", false},
      {"status below 100", "HTTP/1.1 099 OK\r\n\r\n", false},
      {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", false},
      {"another protocol", "ICY 200 OK\r\nA: b\r\n\r\n", false},
  };
  for (const Response& c : cases) {
    HeadScanner scanner;
    size_t size = scanner.scan(c.bytes, {});
    ASSERT_EQ(size, c.bytes.size()) << c.what;
    ResponseHead head;
    Arena arena;
    Body body;
    Connection connection;
    ASSERT_EQ(read_response(c.bytes, {}, c.to_head, head, arena, body, connection), c.good) << c.what;
    if (!c.good) continue;
    EXPECT_EQ(body.kind, c.kind) << c.what;
    EXPECT_EQ(has_body(head.status, c.to_head, body), c.has_body) << c.what;
    EXPECT_EQ(connection.keep_alive, c.keep_alive) << c.what;
  }
}

TEST(ReadTrailers, LeavesOutWhatMustNotBeThere) {
  Fields fields;
  Arena arena;
  ASSERT_TRUE(read_trailers(
      "Grpc-Status: 0\r\nContent-Length: 5\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", {}, fields, arena));
  ASSERT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields.begin()->name, "grpc-status");
  EXPECT_FALSE(read_trailers("a b: c\r\n", {}, fields, arena));
}

}  // namespace
}  // namespace weft::gateway::http1
