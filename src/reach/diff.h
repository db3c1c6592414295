#pragma once

#include <string>
#include <vector>

#include "kube/json.h"
#include "reach/reach.h"

/// What becomes another in who can reach whom.
namespace weft::reach {

/// One of the two clusters that are compared.
struct Side {
  bool there = true;  ///< both ends are
  trace::Verdict verdict = trace::Verdict::works;
  std::string reason;
  std::vector<trace::ObjectRef> by;   ///< who decides
  std::vector<std::string> leads_to;  ///< of `moved` and of names
  bool operator==(const Side&) const = default;
};

/// Connections that change in the same way and for the same reasons: from each of `from` to each of `to`.
struct Change {
  enum class Kind : uint8_t {
    allowed,  ///< they work now, or more of their ways do
    denied,   ///< they do not work any more, or fewer of their ways do
    moved,    ///< they lead elsewhere
    named,    ///< of names (`from` is empty): they can be resolved now
    unnamed,  ///< not any more
    renamed,  ///< they stand for something else
  };
  Kind kind = Kind::allowed;
  std::vector<std::string> from, to;
  Side before, after;
};
std::string_view name_of(Change::Kind kind);

struct Diff {
  std::vector<Change> changes;
  std::vector<std::string> notes;  ///< what was assumed

  json::object to_json() const;
  std::string to_text() const;
};

/// Pure. Workloads are the same by their owner, or by the names of their pods; other things by their names.
Diff compare(const Reach& before, const Reach& after);

}  // namespace weft::reach
