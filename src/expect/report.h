#pragma once

#include <optional>
#include <string>
#include <vector>

#include "expect/judge.h"

/// What became of expectations, for people and for programs.
namespace weft::expect {

struct Test {
  const Expectation* what = nullptr;
  Judgement judgement;      ///< of what was foretold and, if it was tried, of what was seen
  trace::Outcome foretold;  ///< of the first source that does not work, or the first
  std::vector<probe::Observed> seen;
  double seconds = 0;
};

struct Counts {
  size_t held = 0, failed = 0, unknown = 0;
  /// 0 all held, 1 some failed, 3 some are not known.
  int exit_code() const { return failed > 0 ? 1 : unknown > 0 ? 3 : 0; }
};
Counts count(const std::vector<Test>& tests);

/// One line of a test, more if it has not held. `colours`: with escape codes.
std::string to_text(const Test& test, bool colours);
json::object to_json(const std::vector<Test>& tests);
/// JUnit's XML: a testcase each, unknown ones skipped.
std::string to_junit(const std::vector<Test>& tests);
/// A run of SARIF 2.1.0 (OASIS) with those that have not held.
json::object to_sarif(const std::vector<Test>& tests);

}  // namespace weft::expect
