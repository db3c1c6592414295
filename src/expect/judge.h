#pragma once

#include <string>
#include <vector>

#include "expect/expectation.h"
#include "probe/compare.h"

/// Whether an expectation holds: of what was foretold, and of what was seen.
namespace weft::expect {

enum class State : uint8_t { held, failed, unknown };
std::string_view name_of(State state);

struct Judgement {
  State state = State::held;
  std::string why;  ///< of one that has not held
  std::string fix;

  void worsen(State to, std::string reason, std::string mend = {});
};

/// An expectation with everything it names looked up in a world.
struct Case {
  const Expectation* what = nullptr;
  std::vector<trace::Source> sources;
  trace::Destination to;
  std::vector<trace::Trace> traces;  ///< of each source
};

/// Fails with "FILE:LINE: " when the world has no such client or destination. `outside`: the addresses of
/// who is outside; none: an example.
Expected<Case> look_up(const trace::World& world, const Expectation& what,
                       const std::vector<IpAddr>& outside = {});

/// By what is foretold.
Judgement judge(const trace::World& world, const Case& found);

/// By what was seen of source `index`.
Judgement judge(const trace::World& world, const Case& found, size_t index, const probe::Ask& ask,
                const probe::Observed& seen);

}  // namespace weft::expect
