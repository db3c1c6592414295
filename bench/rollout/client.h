#pragma once

#include <map>
#include <string>

namespace weft::bench {

/// What the client has seen.
struct Attempts {
  long answered = 0;
  std::map<std::string, long> failed;  ///< by what went wrong
  double longest_ms = 0;               ///< of those that were answered
};

/// Connects to port 80 of an address, asks and reads the answer, without pause, until `folder`/stop is there;
/// then writes `folder`/attempts. Runs in a pod.
int attempt_until_stopped(const std::string& address, const std::string& folder);

/// What attempt_until_stopped() wrote.
Attempts read_attempts(const std::string& folder);

}  // namespace weft::bench
