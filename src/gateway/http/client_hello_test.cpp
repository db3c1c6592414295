#include "gateway/http/client_hello.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::gateway {
namespace {

using State = ClientHello::State;

std::string number(size_t value, int size) {
  std::string out;
  while (size-- > 0) out += static_cast<char>(value >> (8 * size));
  return out;
}
std::string vector(std::string bytes, int length_size) { return number(bytes.size(), length_size) + bytes; }

std::string server_name(const std::string& name) {
  return number(0, 2) + vector(vector(number(0, 1) + vector(name, 2), 2), 2);
}
std::string message(const std::string& extensions) {
  std::string body = "\x03\x03" + std::string(32, 'r') + vector("session", 1) + vector("\x13\x01", 2) +
                     vector(std::string(1, '\0'), 1) + vector(extensions, 2);
  return number(1, 1) + vector(body, 3);
}
std::string record(const std::string& fragment) { return "\x16\x03\x01" + vector(fragment, 2); }
/// A key share before and a padding behind, as browsers send them.
std::string hello(const std::string& name) {
  return record(message(number(51, 2) + vector(std::string(1200, 'k'), 2) + server_name(name) +
                        number(21, 2) + vector(std::string(100, '\0'), 2)));
}

TEST(ClientHello, ServerName) {
  ClientHello read = read_client_hello(hello("Foo.Example.COM."));
  EXPECT_EQ(read.state, State::read);
  EXPECT_EQ(read.server_name, "foo.example.com");
  read = read_client_hello(record(message("")));
  EXPECT_EQ(read.state, State::read);
  EXPECT_EQ(read.server_name, "");
  EXPECT_EQ(read_client_hello(hello("a") + "more").server_name, "a") << "what comes behind is not its";
}

TEST(ClientHello, EveryPieceOfItIsNotEnough) {
  std::string whole = hello("foo.example.com");
  for (size_t size = 0; size < whole.size(); ++size)
    ASSERT_EQ(read_client_hello(whole.substr(0, size)).state, State::more) << size;
}

TEST(ClientHello, InAnyRecords) {
  std::string text = message(server_name("foo.example.com"));
  for (size_t piece : {1, 3, 4, 50}) {
    std::string bytes;
    for (size_t at = 0; at < text.size(); at += piece) bytes += record(text.substr(at, piece));
    EXPECT_EQ(read_client_hello(bytes).server_name, "foo.example.com") << piece;
    EXPECT_EQ(read_client_hello(bytes.substr(0, bytes.size() - 1)).state, State::more) << piece;
  }
}

TEST(ClientHello, Bad) {
  const std::vector<std::string> cases = {
      "GET / HTTP/1.1\r\n",
      "\x17",
      std::string("\x16\x02"),
      std::string("\x16\x03\x01\x00\x00", 5),  // an empty record
      std::string("\x16\x03\x01\x40\x01", 5),  // too long
      record(number(2, 1)),                    // a server's
      record(number(1, 1) + number(1 << 20, 3)),
      hello("two words"),
      hello(""),
      hello("."),
      hello(std::string(254, 'a')),
      record(message(number(0, 2) + vector(number(9, 2), 2))),  // a list that is longer than its extension
      record(message(server_name("a").substr(0, 5))),           // extensions that end in the middle
      record(number(1, 1) + vector(std::string(34, 'x') + "\xff", 3)),
  };
  for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(read_client_hello(cases[i]).state, State::bad) << i;
}

TEST(ClientHello, NotWaitedForWithoutEnd) {
  std::string bytes;
  std::string start = number(1, 1) + number(ClientHello::kLongest, 3);
  for (char c : start) bytes += record(std::string(1, c));
  while (bytes.size() < 3 * ClientHello::kLongest) bytes += record("x");
  EXPECT_EQ(read_client_hello(bytes).state, State::bad);
}

}  // namespace
}  // namespace weft::gateway
