#include "expect/report.h"

#include <fmt/core.h>

#include <algorithm>

namespace weft::expect {
namespace {

std::string_view word_of(State state) {
  return state == State::held ? "ok" : state == State::failed ? "FAILED" : "unknown";
}

std::string_view colour_of(State state) {
  return state == State::held ? "\x1b[32m" : state == State::failed ? "\x1b[31m" : "\x1b[33m";
}

json::object to_json(const Test& test) {
  const auto& what = *test.what;
  json::object foretold{{"verdict", trace::name_of(test.foretold.verdict)}};
  if (test.foretold.status != 0) foretold["status"] = test.foretold.status;
  if (!test.foretold.reason.empty()) foretold["reason"] = test.foretold.reason;
  json::object out{{"name", what.name},
                   {"file", what.file},
                   {"line", what.line},
                   {"from", what.from},
                   {"to", what.to},
                   {"state", name_of(test.judgement.state)},
                   {"foretold", std::move(foretold)},
                   {"seconds", test.seconds}};
  if (!test.judgement.why.empty()) out["why"] = test.judgement.why;
  if (!test.judgement.fix.empty()) out["fix"] = test.judgement.fix;
  json::array seen;
  for (const auto& one : test.seen) seen.push_back(one.to_json());
  if (!seen.empty()) out["observed"] = std::move(seen);
  return out;
}

/// As text of XML 1.0, which has no control characters.
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string explanation(const Judgement& judgement) {
  return judgement.fix.empty() ? judgement.why
                               : fmt::format("{}. To mend it: {}", judgement.why, judgement.fix);
}

}  // namespace

Counts count(const std::vector<Test>& tests) {
  Counts out;
  for (const auto& test : tests) {
    auto state = test.judgement.state;
    ++(state == State::held ? out.held : state == State::failed ? out.failed : out.unknown);
  }
  return out;
}

std::string to_text(const Test& test, bool colours) {
  auto state = test.judgement.state;
  auto word = fmt::format("{:<7}", word_of(state));
  if (colours) word = fmt::format("{}{}\x1b[0m", colour_of(state), word);
  auto out = fmt::format("{} {}\n", word, test.what->name);
  if (state == State::held) return out;
  out += fmt::format("        {}: {}\n", test.what->place(), test.judgement.why);
  if (!test.judgement.fix.empty()) out += fmt::format("        to mend it: {}\n", test.judgement.fix);
  return out;
}

json::object to_json(const std::vector<Test>& tests) {
  json::array list;
  for (const auto& test : tests) list.push_back(to_json(test));
  auto counts = count(tests);
  return {{"tests", std::move(list)},
          {"held", counts.held},
          {"failed", counts.failed},
          {"unknown", counts.unknown}};
}

std::string to_junit(const std::vector<Test>& tests) {
  auto counts = count(tests);
  double seconds = 0;
  for (const auto& test : tests) seconds += test.seconds;
  auto out = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
      "<testsuite name=\"weft test\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" "
      "time=\"{:.3f}\">\n",
      tests.size(), counts.failed, counts.unknown, seconds);
  for (const auto& test : tests) {
    const auto& what = *test.what;
    out += fmt::format("<testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3f}\"",
                       escaped(what.file), escaped(what.name), escaped(what.file), what.line, test.seconds);
    if (test.judgement.state == State::held) {
      out += "/>\n";
      continue;
    }
    out += fmt::format("><{} message=\"{}\"/></testcase>\n",
                       test.judgement.state == State::failed ? "failure" : "skipped",
                       escaped(explanation(test.judgement)));
  }
  return out + "</testsuite>\n</testsuites>\n";
}

json::object to_sarif(const std::vector<Test>& tests) {
  json::array results;
  for (const auto& test : tests) {
    if (test.judgement.state == State::held) continue;
    bool failed = test.judgement.state == State::failed;
    json::object place{{"artifactLocation", {{"uri", test.what->file}}},
                       {"region", {{"startLine", std::max(test.what->line, 1)}}}};
    results.push_back(json::object{
        {"ruleId", failed ? "expectation-failed" : "expectation-unknown"},
        {"level", failed ? "error" : "warning"},
        {"message", {{"text", fmt::format("{}: {}", test.what->name, explanation(test.judgement))}}},
        {"locations", json::array{json::object{{"physicalLocation", std::move(place)}}}}});
  }
  json::array rules;
  for (auto [id, text] : {std::pair{"expectation-failed", "an expectation does not hold"},
                          std::pair{"expectation-unknown", "no object says whether an expectation holds"}})
    rules.push_back(json::object{{"id", id}, {"shortDescription", {{"text", text}}}});
  json::object run{{"tool", {{"driver", {{"name", "weft test"}, {"rules", std::move(rules)}}}}},
                   {"results", std::move(results)}};
  return {{"version", "2.1.0"},
          {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
          {"runs", json::array{std::move(run)}}};
}

}  // namespace weft::expect
