#include "kube/client/watch_parser.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::kube {
namespace {

struct Seen {
  std::vector<std::string> events;
  bool feed(WatchParser& parser, std::string_view bytes, size_t stop_after = SIZE_MAX) {
    return parser
        .feed(bytes,
              [&](json::value event) {
                events.push_back(json::serialize(event));
                return events.size() < stop_after;
              })
        .has_value();
  }
};

TEST(WatchParser, EventsCutAnywhere) {
  const std::string text =
      "{\"type\":\"ADDED\",\"object\":{\"a\":\"}{\\\"\"}}\n\n{\"type\":\"BOOKMARK\"}\r\n";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    WatchParser parser;
    Seen seen;
    for (size_t at = 0; at < text.size(); at += piece) EXPECT_TRUE(seen.feed(parser, text.substr(at, piece)));
    EXPECT_EQ(seen.events, (std::vector<std::string>{"{\"type\":\"ADDED\",\"object\":{\"a\":\"}{\\\"\"}}",
                                                     "{\"type\":\"BOOKMARK\"}"}))
        << "in pieces of " << piece;
  }
}

TEST(WatchParser, StopsWhenAsked) {
  WatchParser parser;
  Seen seen;
  EXPECT_TRUE(seen.feed(parser, "{\"a\":1}{\"a\":2}{\"a\":3}", 2));
  EXPECT_EQ(seen.events.size(), 2U);
  EXPECT_TRUE(parser.stopped());
}

TEST(WatchParser, RefusesWhatIsNoEvent) {
  for (const char* text : {"[1]", "null ", "12 ", "nonsense", "{\"a\":}", "{\"a\":\"\xff\"}"}) {
    WatchParser parser;
    Seen seen;
    EXPECT_FALSE(seen.feed(parser, text)) << text;
    EXPECT_TRUE(seen.events.empty()) << text;
  }
}

TEST(WatchParser, DeepNesting) {
  auto nested = [](int depth) {
    std::string text = "{\"a\":";
    for (int i = 0; i < depth; ++i) text += '[';
    for (int i = 0; i < depth; ++i) text += ']';
    return text + "}";
  };
  WatchParser good, bad;
  Seen seen;
  EXPECT_TRUE(seen.feed(good, nested(150)));
  EXPECT_FALSE(seen.feed(bad, nested(100'000)));
}

TEST(WatchParser, EndlessEventIsCut) {
  WatchParser parser;
  Seen seen;
  std::string piece(1 << 20, 'x');
  EXPECT_TRUE(seen.feed(parser, "{\"a\":\""));
  int fed = 0;
  while (fed < 100 && seen.feed(parser, piece)) ++fed;
  EXPECT_EQ(fed, 63);
}

}  // namespace
}  // namespace weft::kube
